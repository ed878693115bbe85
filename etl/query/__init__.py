"""Questions to the table: the cookbook, SQL of the user's own, and how answers are printed."""

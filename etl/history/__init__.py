"""What keeps years of rows usable: days, rollups, retention."""

"""A seeded generator of believable hourly conn logs, and the small set that it made (see README.md)."""

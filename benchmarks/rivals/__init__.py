"""Others who bring conn logs into PostgreSQL, each in an environment of its own."""

"""conn-etl: Zeek conn logs into PostgreSQL, exact and accountable to the row."""

"""Everything that knows a connection, and no stage of the data."""

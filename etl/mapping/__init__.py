"""Zeek's columns to standard columns: pure functions, no I/O."""

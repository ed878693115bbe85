"""Lines that did not reach the table: list, export, discard, replay."""

"""Bounds on what a log brings, and what happens beyond each: nothing of a log is kept, multiplied or shown unbounded.

A line beyond a bound is rejected and goes to quarantine as it is; a file beyond one is refused. Bounds that an operator
sets (block, line, file) are in ``ReadOptions``.
"""

KEY_BYTES = 1_024
"""A text of the table's key, whose index entries PostgreSQL bounds at 2,704 bytes: a longer one is
``value_too_long``."""
TEXT_BYTES = 1 << 20
"""Any other text of a field: a longer one is ``value_too_long``. An index on it has to shorten it itself."""

LINE_KEYS = 10_000
"""Keys of a JSON line, those of nested objects counted: a line with more is ``too_many_keys``."""
FILE_KEYS = 100_000
"""Different keys beyond the dictionary in one file, of all its lines or headers: a file with more is refused as
``too_large``. Each is looked up, and remembered until the file ends."""
HEADER_COLUMNS = 10_000
"""Columns of a TSV or CSV header: a file with more is refused as ``too_large``."""
HEADER_BYTES = 1 << 20
"""A header line: a file with a longer one is refused as ``too_large``. Quarantine keeps each header once."""

SMALL_FILE = 1 << 16
"""A file as it is stored; a larger one is not mapped together with others."""

LISTED_COLUMNS = 1_000
"""Columns beyond the dictionary that are listed of a file; the rows keep all of them."""
LISTED_NAME = 200
"""Characters of a column's name in that list; the rows keep the whole name."""
SHOWN = 100
"""Characters of a log's text in a message."""

HEADER_LINES = 10_000
"""Header lines without ``#fields`` among them; a file with more is refused."""
LOST_LINES = 200_000
"""Rejects and rows without a time: a file is refused once more are read, and ``FOR_EACH_ROW`` times as many as good
rows. The rest could take hours."""
IDLE_LINES = 1_000_000
"""Blank lines and headers: the same."""
FOR_EACH_ROW = 20
PADDING = 64 << 20
"""NUL bytes after the data of a packed log that are read to look for more data."""
HOLE_KEPT = 4_096
"""NUL bytes of one run inside a line that are kept; at the start of a line none are."""
PACKED_HOLE = 512 << 20
"""NUL bytes that a packed log may unpack to, beyond what the ratio of a bomb allows."""


def listed_name(name: str) -> str:
    """Return a column's name as lists show it."""
    return name if len(name) <= LISTED_NAME else f"{name[:LISTED_NAME]}…"

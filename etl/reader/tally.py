"""What became of a file's lines so far, and when that says that the rest is not worth reading, or not what it seems."""

from __future__ import annotations

from collections import Counter

from etl.errors import NotAConnLog, OtherLog
from etl.mapping import bounds
from etl.models import Block

_FEW, _MORE = 3, 2
"""Rejects of one shape from which they may refuse a file, and how many more they have to be than all other lines."""
_SHAPES = {
    "not_json": "not JSON",
    "not_an_object": "JSON, but no objects",
    "wrong_column_count": "of another number of columns than the header",
    "no_header": "rows before any header",
    "no_row_inside": "without a row inside",
    "not_csv": "not CSV: their quotes do not fit",
    "invalid_utf8": "not UTF-8",
    "nul_byte": "broken by NUL bytes",
}
"""Reasons that tell of a line's shape. If most lines have the same one, the file is not in the format that it seems."""
_SHAPE_HINTS = {"invalid_utf8": "iconv -f LATIN1 -t UTF-8 FILE | conn-etl ingest -"}


class Tally:
    """Counts of one file."""

    def __init__(self) -> None:
        self.read = 0
        """Lines neither blank nor header: rows and rejects."""
        self._lines = self._lost = 0
        self._reasons: Counter[str] = Counter()

    def add(self, lines: int, block: Block) -> None:
        """Count what a chunk of so many lines came to.

        Raises:
            NotAConnLog: too few of the lines so far are rows.
        """
        self._lines += lines
        self.read += block.frame.height + len(block.rejects)
        self._lost += len(block.rejects) + block.frame["@timestamp"].null_count()
        self._reasons.update(reject.reason for reject in block.rejects)
        rows = self.read - self._lost
        if self._lost > max(bounds.LOST_LINES, bounds.FOR_EACH_ROW * rows):
            raise NotAConnLog(f"{self._lost:,} of its first {self.read:,} lines are no rows")
        idle = self._lines - self.read
        if idle > max(bounds.IDLE_LINES, bounds.FOR_EACH_ROW * rows):
            raise NotAConnLog(
                f"{idle:,} of its first {self._lines:,} lines are blank or headers",
                hint="if it is a log, take blank lines and repeated headers out first",
            )

    def judge(self) -> None:
        """Refuse a file of which most lines have the same wrong shape: few rows would pass for all of it.

        Raises:
            OtherLog: each of its rows is of another log.
            NotAConnLog: most lines have the same wrong shape.
        """
        others = self._reasons["other_log"]
        if others and others == self.read:
            raise OtherLog(f"its {self.read:,} rows are of other logs")
        for reason, shape in _SHAPES.items():
            count = self._reasons[reason]
            rest = self.read - others - count
            if count >= _FEW and count >= rest + _MORE:
                raise NotAConnLog(
                    f"{count:,} of its {self.read - others:,} lines are {shape}",
                    hint=_SHAPE_HINTS.get(reason),
                )

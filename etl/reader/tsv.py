"""Read a Zeek TSV log: its headers, and the runs of rows under each.

Columns are found by name, never by position. A header may come again in mid-file with other columns, or those of
another log, as it does when logs are concatenated.
"""

from __future__ import annotations

from collections.abc import Iterator

from etl.errors import MissingColumn, NotAConnLog, OtherLog
from etl.fields import LOG, REQUIRED
from etl.mapping.names import Names, is_other_log
from etl.mapping.values import Fault
from etl.reader.chunks import Piece
from etl.reader.header import START, Run, headed, is_header, runs
from etl.reader.parts import Part
from etl.reader.tsv_rows import Table, columns_of


class TsvSource:
    """Reads the pieces of one file; the header holds from one piece to the next."""

    def __init__(self, names: Names) -> None:
        self.format = START
        self.extra: dict[str, str] = {}
        self._names = names
        self._table: Table | None = None
        self._own = self._other = False

    def read(self, piece: Piece) -> Iterator[Part]:
        """Yield the parts of a piece, in order.

        Raises:
            NotAConnLog: a row before any ``#fields``.
            MissingColumn: a header above rows lacks a column that every row needs.
            OtherLog: the file begins with a piece in which nothing is of the log.
        """
        for run in runs(piece):
            if run.hash and is_header(run.data):
                self._head(run)
            elif run.hash:
                yield self._rejected([run.first], "not_a_header")
            else:
                yield self._rows(run)
        if self._other and not self._own:
            raise OtherLog(f"a log of {self.format.path}, not of {LOG}")

    def _head(self, run: Run) -> None:
        after = headed(self.format, run.data)
        if after != self.format:
            self.format, self._table = after, None
        if after.path is not None:
            self._own |= after.path == LOG
            self._other |= after.path != LOG

    def _rows(self, run: Run) -> Part:
        if self.format.path not in (None, LOG):
            return self._rejected([number for number, _ in filled(run)], "other_log")
        if self._table is None:
            if not any(filled(run)):
                return self._rejected([], "")
            if not self.format.fields:
                if not self._own:
                    raise NotAConnLog("rows before any #fields line", hint="a Zeek TSV log needs its header")
                return self._rejected([number for number, _ in filled(run)], "no_header")
            self._table = self._begun(run.first)
        return self._table.read(run)

    def _begun(self, line: int) -> Table:
        columns = columns_of(self.format, self._names)
        if self.format.path is None and is_other_log(self.format.fields):
            raise OtherLog(
                f"a Zeek log without #path, with columns of another log, and none that only {LOG} has"
            )
        found = {column.field for column in columns}
        if missing := [field.zeek for field in REQUIRED if field.zeek not in found]:
            raise MissingColumn(f"the header above line {line} lacks {', '.join(missing)}")
        self._own = True
        self.extra |= {column.name: column.zeek_type for column in columns if column.field is None}
        return Table(self.format, columns)

    def _rejected(self, lines: list[int], reason: str) -> Part:
        faults = [Fault(line=line, field=None, reason=reason) for line in lines]
        return Part(format=self.format, rows=len(lines), faults=faults)


def filled(run: Run) -> Iterator[tuple[int, bytes]]:
    """Yield number and bytes of the lines that are not blank."""
    for number, line in enumerate(run.data.split(b"\n"), run.first):
        if line and line != b"\r":
            yield number, line

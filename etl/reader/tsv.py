"""Read a Zeek TSV log: its headers, and the runs of rows under each.

Columns are found by name, never by position. A header may come again in mid-file with other columns, or those of
another log, as it does when logs are concatenated. Rows of several logs that stand mixed under their headers, as Zeek
prints them to one stream, cannot be told apart, and refuse the file.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

from etl.errors import MissingColumn, NotAConnLog, OtherLog, TooLarge
from etl.fields import LOG, REQUIRED
from etl.mapping.bounds import HEADER_BYTES, HEADER_COLUMNS, HEADER_LINES, SHOWN
from etl.mapping.names import STREAM_COLUMNS, Names
from etl.mapping.values import Fault
from etl.reader.chunks import Chunk
from etl.reader.header import BLANKS, START, Run, headed, is_header, runs
from etl.reader.raw_block import RawBlock
from etl.reader.tsv_rows import Table, columns_of


class TsvSource:
    """Reads the chunks of one file; the header holds from one chunk to the next."""

    def __init__(self, names: Names, wrapping: tuple[str, ...] = ()) -> None:
        self.format = replace(START, wrapping=wrapping)
        self.extra: dict[str, str] = {}
        self._names = names
        self._table: Table | None = None
        self._own = self._other = self._is_other_section = self._headless = False
        self._header_lines = 0
        self._open: dict[str | None, int] = {}
        """Streams whose header came and whose ``#close`` did not, with their number of columns."""

    def read(self, chunk: Chunk) -> Iterator[RawBlock]:
        """Yield the raw blocks of a chunk, in order.

        Raises:
            NotAConnLog: rows of several logs mixed.
            MissingColumn: a header above rows lacks a column that every row needs.
            OtherLog: the file begins with a chunk in which nothing is of the log.
            TooLarge: a header beyond its bounds.
        """
        for run in runs(chunk):
            if run.hash and is_header(run.data):
                self._head(run)
            elif run.hash:
                yield self._rejected([run.first], "not_a_header")
            else:
                yield self._rows(run)
        if self._other and not self._own:
            raise OtherLog(self._what_other())

    def whole_in(self, chunk: Chunk) -> Callable[[bytes], bool]:
        """Return what tells whether bytes of a chunk are one whole row: as many cells as a header has columns."""
        format_, separators = self.format, set()
        for run in (None, *runs(chunk)):
            if run is not None and run.hash and is_header(run.data):
                format_ = headed(format_, run.data)
            if format_.fields:
                separators.add(((format_.separator or "\t").encode(), len(format_.fields) - 1))
        return lambda line: any(line.count(separator) == count for separator, count in separators)

    def finish(self) -> None:
        """Judge the file as a whole.

        Raises:
            NotAConnLog: rows and no ``#fields`` above any of them.
        """
        if self._headless and not self.format.fields:
            raise NotAConnLog("rows before any #fields line", hint="a Zeek TSV log needs its header")

    # --- headers ----------------------------------------------------------------------------------------------

    def _head(self, run: Run) -> None:
        if len(run.data) > HEADER_BYTES:
            raise TooLarge(f"a header line of {len(run.data):,} bytes")
        after = headed(self.format, run.data)
        self._header_lines = 0 if after.fields else self._header_lines + 1
        if self._header_lines > HEADER_LINES:
            raise NotAConnLog(f"{HEADER_LINES:,} header lines and no #fields among them")
        if len(after.fields) > HEADER_COLUMNS:
            raise TooLarge(f"a header of {len(after.fields):,} columns")
        if run.data.startswith(b"#close"):
            self._open.clear()
        if after != self.format:
            self.format, self._table, self._is_other_section = after, None, False
        if run.data.startswith(b"#fields"):
            self._open[after.path] = len(after.fields)
        if after.path:
            self._own |= self._names.is_own(after.path)
            self._other |= not self._names.is_own(after.path)

    def _what_other(self) -> str:
        if self.format.path:
            return f"a log of {self.format.path[:SHOWN]}, not of {LOG}"
        return f"a Zeek log without #path, with columns of another log, and none that only {LOG} has"

    # --- rows -------------------------------------------------------------------------------------------------

    def _rows(self, run: Run) -> RawBlock:
        if self._is_other_section or (self.format.path and not self._names.is_own(self.format.path)):
            lines = list(filled(run))
            self._refuse_mixed(line for _, line in lines)
            return self._rejected([number for number, _ in lines], "other_log")
        if self._table is None:
            if not any(filled(run)):
                return self._rejected([], "")
            if not self.format.fields:
                self._headless = True
                return self._rejected([number for number, _ in filled(run)], "no_header")
            if not self.format.path and self._is_of_another_log():
                self._is_other_section = self._other = True
                return self._rows(run)
            self._table = self._begun(run.first)
        run = self._with_own_cells(run)
        block = self._table.read(run)
        if len(self._open) > 1:
            wrong = {fault.line for fault in block.faults if fault.reason == "wrong_column_count"}
            self._refuse_mixed(line for number, line in filled(run) if number in wrong)
        return block

    def _is_of_another_log(self) -> bool:
        """Whether the columns say so; where one of them names the stream, each row does."""
        fields = self.format.fields
        return not set(STREAM_COLUMNS).intersection(fields) and self._names.is_other(None, fields)

    def _refuse_mixed(self, lines: Iterable[bytes]) -> None:
        """Rows with as many cells as another open log has columns: Zeek wrote several logs to one stream."""
        if len(self._open) < 2:  # noqa: PLR2004  two logs
            return
        own = len(self.format.fields)
        others = set(self._open.values()) - {own}
        separator = (self.format.separator or "\t").encode()
        if any(line.count(separator) + 1 in others for line in lines):
            raise NotAConnLog(
                f"rows of several logs in one stream: {', '.join(str(path)[:SHOWN] for path in self._open)}",
                hint="let Zeek write a file for each log (without -C to stdout, or Log::default_logdir)",
            )

    def _with_own_cells(self, run: Run) -> Run:
        """Each value of the last cell in a separate cell, where the header has several names there."""
        step = next((step for step in self.format.wrapping if step.startswith(BLANKS)), None)
        if step is None:
            return run
        _, width, count = step.split(":")
        separator = (self.format.separator or "\t").encode()
        blanks = re.compile(rb" {%d,}" % int(width))
        tabs = len(self.format.fields) - int(count)
        lines = run.data.split(b"\n")
        for i, line in enumerate(lines):
            if line.count(separator) == tabs:
                before, _, last = line.rpartition(separator)
                cells = blanks.split(last.strip())
                if len(cells) == int(count):
                    lines[i] = separator.join([before, *cells])
        return replace(run, data=b"\n".join(lines))

    def _begun(self, line: int) -> Table:
        columns = columns_of(self.format, self._names)
        fields = {column.field for column in columns}
        if missing := [field.zeek for field in REQUIRED if field.zeek not in fields]:
            raise MissingColumn(f"the header above line {line} lacks {', '.join(missing)}")
        self._own = True
        self.extra |= {column.name: column.zeek_type for column in columns if column.field is None}
        return Table(self.format, columns, self._names)

    def _rejected(self, lines: list[int], reason: str) -> RawBlock:
        faults = [Fault(line=line, field=None, reason=reason) for line in lines]
        return RawBlock(format=self.format, rows=len(lines), faults=faults)


def filled(run: Run) -> Iterator[tuple[int, bytes]]:
    """Yield number and bytes of the lines that are not blank."""
    for number, line in enumerate(run.data.split(b"\n"), run.first):
        if line and line != b"\r":
            yield number, line

"""Cut a stream of bytes into chunks of whole lines, bounded in rows and in bytes.

Rows bound the memory (a block of TSV holds three times the rows of one of JSON with as many bytes); bytes bound it
when lines are long. A single line beyond the byte bound is not kept: a prefix stands for it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from etl.errors import TooLarge
from etl.models import ReadOptions

NEWLINE = 10
_BOM = b"\xef\xbb\xbf"
FIRST = 10
"""A file's first chunk may have so many times the rows of the others: by it the reader decides what the file is."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Chunk:
    """Consecutive lines of the decompressed bytes."""

    data: bytes
    """The lines with their ends; the last one may lack its own at the end of the stream."""
    first: int
    """1-based number of the first line."""
    lines: int
    """How many there are, an unterminated last one included."""
    ended: bool = True
    """False when the last line has no newline."""
    too_long: bool = False
    """One line longer than ``block_bytes``: ``data`` is only its beginning."""
    _ends: list[npt.NDArray[np.intp]] = field(default_factory=list)

    def raw(self, number: int) -> bytes:
        """Return line ``number`` without its line end (LF or CR LF)."""
        if not self._ends:
            self._ends.append(newlines(self.data))
        ends = self._ends[0]
        at = number - self.first
        start = int(ends[at - 1]) + 1 if at else 0
        end = int(ends[at]) if at < len(ends) else len(self.data)
        return self.data[start:end].removesuffix(b"\r")


def newlines(data: bytes) -> npt.NDArray[np.intp]:
    """Return the offsets of the newlines."""
    return np.flatnonzero(np.frombuffer(data, np.uint8) == NEWLINE)


def whole_lines(stream: Iterable[bytes], options: ReadOptions) -> Iterator[Chunk]:
    """Cut, and take the byte-order mark off the first line: its bytes count for the digest alone."""
    for chunk in cut(stream, options):
        if chunk.first == 1 and chunk.data.startswith(_BOM):
            yield replace(chunk, data=chunk.data.removeprefix(_BOM), _ends=[])
        else:
            yield chunk


def cut(stream: Iterable[bytes], options: ReadOptions) -> Iterator[Chunk]:
    """Yield the chunks of a stream, in order and without gaps.

    Raises:
        TooLarge: a line longer than ``max_line_bytes``.
    """
    cutter = _Cutter(options)
    for received in stream:
        yield from cutter.feed(received)
    yield from cutter.end()


class _Cutter:
    """Bytes received that wait for a cut. ``_whole`` bytes of them, ``_rows`` lines, are complete lines."""

    def __init__(self, options: ReadOptions) -> None:
        self._options = options
        self._parts: list[bytes] = []
        self._size = self._rows = self._whole = 0
        self._line = 1
        self._overlong = 0

    @property
    def _most_rows(self) -> int:
        return self._options.block_rows * (FIRST if self._line == 1 else 1)

    def feed(self, received: bytes) -> Iterator[Chunk]:
        if not self._overlong and self._size + len(received) <= self._options.block_bytes:
            rows = int(np.count_nonzero(np.frombuffer(received, np.uint8) == NEWLINE))
            if self._rows + rows < self._most_rows:
                self._hold(received, received.rfind(b"\n") + 1, rows)
                return
        ends = newlines(received)
        start = 0
        if self._overlong:
            if not len(ends):
                self._skip(received)
                return
            self._skip(received[: int(ends[0])])
            yield self._overlong_chunk()
            start = int(ends[0]) + 1
        while start < len(received):
            seen = int(np.searchsorted(ends, start))
            cut_at = self._cut_at(ends, seen, start, len(received))
            if cut_at is None:
                self._hold(
                    received[start:], int(ends[-1]) + 1 - start if len(ends) > seen else 0, len(ends) - seen
                )
                return
            if cut_at < 0:
                yield self._flush_whole()
            elif cut_at == start:
                yield from self._begin_overlong(received, ends, seen, start)
                start = len(received) if len(ends) == seen else int(ends[seen]) + 1
            else:
                taken = int(np.searchsorted(ends, cut_at)) - seen
                self._hold(received[start:cut_at], cut_at - start, taken)
                yield self._flush_whole()
                start = cut_at

    def _cut_at(self, ends: npt.NDArray[np.intp], seen: int, start: int, length: int) -> int | None:
        """Where to cut: None not in these bytes, -1 after the lines already held, ``start`` when a line is too long."""
        room = self._most_rows - self._rows
        fits = start + self._options.block_bytes - self._size
        if len(ends) - seen < room and length <= fits:
            return None
        last = min(seen + room, int(np.searchsorted(ends, fits))) - 1
        if last >= seen:
            return int(ends[last]) + 1
        if self._rows:
            return -1
        return None if length <= fits else start

    def _hold(self, part: bytes, whole: int, rows: int) -> None:
        if rows:
            self._whole = self._size + whole
        self._parts.append(part)
        self._size += len(part)
        self._rows += rows

    def _flush_whole(self) -> Chunk:
        data = b"".join(self._parts)
        whole, rest = data[: self._whole], data[self._whole :]
        chunk = Chunk(data=whole, first=self._line, lines=self._rows)
        self._line += self._rows
        self._parts, self._size, self._rows, self._whole = ([rest] if rest else []), len(rest), 0, 0
        return chunk

    def _begin_overlong(
        self, received: bytes, ends: npt.NDArray[np.intp], seen: int, start: int
    ) -> Iterator[Chunk]:
        """The line in hand passes the bound: keep its beginning, and drop the rest up to its end."""
        ended = len(ends) > seen
        line = b"".join([*self._parts, received[start : int(ends[seen]) if ended else len(received)]])
        self._parts, self._size, self._overlong = [], 0, 0
        self._skip(line)
        if ended:
            yield self._overlong_chunk()

    def _skip(self, more: bytes) -> None:
        room = self._options.max_raw_bytes + 1 - self._size
        if room > 0:
            self._parts.append(more[:room])
            self._size += len(self._parts[-1])
        self._overlong += len(more)
        if self._overlong > self._options.max_line_bytes:
            raise TooLarge(f"line {self._line} is longer than {self._options.max_line_bytes} bytes")

    def _overlong_chunk(self, *, ended: bool = True) -> Chunk:
        chunk = Chunk(data=b"".join(self._parts), first=self._line, lines=1, ended=ended, too_long=True)
        self._line += 1
        self._parts, self._size, self._overlong = [], 0, 0
        return chunk

    def end(self) -> Iterator[Chunk]:
        if self._overlong:
            yield self._overlong_chunk(ended=False)
            return
        ended = self._whole == self._size
        if self._size:
            yield Chunk(
                data=b"".join(self._parts), first=self._line, lines=self._rows + (not ended), ended=ended
            )

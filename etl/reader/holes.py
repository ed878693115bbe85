"""Runs of NUL bytes: what a sparse file reads as where nothing was written.

logrotate's ``copytruncate`` cuts a log that its writer goes on with at its old offset, and a crash can leave a block of
zeros. No row holds a NUL, so a run at the start of a line is a hole: it is counted and left out. Within a line, a long
run stands between a torn row and the one after it; the one that is whole counts.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

from etl.mapping.bounds import HOLE_KEPT
from etl.reader.chunks import Chunk

_LEADING = re.compile(rb"\n\0+")
_RUN = re.compile(rb"\0{16,}")
"""Fewer are a damaged line."""
_LONG = re.compile(rb"\0{%d}\0+" % HOLE_KEPT)


class WithoutHoles:
    """The bytes of a log without the NUL bytes at the start of lines; ``count`` and ``size`` of the holes so far."""

    def __init__(self, stream: Iterable[bytes]) -> None:
        self.count = self.size = 0
        self._stream = stream
        self._inside = 0
        """NUL bytes that the last bytes given out end with, within a line."""
        self._at_start = True
        self._open = False

    def __iter__(self) -> Iterator[bytes]:
        """Yield the bytes, never empty; those without a NUL as they are."""
        for received in self._stream:
            data = self._left(received) if self._at_start or self._inside or b"\0" in received else received
            if data:
                self._at_start = data.endswith(b"\n")
                yield data

    def note(self) -> str | None:
        """Say what was left out; None when nothing was."""
        if not self.size:
            return None
        holes = "a hole" if self.count <= 1 else f"{self.count:,} holes"
        return f"{holes} of {self.size:,} NUL bytes left out (a writer that went on at its old offset)"

    def _left(self, received: bytes) -> bytes:
        goes_on = received.endswith(b"\0")
        if self._at_start and received.startswith(b"\0"):
            kept = received.lstrip(b"\0")
            self.size += len(received) - len(kept)
            self.count += not self._open
            received = kept
        elif self._inside:
            received = self._shortened_start(received)
        if b"\0" in received:
            received = _LONG.sub(self._long, _LEADING.sub(self._leading, received))
        self._open = goes_on and (received.endswith(b"\n") or (not received and self._at_start))
        if received.strip(b"\0"):
            self._inside = len(received) - len(received.rstrip(b"\0"))
        else:
            self._inside = 0 if self._at_start else min(HOLE_KEPT, self._inside + len(received))
        return received

    def _shortened_start(self, received: bytes) -> bytes:
        """A run that began in the bytes before keeps no more than its bound."""
        rest = received.lstrip(b"\0")
        run = len(received) - len(rest)
        kept = min(run, HOLE_KEPT - self._inside)
        self.size += run - kept
        return b"\0" * kept + rest

    def _leading(self, found: re.Match[bytes]) -> bytes:
        self.count += 1
        self.size += len(found[0]) - 1
        return b"\n"

    def _long(self, found: re.Match[bytes]) -> bytes:
        self.size += len(found[0]) - HOLE_KEPT
        return b"\0" * HOLE_KEPT


def torn_apart(chunk: Chunk, is_whole: Callable[[bytes], bool], holes: WithoutHoles) -> Chunk:
    """Return the chunk where each line with long runs of NUL has only its one whole row, if it has one.

    The runs count as ``holes``.
    """
    if _RUN.search(chunk.data) is None or chunk.too_long:
        return chunk
    lines = chunk.data.split(b"\n")
    for i, line in enumerate(lines):
        whole = whole_row(line, is_whole)
        if whole != line:
            lines[i] = whole
            holes.count += 1
            holes.size += line.count(b"\0")
    return replace(chunk, data=b"\n".join(lines), _ends=[])


def whole_row(line: bytes, is_whole: Callable[[bytes], bool]) -> bytes:
    """Return the one whole row between long runs of NUL in a line, nothing where there are only NULs, else the line."""
    if b"\0" not in line or _RUN.search(line) is None:
        return line
    parts = [part for part in _RUN.split(line) if part.strip()]
    whole = [part for part in parts if is_whole(part)]
    if len(whole) == 1:
        return whole[0]
    return line if parts else b""

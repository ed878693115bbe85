"""From the bytes of a log, as stored, to blocks of standard rows and rejects.

Nothing is believed but the content: packing, format, columns and their types. Every line that is neither blank nor
header ends as a row or as a reject; the reader counts both against the lines, and stops rather than lose one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace
from itertools import islice
from typing import BinaryIO

import polars as pl

from etl.errors import NotAConnLog
from etl.mapping.names import Names
from etl.mapping.values import Fault, empty, standard
from etl.models import Block, Format, RawLine, ReadOptions, Reject, Scan
from etl.reader import header
from etl.reader.chunks import Piece, cut
from etl.reader.compression import Decompressed
from etl.reader.jsonl import FORMAT as JSON
from etl.reader.jsonl import JsonSource
from etl.reader.parts import Part
from etl.reader.tsv import TsvSource

_BOM = b"\xef\xbb\xbf"
_LOOKED_AT = 200
"""Lines that decide the format."""
_DEFAULTS = ReadOptions()
_HOPELESS, _HOPELESS_RATIO = 200_000, 20
"""Rejects in all, and for each row, from which the rest of a file is not worth the hours that it may take."""
_MOST_COLUMNS = 1_000
"""Columns beyond the dictionary that are listed of a file; all of them are kept."""


class ConnReader:
    """Iterate to get the blocks, once; ask ``scan`` afterwards."""

    def __init__(self, stream: BinaryIO, *, options: ReadOptions = _DEFAULTS) -> None:
        """``stream`` gives the file's bytes as stored, by ``read(n)`` alone."""
        self._options = options
        self._bytes = Decompressed(stream, max_bytes=options.max_file_bytes)
        self._digest = hashlib.sha256()
        self._rows = self._rejects = 0
        self._formats: dict[Format, None] = {}
        self._source: TsvSource | JsonSource | None = None
        self._done = False

    def __iter__(self) -> Iterator[Block]:
        """Yield blocks of at most ``block_rows`` rows, in the file's order.

        Raises:
            NotAConnLog, OtherLog, MissingColumn, TooLarge, Unreadable: see there; blocks may have been given out
                before, when the cause stands further down.
        """
        for piece in _pieces(self._hashed(), self._options):
            block = self._block(piece)
            self._rejects += len(block.rejects)
            if self._rejects > max(_HOPELESS, _HOPELESS_RATIO * (self._rows - self._rejects)):
                raise NotAConnLog(f"{self._rejects:,} of its first {self._rows:,} lines are no rows")
            yield block
        self._done = True

    def scan(self) -> Scan:
        """Return what is known of the whole file.

        Raises:
            RuntimeError: the blocks are not exhausted.
        """
        if not self._done:
            raise RuntimeError("scan() is known after the last block only")
        return Scan(
            digest=self._digest.digest(),
            rows_read=self._rows,
            bytes_read=self._bytes.size,
            incomplete=self._bytes.incomplete,
            compression=self._bytes.kind,
            formats=tuple(self._formats),
            extra=dict(islice(self._source.extra.items(), _MOST_COLUMNS)) if self._source else {},
        )

    def _hashed(self) -> Iterator[bytes]:
        for chunk in self._bytes:
            self._digest.update(chunk)
            yield chunk

    def _block(self, piece: Piece) -> Block:
        parts = list(self._parts(piece))
        frames: list[pl.DataFrame] = []
        rejects: list[Reject] = []
        for part in parts:
            self._formats.setdefault(part.format)
            faults = list(part.faults)
            if part.raw is not None:
                frame, uncast = standard(part.raw)
                frames.append(frame)
                faults += uncast
            rejects += [self._reject(piece, fault, part.format) for fault in faults]
        frame = _joined(frames)
        rows = sum(part.rows for part in parts)
        if rows != frame.height + len(rejects):
            raise RuntimeError(
                f"lines {piece.first} on: {rows} read, {frame.height} mapped, {len(rejects)} rejected"
            )
        self._rows += rows
        return Block(frame=frame, rejects=tuple(sorted(rejects, key=lambda reject: reject.line)))

    def _parts(self, piece: Piece) -> Iterator[Part]:
        if piece.too_long:
            format_ = self._source.format if self._source else JSON
            yield Part(
                format=format_, rows=1, faults=[Fault(line=piece.first, field=None, reason="line_too_long")]
            )
            return
        if self._source is None:
            if not piece.data.strip():
                return
            names = Names(self._options.aliases)
            self._source = TsvSource(names) if _is_tsv(piece.data) else JsonSource(names)
        yield from self._source.read(piece)

    def _reject(self, piece: Piece, fault: Fault, format_: Format) -> Reject:
        raw, bound = piece.raw(fault.line), self._options.max_raw_bytes
        return Reject(
            line=fault.line,
            raw=raw[:bound],
            cut=len(raw) > bound,
            field=fault.field,
            reason=fault.reason,
            rule=fault.rule,
            format=format_,
        )


def raw_lines(
    stream: BinaryIO,
    numbers: Collection[int],
    options: ReadOptions = _DEFAULTS,
    *,
    digest: bytes | None = None,
) -> dict[int, RawLine]:
    """Return lines of a log again, by number; those that are not there any more are left out.

    Reads no further than the last of them, unless a digest is given: then the whole log is read, and nothing is
    returned where its decompressed bytes have another SHA-256. A line longer than ``max_raw_bytes`` is cut there.
    """
    hashed = hashlib.sha256()
    chunks = _hashing(Decompressed(stream, max_bytes=options.max_file_bytes), hashed)
    found = _lines(_pieces(chunks, options), numbers, options)
    if digest is None:
        return found
    for _ in chunks:
        pass
    return found if hashed.digest() == digest else {}


def _hashing(chunks: Iterable[bytes], hashed: hashlib._Hash) -> Iterator[bytes]:
    for chunk in chunks:
        hashed.update(chunk)
        yield chunk


def _lines(pieces: Iterable[Piece], numbers: Collection[int], options: ReadOptions) -> dict[int, RawLine]:
    """Reads no further than the last of the lines."""
    wanted = sorted(set(numbers))
    found: dict[int, RawLine] = {}
    format_: Format | None = None
    for piece in pieces if wanted else ():
        if format_ is None and piece.data.strip():
            format_ = header.START if _is_tsv(piece.data) else JSON
        runs = header.runs(piece) if format_ != JSON else [header.Run.of(piece)]
        for run in runs:
            if run.hash and format_ and header.is_header(run.data):
                format_ = header.headed(format_, run.data)
            while wanted and wanted[0] < run.first + run.lines:
                number = wanted.pop(0)
                raw = piece.raw(number)
                found[number] = RawLine(
                    raw=raw[: options.max_raw_bytes],
                    cut=len(raw) > options.max_raw_bytes,
                    format=format_ or JSON,
                )
        if not wanted:
            break
    return found


def _pieces(chunks: Decompressed | Iterator[bytes], options: ReadOptions) -> Iterator[Piece]:
    """Cut, and take the byte-order mark off the first line: its bytes count for the digest alone."""
    for piece in cut(chunks, options):
        if piece.first == 1 and piece.data.startswith(_BOM):
            yield replace(piece, data=piece.data.removeprefix(_BOM), _ends=[])
        else:
            yield piece


def _is_tsv(data: bytes) -> bool:
    """Tell the format by the first lines, one of which may be damaged.

    Raises:
        NotAConnLog: neither a header of Zeek's nor anything that begins like JSON.
    """
    lines = [line for line in data[: 1 << 20].split(b"\n", _LOOKED_AT)[:_LOOKED_AT] if line.strip()]
    if any(header.is_header(line) for line in lines):
        return True
    if any(line.lstrip().startswith((b"{", b"[")) for line in lines):
        return False
    binary = b"\0" in data[: 1 << 16]
    raise NotAConnLog("binary data" if binary else "neither Zeek TSV (no header) nor JSON lines")


def _joined(frames: list[pl.DataFrame]) -> pl.DataFrame:
    """One frame in the order of the lines."""
    frames = [frame for frame in frames if frame.height]
    if not frames:
        return empty()
    if len(frames) == 1:
        return frames[0]
    return pl.concat(frames, rechunk=True).sort("etl_line")

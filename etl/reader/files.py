"""From the bytes of a log, as stored, to blocks of standard rows and rejects.

Nothing is believed but the content: packing, format, columns and their types. Every line that is neither blank nor
header ends as a row or as a reject; the reader counts both against the lines, and stops rather than lose one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import BinaryIO

import polars as pl

from etl.errors import Binary, NotALog, TooLarge
from etl.mapping import bounds
from etl.mapping.names import Names, names_of
from etl.mapping.values import Fault, empty, standard
from etl.models import Block, Format, ReadOptions, Reject, Scan
from etl.reader import extra, signatures
from etl.reader.chunks import Chunk, whole_lines
from etl.reader.compression import Decompressed
from etl.reader.formats import Detected, detect
from etl.reader.holes import WithoutHoles, torn_apart
from etl.reader.jsonl import FORMAT as JSON
from etl.reader.jsonl import JsonSource
from etl.reader.raw_block import RawBlock
from etl.reader.small import SmallLog, small_log
from etl.reader.tally import Tally
from etl.reader.tsv import TsvSource

_DEFAULTS = ReadOptions()
_SIGNATURE = 1_024
"""First bytes that say what a file is that is not a log."""
_PACKED_NAMES = (".gz", ".zst", ".bz2", ".xz")


class ConnReader:
    """Iterate to get the blocks, once; ask ``scan`` afterwards."""

    def __init__(self, stream: BinaryIO, *, options: ReadOptions = _DEFAULTS, name: str = "") -> None:
        """``stream`` gives the file's bytes as stored, by ``read(n)`` alone.

        ``name`` is the file's: it tells of an empty file whether it should have been a packed one, and of binary data
        whether it was meant to be a conn log.
        """
        self._options = options
        self._is_packed = name.lower().endswith(_PACKED_NAMES)
        self._is_named_otherwise = bool(name) and "conn" not in name.lower().rpartition("/")[2]
        self._bytes = Decompressed(stream, max_bytes=options.max_file_bytes)
        self._holes = WithoutHoles(self._hashed())
        self._digest = hashlib.sha256()
        self._tally = Tally()
        self._formats: dict[Format, None] = {}
        self._names = names_of(options)
        self._detected: Detected | None = None
        self._source: TsvSource | JsonSource | None = None
        self._done = False

    def __iter__(self) -> Iterator[Block]:
        """Yield blocks of at most ``block_rows`` rows, in the file's order.

        Raises:
            NotALog, NotAConnLog, OtherLog, MissingColumn, TooLarge, Unreadable: see there; blocks may have been given
                out before, when the cause stands further down.
        """
        for chunk in whole_lines(self._holes, self._options):
            block = self._block(chunk)
            self._require_few_columns()
            self._tally.add(chunk.lines, block)
            yield block
        if self._source:
            self._source.finish()
        self._tally.judge()
        self._done = True

    def _require_few_columns(self) -> None:
        """Many headers may name many columns: no more than the keys that JSON lines may have."""
        if self._source and len(self._source.extra) > bounds.FILE_KEYS:
            raise TooLarge(f"more than {bounds.FILE_KEYS:,} different columns")

    def small(self) -> SmallLog | None:
        """Return the log whole, to be mapped together with others; None where it has to be iterated, as if not asked.

        Raises:
            FileError: it cannot be read.
        """
        held = self._bytes.first(bounds.SMALL_FILE + 1)
        if len(held) <= bounds.SMALL_FILE and (log := small_log(held, self._options, self._names)):
            return log
        return None

    def scan(self) -> Scan:
        """Return what is known of the whole file.

        Raises:
            RuntimeError: the blocks are not exhausted.
        """
        if not self._done:
            raise RuntimeError("scan() is known after the last block only")
        return Scan(
            digest=self._digest.digest(),
            rows_read=self._tally.read,
            bytes_read=self._bytes.size,
            incomplete=self._bytes.incomplete or self._emptied(),
            compression=self._bytes.kind,
            formats=tuple(self._formats),
            extra=extra.listed(self._source.extra) if self._source else {},
            note=self._holes.note(),
        )

    def _emptied(self) -> str | None:
        """Why a file with nothing in it is not whole: it has the name of a packed one, or holds NUL bytes alone."""
        if self._source is not None:
            return None
        if self._holes.size:
            return "NUL bytes alone: it lost its content"
        if not self._is_packed or self._bytes.kind != "plain":
            return None
        return "an empty file with the name of a packed one: it lost its content"

    def _hashed(self) -> Iterator[bytes]:
        first: bytes | None = b""
        for received in self._bytes:
            self._digest.update(received)
            if first is None:
                yield received
            elif len(first := first + received) >= _SIGNATURE:
                signatures.refuse(first)
                yield first
                first = None
        if first:
            signatures.refuse(first)
            yield first

    # --- one block ---------------------------------------------------------------------------------------------

    def _block(self, chunk: Chunk) -> Block:
        frames: list[pl.DataFrame] = []
        rejects: list[Reject] = []
        rows = 0
        for raw in self._raw_blocks(chunk):
            rows += raw.rows
            self._formats.setdefault(raw.format)
            faults = list(raw.faults)
            if raw.frame is not None:
                frame, uncast = standard(raw.frame)
                frames.append(frame)
                faults += uncast
            rejects += [self._reject(chunk, fault, raw.format) for fault in faults]
        frame = _joined(frames)
        if rows != frame.height + len(rejects):
            raise RuntimeError(
                f"lines {chunk.first} on: {rows} read, {frame.height} mapped, {len(rejects)} rejected"
            )
        return Block(frame=frame, rejects=tuple(sorted(rejects, key=lambda reject: reject.line)))

    def _raw_blocks(self, chunk: Chunk) -> Iterator[RawBlock]:
        if chunk.too_long:
            format_ = self._source.format if self._source else JSON
            faults = [Fault(line=chunk.first, field=None, reason="line_too_long")]
            yield RawBlock(format=format_, rows=1, faults=faults)
            return
        if self._detected is None:
            if not chunk.data.strip(b" \t\r\n\0"):
                return
            self._detected = self._detect(chunk)
            self._source = _source(self._detected, self._names)
        assert self._source is not None
        if b"\0" in chunk.data:
            chunk = torn_apart(chunk, self._source.whole_in(chunk), self._holes)
        if self._detected.unwrap:
            chunk, faults = self._detected.unwrap.unwrapped(chunk)
            if faults:
                yield RawBlock(format=self._source.format, rows=len(faults), faults=faults)
        yield from self._source.read(chunk)

    def _detect(self, chunk: Chunk) -> Detected:
        try:
            return detect(chunk.data, self._names, keep_wrapper=self._options.keep_wrapper)
        except Binary as error:
            if self._is_named_otherwise:
                raise NotALog(str(error), hint=error.hint) from error
            raise

    def _reject(self, chunk: Chunk, fault: Fault, format_: Format) -> Reject:
        raw, bound = chunk.raw(fault.line), self._options.max_raw_bytes
        return Reject(
            line=fault.line,
            raw=raw[:bound],
            cut=len(raw) > bound,
            field=fault.field,
            reason=fault.reason,
            rule=fault.rule,
            format=format_,
        )


def _source(detected: Detected, names: Names) -> TsvSource | JsonSource:
    wrapping = detected.format.wrapping
    return TsvSource(names, wrapping) if detected.format.kind == "tsv" else JsonSource(names, wrapping)


def _joined(frames: list[pl.DataFrame]) -> pl.DataFrame:
    """One frame in the order of the lines."""
    frames = [frame for frame in frames if frame.height]
    if not frames:
        return empty()
    if len(frames) == 1:
        return frames[0]
    return pl.concat(frames, rechunk=True).sort("etl_line")

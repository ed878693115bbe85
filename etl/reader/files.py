"""From the bytes of a log, as stored, to blocks of standard rows and rejects.

Nothing is believed but the content: packing, format, columns and their types. Every line that is neither blank nor
header ends as a row or as a reject; the reader counts both against the lines, and stops rather than lose one.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace
from functools import lru_cache
from typing import BinaryIO

import polars as pl

from etl.errors import Binary, NotAConnLog, NotALog, OtherLog, TooLarge
from etl.mapping import bounds
from etl.mapping.names import Names
from etl.mapping.values import Fault, empty, standard
from etl.models import Block, Format, RawLine, ReadOptions, Reject, Scan
from etl.reader import extra, header, signatures
from etl.reader.chunks import Chunk, cut
from etl.reader.compression import Decompressed
from etl.reader.formats import Detected, detect
from etl.reader.holes import WithoutHoles, torn_apart
from etl.reader.jsonl import FORMAT as JSON
from etl.reader.jsonl import JsonSource
from etl.reader.raw_block import RawBlock
from etl.reader.small import SmallLog, small_log
from etl.reader.tsv import TsvSource

_BOM = b"\xef\xbb\xbf"
_DEFAULTS = ReadOptions()
_HOPELESS, _HOPELESS_RATIO = 200_000, 20
"""Rejects in all, and for each row, from which the rest of a file is not worth the hours that it may take."""
_SIGNATURE = 1_024
"""First bytes that say what a file is that is not a log."""
_FEW, _MORE = 3, 2
"""Rejects of one shape from which they may refuse a file, and how many more they have to be than all other lines."""
_PACKED_NAMES = (".gz", ".zst", ".bz2", ".xz")
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
        self._lines = self._rows = self._rejects = 0
        self._reasons: Counter[str] = Counter()
        self._formats: dict[Format, None] = {}
        self._names = _names(options)
        self._detected: Detected | None = None
        self._source: TsvSource | JsonSource | None = None
        self._done = False

    def __iter__(self) -> Iterator[Block]:
        """Yield blocks of at most ``block_rows`` rows, in the file's order.

        Raises:
            NotALog, NotAConnLog, OtherLog, MissingColumn, TooLarge, Unreadable: see there; blocks may have been given
                out before, when the cause stands further down.
        """
        for chunk in _chunks(self._holes, self._options):
            block = self._block(chunk)
            self._lines += chunk.lines
            self._require_few_columns()
            self._rejects += len(block.rejects)
            self._reasons.update(reject.reason for reject in block.rejects)
            self._require_hope()
            yield block
        self._judge()
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
            rows_read=self._rows,
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

    # --- when a file is not worth its rest, or not what it seems -----------------------------------------------

    def _require_hope(self) -> None:
        if self._rejects > max(_HOPELESS, _HOPELESS_RATIO * (self._rows - self._rejects)):
            raise NotAConnLog(f"{self._rejects:,} of its first {self._rows:,} lines are no rows")
        idle = self._lines - self._rows
        if idle > max(bounds.IDLE_LINES, _HOPELESS_RATIO * (self._rows - self._rejects)):
            raise NotAConnLog(
                f"{idle:,} of its first {self._lines:,} lines are blank or headers",
                hint="to load its rows: grep '[^[:space:]]' FILE | conn-etl ingest -",
            )

    def _judge(self) -> None:
        """Refuse a file of which most lines have the same wrong shape: few rows would pass for all of it."""
        if self._source:
            self._source.finish()
        others = self._reasons["other_log"]
        if others and others == self._rows:
            raise OtherLog(f"its {self._rows:,} rows are of other logs")
        for reason, shape in _SHAPES.items():
            count = self._reasons[reason]
            rest = self._rows - others - count
            if count >= _FEW and count >= rest + _MORE:
                raise NotAConnLog(
                    f"{count:,} of its {self._rows - others:,} lines are {shape}",
                    hint=_SHAPE_HINTS.get(reason),
                )

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
        self._rows += rows
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
    received = _hashing(Decompressed(stream, max_bytes=options.max_file_bytes), hashed)
    lines = _lines(_chunks(WithoutHoles(received), options), numbers, options)
    if digest is None:
        return lines
    for _ in received:
        pass
    return lines if hashed.digest() == digest else {}


def _hashing(stream: Iterable[bytes], hashed: hashlib._Hash) -> Iterator[bytes]:
    for received in stream:
        hashed.update(received)
        yield received


def _lines(chunks: Iterable[Chunk], numbers: Collection[int], options: ReadOptions) -> dict[int, RawLine]:
    """Reads no further than the last of the lines."""
    wanted = sorted(set(numbers))
    lines: dict[int, RawLine] = {}
    detected: Detected | None = None
    names = _names(options)
    format_ = JSON
    for chunk in chunks if wanted else ():
        if detected is None and chunk.data.strip(b" \t\r\n\0") and not chunk.too_long:
            detected = detect(chunk.data, names)
            format_ = detected.format
        read = detected.unwrap.unwrapped(chunk)[0] if detected and detected.unwrap else chunk
        # a torn last line may be blank once it is unwrapped, and is in no run then
        rest = header.Run(data=b"", first=chunk.first, lines=chunk.lines, ended=True)
        runs = header.runs(read) if format_.kind == "tsv" else ()
        for run in (*runs, rest):
            if run.hash and header.is_header(run.data):
                format_ = header.headed(format_, run.data)
            while wanted and wanted[0] < run.first + run.lines:
                number = wanted.pop(0)
                raw = chunk.raw(number)
                lines[number] = RawLine(
                    raw=raw[: options.max_raw_bytes],
                    cut=len(raw) > options.max_raw_bytes,
                    format=format_,
                )
        if not wanted:
            break
    return lines


def _names(options: ReadOptions) -> Names:
    return _names_of(tuple(options.aliases.items()), options.alias_sets, options.conn_streams)


@lru_cache(maxsize=8)
def _names_of(
    aliases: tuple[tuple[str, str], ...], alias_sets: tuple[str, ...], conn_streams: tuple[str, ...]
) -> Names:
    """Files that are read alike share them: to make them costs more than to read a small file."""
    return Names(dict(aliases), alias_sets=alias_sets, conn_streams=conn_streams)


def _source(detected: Detected, names: Names) -> TsvSource | JsonSource:
    wrapping = detected.format.wrapping
    return TsvSource(names, wrapping) if detected.format.kind == "tsv" else JsonSource(names, wrapping)


def _chunks(stream: WithoutHoles, options: ReadOptions) -> Iterator[Chunk]:
    """Cut, and take the byte-order mark off the first line: its bytes count for the digest alone."""
    for chunk in cut(stream, options):
        if chunk.first == 1 and chunk.data.startswith(_BOM):
            yield replace(chunk, data=chunk.data.removeprefix(_BOM), _ends=[])
        else:
            yield chunk


def _joined(frames: list[pl.DataFrame]) -> pl.DataFrame:
    """One frame in the order of the lines."""
    frames = [frame for frame in frames if frame.height]
    if not frames:
        return empty()
    if len(frames) == 1:
        return frames[0]
    return pl.concat(frames, rechunk=True).sort("etl_line")

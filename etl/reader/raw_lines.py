"""Lines of a log as they are stored, by number, each with the format that gives it its meaning."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Iterator
from typing import BinaryIO

from etl.mapping.names import names_of
from etl.models import RawLine, ReadOptions
from etl.reader import header
from etl.reader.chunks import Chunk, whole_lines
from etl.reader.compression import Decompressed
from etl.reader.formats import Detected, detect
from etl.reader.holes import WithoutHoles
from etl.reader.jsonl import FORMAT as JSON

_DEFAULTS = ReadOptions()


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
    lines = _lines(whole_lines(WithoutHoles(received), options), numbers, options)
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
    names = names_of(options)
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

"""Small logs of Zeek's TSV, mapped together: a parser's call for each would cost fifty times what its rows do.

Only a log about which nothing is odd is taken: one header at its beginning, then rows that all end in a newline, then
perhaps ``#close``. Rows of several logs stand under their header once, as if they were one log, and are read by the
same code. If that finds fault with any line, nothing of it counts: each log is read alone, and has its own verdict.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO

import numpy as np
import polars as pl

from etl.errors import FileError
from etl.mapping.names import Names
from etl.mapping.values import standard
from etl.models import Format, Joined, ReadOptions, Scan
from etl.reader import extra, header
from etl.reader.chunks import Chunk
from etl.reader.compression import Decompressed
from etl.reader.raw_block import RawBlock
from etl.reader.tsv import TsvSource

_BYTES = 1 << 20
"""Decompressed bytes of a small log."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SmallLog:
    """One log: its header and its rows, not parsed yet."""

    header: bytes
    """Without ``#open``, which is different in each log and means nothing."""
    body: bytes
    """Lines that are rows, each with its newline."""
    first: int
    """Number of the first row's line."""
    rows: int
    digest: bytes
    bytes_read: int
    compression: str
    names: Names

    @property
    def kind(self) -> bytes:
        """Equal for logs that can be mapped together."""
        return self.header

    @property
    def size(self) -> int:
        """Bytes of its rows."""
        return len(self.body)

    def joined(self, others: Sequence[SmallLog]) -> Joined | None:
        """Map it and others of its kind together; None where any line is not simply a row.

        Raises:
            FileError: about the header that they share; reading one of them alone raises it too.
        """
        source, logs = TsvSource(self.names), [self, *others]
        raw = _read(source, logs)
        if raw is None or raw.frame is None:
            return None
        frame, faults = standard(raw.frame)
        rows = [log.rows for log in logs]
        before = self.header.count(b"\n") + 1
        if faults or not frame["etl_line"].equals(_numbers([before], [sum(rows)])):
            return None
        columns = extra.listed(source.extra)
        return Joined(
            frame=frame.with_columns(_numbers([log.first for log in logs], rows)),
            rows=rows,
            scans=[log.scan((raw.format,), columns) for log in logs],
        )

    def scan(self, formats: tuple[Format, ...], columns: dict[str, str]) -> Scan:
        """Return what is known of the log once its rows are mapped."""
        return Scan(
            digest=self.digest,
            rows_read=self.rows,
            bytes_read=self.bytes_read,
            incomplete=None,
            compression=self.compression,
            formats=formats,
            extra=columns,
        )


def small_log(stored: bytes, options: ReadOptions, names: Names) -> SmallLog | None:
    """Take a log apart by its bytes as they are stored; None unless it is small and nothing about it is odd."""
    most = min(_BYTES, options.block_bytes, options.max_file_bytes)
    unpacked = Decompressed(BytesIO(stored), max_bytes=most)
    try:
        data = b"".join(unpacked)
    except FileError:
        return None
    if unpacked.incomplete or not data.endswith(b"\n") or b"\0" in data or b"\r" in data:
        return None
    lines, start = _header(data)
    opened = [line for line in lines if line.startswith(b"#open")]
    body = _without_close(data[start:])
    if not lines or len(opened) > 1 or not body or b"\n\n" in body or body.startswith(b"\n"):
        return None
    if b"#" in body and b"\n#" in body:
        return None
    return SmallLog(
        header=b"".join(line for line in lines if line not in opened),
        body=body,
        first=len(lines) + 1,
        rows=body.count(b"\n"),
        digest=hashlib.sha256(data).digest(),
        bytes_read=len(data),
        compression=unpacked.kind,
        names=names,
    )


def _header(data: bytes) -> tuple[list[bytes], int]:
    """The header's lines at the beginning, and where the rest begins; none where a line with # is no header."""
    lines: list[bytes] = []
    at = 0
    while data.startswith(b"#", at):
        end = data.find(b"\n", at) + 1
        line = data[at:end]
        if not header.is_header(line) or line.startswith(b"#close"):
            return [], 0
        lines.append(line)
        at = end
    return lines, at


def _without_close(data: bytes) -> bytes:
    last = data.rfind(b"\n", 0, len(data) - 1) + 1
    is_close = data.startswith(b"#close", last) and header.is_header(data[last:])
    return data[:last] if is_close else data


def _read(source: TsvSource, logs: Sequence[SmallLog]) -> RawBlock | None:
    data = logs[0].header + b"".join(log.body for log in logs)
    blocks = list(source.read(Chunk(data=data, first=1, lines=data.count(b"\n"))))
    return blocks[0] if len(blocks) == 1 and not blocks[0].faults else None


def _numbers(first: Sequence[int], rows: Sequence[int]) -> pl.Series:
    """``etl_line``: consecutive numbers from each of ``first`` on."""
    numbers = [
        np.arange(start, start + count, dtype=np.int64) for start, count in zip(first, rows, strict=True)
    ]
    return pl.Series("etl_line", np.concatenate(numbers))

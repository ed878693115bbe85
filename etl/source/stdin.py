"""A log on standard input, kept for the length of the call: a step that is tried again has to read it again.

It is kept as it came, packed or not, in a temporary file without a name, which goes with the process however that
ends. Its path in the ledger comes from its bytes (``stdin:`` and the beginning of their SHA-256), so that two logs
from stdin are not two versions of one file.
"""

from __future__ import annotations

import errno
import hashlib
import io
import os
import sys
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import BinaryIO, cast

from etl.errors import DiskFull, EnvironmentProblem, Misuse

PREFIX = "stdin:"
_CHUNK = 1 << 20
_DIGITS = 16


@dataclass(frozen=True, kw_only=True, slots=True)
class Kept:
    """What came in; ``mtime`` is when it ended."""

    file: BinaryIO
    size: int
    mtime: datetime


_kept: dict[str, Kept] = {}


def take() -> str:
    """Read standard input to its end, once in a process, and return the path that stands for it from then on.

    Raises:
        Misuse: it is closed, or cannot be read.
        DiskFull: there is no room to keep it.
    """
    if _kept:
        return next(iter(_kept))
    if sys.stdin is None:
        raise Misuse("standard input is closed", hint="pipe a log into the command")
    path, kept = _read(sys.stdin.buffer)
    _kept[path] = kept
    return path


def _read(stream: BinaryIO) -> tuple[str, Kept]:
    file = tempfile.TemporaryFile()  # noqa: SIM115  it stays open as long as the process lives
    digest, size = hashlib.sha256(), 0
    while chunk := _next(stream):
        digest.update(chunk)
        size += len(chunk)
        _write(file, chunk)
    name = PREFIX + digest.hexdigest()[:_DIGITS]
    return name, Kept(file=cast("BinaryIO", file), size=size, mtime=datetime.now(UTC))


def _next(stream: BinaryIO) -> bytes:
    try:
        return stream.read(_CHUNK)
    except OSError as error:
        raise Misuse(f"standard input cannot be read: {error.strerror}") from error


def _write(file: io.IOBase, chunk: bytes) -> None:
    try:
        file.write(chunk)
        file.flush()
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise DiskFull(
                f"no room in {tempfile.gettempdir()} to keep standard input",
                hint="let TMPDIR name another folder",
            ) from error
        raise EnvironmentProblem(f"standard input cannot be kept: {error.strerror}") from error


def is_stdin(path: str) -> bool:
    """Whether a path of the ledger stands for what once came from standard input."""
    return path.startswith(PREFIX)


def kept(path: str) -> Kept | None:
    """What this process keeps under a path; None for what another one once read."""
    return _kept.get(path)


def opened(kept: Kept) -> BinaryIO:
    """Read it from its beginning, as often as needed and by several at once."""
    return cast("BinaryIO", io.BufferedReader(_FromStart(kept.file.fileno())))


class _FromStart(io.RawIOBase):
    """A view of an open file with its own position."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor, self._at = descriptor, 0

    def readable(self) -> bool:
        """Yes."""
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        """Read on from its own place."""
        data = os.pread(self._descriptor, len(buffer), self._at)
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)

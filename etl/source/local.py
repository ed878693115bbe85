"""Local files, opened so that a failure says whether it is worth another try.

A log folder is often a network or FUSE mount. When its server goes away for a moment, every call fails with an errno
that says nothing about the file: such a file is taken again by the next run.
"""

from __future__ import annotations

import errno
import io
from pathlib import Path
from typing import BinaryIO, cast

from etl.errors import FileAway, FileError, Unreadable

BUFFER = 1 << 18

_NAMES = (
    "ESTALE EIO EREMOTEIO ETIMEDOUT ETIME ENOTCONN EHOSTDOWN EHOSTUNREACH ENETDOWN ENETUNREACH ENETRESET ECONNRESET"
    " ECONNABORTED ECONNREFUSED ESHUTDOWN EPIPE ENOLINK ECOMM EPROTO EREMCHG ENONET EAGAIN EINTR EBUSY ETXTBSY EMFILE"
    " ENFILE ENOMEM ENOBUFS ENOLCK EDEADLK EKEYEXPIRED EKEYREVOKED ENOKEY"
)
PASSING = frozenset(number for name in _NAMES.split() if (number := getattr(errno, name, None)) is not None)
"""What a mount, a network or this machine says when it is in trouble for a while; none of them is about the file."""


def is_passing(error: OSError) -> bool:
    """Whether the same call may succeed later, with the same file."""
    return error.errno in PASSING or isinstance(error, TimeoutError)


def failure(what: str, error: OSError, *, hint: str | None = None) -> FileError:
    """The error of a file for a failed call; ``what`` is a sentence such as "it cannot be opened"."""
    why = error.strerror or str(error)
    if is_passing(error):
        return FileAway(f"{what}: {why}", hint="the next run tries again")
    return Unreadable(f"{what}: {why}", hint=hint)


class _File(io.FileIO):
    def readinto(self, buffer: bytearray | memoryview) -> int | None:  # type: ignore[override]
        try:
            return super().readinto(buffer)
        except OSError as error:
            raise failure("it cannot be read", error, hint="fix that, then load it with --retry") from error


def opened(path: Path) -> BinaryIO:
    """Open a local file; reading raises FileAway or Unreadable. Opening raises OSError."""
    return cast("BinaryIO", io.BufferedReader(_File(path), BUFFER))

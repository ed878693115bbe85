"""Local files, opened so that a failure says whether it is worth another try, and nothing waits.

A log folder is often a network or FUSE mount. When its server goes away for a moment, every call fails with an errno
that says nothing about the file: such a file is taken again by the next run.

A link can lead to what the kernel makes up (``/proc``, ``/sys``). It calls that regular files; reading some never ends,
and others hold secrets of this process.
"""

from __future__ import annotations

import errno
import io
import os
import stat
from functools import cache
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


_KERNEL = (
    "proc sysfs cgroup cgroup2 debugfs tracefs securityfs bpf configfs efivarfs pstore binfmt_misc selinuxfs"
    " fusectl mqueue nsfs"
)
"""Kinds of file systems whose files the kernel makes up while they are read."""
_MOUNTS = Path("/proc/self/mountinfo")


def is_log_file(status: os.stat_result) -> bool:
    """Whether it is a regular file on a file system that stores files."""
    return stat.S_ISREG(status.st_mode) and status.st_dev not in _made_up()


@cache
def _made_up() -> frozenset[int]:
    """Devices of the kernel's own file systems; none where the system has no list of mounts."""
    try:
        lines = _MOUNTS.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return frozenset()
    made_up = _KERNEL.split()
    mounts = [
        (mount.split()[2], kind.split()[0]) for mount, _, kind in (line.partition(" - ") for line in lines)
    ]
    return frozenset(os.makedev(*map(int, device.split(":"))) for device, kind in mounts if kind in made_up)


class _File(io.FileIO):
    def readinto(self, buffer: bytearray | memoryview) -> int | None:  # type: ignore[override]
        try:
            if (count := super().readinto(buffer)) is None:
                raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
            return count
        except OSError as error:
            raise failure("it cannot be read", error, hint="fix that, then load it with --retry") from error


def opened(path: Path) -> BinaryIO:
    """Open a local file; reading raises FileAway or Unreadable. Opening raises OSError, or Unreadable for a pipe.

    A pipe may have taken its place since it was listed; neither opening nor reading waits for a writer.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise Unreadable("it is no regular file")
    return cast("BinaryIO", io.BufferedReader(_File(descriptor), BUFFER))

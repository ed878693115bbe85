"""Files in folders that another user owns: as root, no link of that user's making is ever followed.

The server's folder belongs to the server's user, who may be hostile. So each step into it opens the next folder by its
parent's descriptor and refuses links, and a file is replaced by a new one, never written through.
"""

from __future__ import annotations

import os
import stat
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from etl.errors import EnvironmentProblem

if TYPE_CHECKING:
    from etl.database.embedded.account import Account

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW


@contextmanager
def opened(root: Path, *names: str) -> Iterator[int]:
    """The descriptor of a folder below ``root``, no link followed on the way.

    Raises:
        OSError: one of the names is a link, no folder, or not there.
    """
    folder = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
    try:
        for name in names:
            parent, folder = folder, os.open(name, _FOLDER, dir_fd=folder)
            os.close(parent)
        yield folder
    finally:
        os.close(folder)


def make(root: Path, names: tuple[str, ...], account: Account) -> None:
    """Make the last of these folders for its user alone, or give it to that user.

    Raises:
        OSError: it is a link or no folder.
    """
    with opened(root, *names[:-1]) as parent:
        with suppress(FileExistsError):
            os.mkdir(names[-1], 0o700, dir_fd=parent)
        with opened(root, *names) as folder:
            found = os.fstat(folder)
            if (found.st_uid, found.st_gid) != (account.uid, account.gid):
                os.fchown(folder, account.uid, account.gid)


def write(root: Path, names: tuple[str, ...], text: str, account: Account) -> None:
    """Put a new file of this user in the place of whatever has the last name."""
    half = f".{names[-1]}.{uuid.uuid4().hex}"
    with opened(root, *names[:-1]) as folder:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
        with os.fdopen(os.open(half, flags, 0o600, dir_fd=folder), "w", encoding="utf-8") as file:
            os.fchown(file.fileno(), account.uid, account.gid)
            file.write(text)
        os.replace(half, names[-1], src_dir_fd=folder, dst_dir_fd=folder)


def read(root: Path, *names: str) -> bytes:
    """The content of a plain file; nothing where it is a link, or not there."""
    with suppress(OSError), opened(root, *names[:-1]) as folder:
        descriptor = os.open(names[-1], os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=folder)
        with os.fdopen(descriptor, "rb") as file:
            if stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                return file.read()
    return b""


def require_own(root: Path) -> None:
    """As root, refuse a home that another user could exchange, or fill with links.

    Raises:
        EnvironmentProblem: it, or a folder above it, is another user's or can be written by others.
    """
    if os.geteuid() != 0:
        return
    for folder in (root, *root.parents):
        found = folder.lstat()
        if stat.S_ISLNK(found.st_mode):
            found = folder.stat()
        shared = found.st_mode & (stat.S_IWGRP | stat.S_IWOTH) and not (
            folder != root and found.st_mode & stat.S_ISVTX
        )
        if found.st_uid != 0 or shared:
            raise EnvironmentProblem(
                f"{folder} can be changed by another user than root",
                hint="set CONN_ETL_HOME to a folder of root's, such as /var/lib/conn-etl, or run as that user",
            )

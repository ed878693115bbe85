"""Local folders, walked one by one: what is in each, and why an entry is no file that can be read."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from etl.errors import FileError, Gone, NotAFile, StorageAway, Unreadable
from etl.source import local
from etl.source.names import NEVER
from etl.source.paths import ledger_path, legible, mtime_of, other_form

NEVER_CHANGED = datetime.fromtimestamp(0, UTC)
_NO_FILE = "it is no regular file (a pipe, a socket, a device, or the kernel's own)"


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """A file of a folder: ``path`` for the ledger, ``shown`` for names and patterns."""

    path: str
    shown: str
    size: int = 0
    mtime: datetime = NEVER_CHANGED
    error: FileError | None = None


def wanted(name: str) -> bool:
    """Whether an entry of a folder is looked at: dot files and ``current`` never are."""
    return not name.startswith(".") and name not in NEVER


def folders(top: str) -> Iterator[list[Entry]]:
    """The files of each folder of a tree, folders in the order of their names."""
    seen: set[tuple[int, int]] = set()
    waiting = [top]
    while waiting:
        folder = waiting.pop()
        try:
            status = os.stat(folder)  # noqa: PTH116  a name of any bytes
            with os.scandir(folder) as scanned:
                entries = [entry for entry in scanned if wanted(entry.name)]
        except OSError as error:
            if folder == top and local.is_passing(error):
                raise StorageAway(f"{ledger_path(folder)}: {error.strerror}") from error
            yield [failed(folder, local.failure("the folder cannot be read", error))]
            continue
        if (status.st_dev, status.st_ino) in seen:
            yield [failed(folder, NotAFile("a link: the folder is listed already under another name"))]
            continue
        seen.add((status.st_dev, status.st_ino))
        below = {entry.path for entry in entries if _is_folder(entry)}
        yield [entry_of(entry.path) for entry in entries if entry.path not in below]
        waiting += sorted(below, key=lambda path: (os.path.islink(path), path), reverse=True)  # noqa: PTH114


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False  # a link to itself: its own stat will say so


def entry_of(path: str) -> Entry:
    """A local path as an entry, with the reason where it cannot be read."""
    try:
        status = os.stat(path)  # noqa: PTH116  100,000 of them
    except FileNotFoundError:
        name = ledger_path(path)
        if other := other_form(name):
            return failed(path, Gone(f"it is gone; {other} is there in its place"))
        return failed(path, Unreadable("it is gone since it was listed, or a link to nothing"))
    except OSError as error:
        return failed(path, local.failure("it cannot be read", error))
    if not local.is_log_file(status):
        return failed(path, NotAFile(_NO_FILE, hint="a pipe can go into `conn-etl ingest -`"))
    return Entry(path=ledger_path(path), shown=legible(path), size=status.st_size, mtime=mtime_of(status))


def failed(path: str, error: FileError) -> Entry:
    """A path that cannot be looked into, with what its own (a link's own) status says."""
    try:
        status = os.lstat(path)
    except OSError:
        return Entry(path=ledger_path(path), shown=legible(path), error=error)
    return Entry(
        path=ledger_path(path), shown=legible(path), size=status.st_size, mtime=mtime_of(status), error=error
    )

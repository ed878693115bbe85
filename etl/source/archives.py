"""Logs in archives: the members of a tar or zip file are listed and read in place, as separate files.

Nothing is unpacked to disk, so no member can leave its archive; links, devices and folders are passed over. An archive
is known by its name's ending. The path of a member is that of its archive, ``!/``, and its own:
``upload.tar.gz!/2026-03-01/conn.09:00:00-10:00:00.log``.
"""

from __future__ import annotations

import atexit
import re
import threading
from collections.abc import Callable
from datetime import datetime
from typing import BinaryIO, NamedTuple

from etl.errors import FileError, NotAConnLog, Unreadable
from etl.models import IN_ARCHIVE
from etl.source.archive_member import WHOLE, Archive, Member
from etl.source.archive_tar import TarArchive
from etl.source.archive_zip import ZipArchive

_ENDINGS = r"\.(?:tar(?:\.(?:gz|zst|bz2|xz))?|tgz|tzst|tbz2?|txz|zip)"
_NAME = re.compile(rf"{_ENDINGS}\Z", re.IGNORECASE)
_MEMBER = re.compile(rf"{_ENDINGS}(?={IN_ARCHIVE})", re.IGNORECASE)

Opener = Callable[[str], BinaryIO]


class Identity(NamedTuple):
    """Path, size and mtime of an archive."""

    path: str
    size: int
    mtime: datetime


def is_archive(path: str) -> bool:
    """Whether a path's name is that of an archive, outside any other."""
    return _NAME.search(path) is not None


def split(path: str) -> tuple[str, str] | None:
    """The archive and the member's name of a path; None for any other path."""
    if IN_ARCHIVE not in path or not (found := _MEMBER.search(path)):
        return None
    return path[: found.end()], path[found.end() + len(IN_ARCHIVE) :]


def joined(archive: str, member: Member) -> str:
    """The path of a member."""
    return f"{archive}{IN_ARCHIVE}{member.name}"


def members(identity: Identity, opener: Opener) -> dict[str, Member]:
    """The files of an archive by name, without links, devices and folders; of equal names the last one counts.

    Raises:
        NotALog: the file is no archive, whatever its name.
        TooLarge: more members or bytes than an archive may have.
        Unreadable: it is damaged, or ends early.
    """
    return _held.get(identity, opener).members


def opened(identity: Identity, name: str, opener: Opener) -> BinaryIO:
    """Open a member; raises as ``members``, and Unreadable where it is not there any more."""
    archive = _held.get(identity, opener)
    if (member := archive.members.get(name)) is None:
        raise Unreadable("it is no longer in the archive")
    if member.error is not None:
        raise member.error
    return archive.open(member)


def nested(member: Member) -> FileError | None:
    """Why a member is not read itself, by its name: an archive in an archive."""
    if not is_archive(member.name):
        return None
    return NotAConnLog("an archive inside an archive", hint="unpack the outer one")


class _Held:
    """The archive that was used last: its members are read one after the other, and listed once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._identity: Identity | None = None
        self._archive: Archive | None = None

    def get(self, identity: Identity, opener: Opener) -> Archive:
        with self._lock:
            if self._archive is None or self._identity != identity:
                self._drop()
                self._archive = _read(identity, opener)
                self._identity = identity
            return self._archive

    def drop(self) -> None:
        with self._lock:
            self._drop()

    def _drop(self) -> None:
        archive, self._archive, self._identity = self._archive, None, None
        if archive is not None:
            archive.close()


def _read(identity: Identity, opener: Opener) -> Archive:
    if not identity.size:
        raise Unreadable("an empty archive", hint=WHOLE)
    if identity.path.lower().endswith(".zip"):
        return ZipArchive(opener(identity.path))
    return TarArchive(lambda: opener(identity.path))


_held = _Held()
close = _held.drop
"""Let go of the archive that was used last."""
atexit.register(close)

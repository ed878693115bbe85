"""What the two kinds of archives have in common: their members, and the bounds of both."""

from __future__ import annotations

import lzma
import re
import struct
import tarfile
import zipfile
import zlib
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import BinaryIO
from urllib.parse import quote_from_bytes

from etl.errors import FileError, NotALog, TooLarge, Unreadable

MOST_MEMBERS = 100_000
LONGEST_READ = 64 << 20
"""A header that is longer belongs to no archive of logs."""
BUFFER = 1 << 18
WHOLE = "bring a whole copy, or unpack it by hand"
_DAMAGED = (
    tarfile.TarError,
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    struct.error,
    EOFError,
    ArithmeticError,
    AttributeError,
    LookupError,
    RuntimeError,
    TypeError,
    ValueError,
)
"""What the libraries raise of bytes that no archive holds: more than they say."""
_DRIVE = re.compile(r"[A-Za-z]:")


@dataclass(frozen=True, kw_only=True, slots=True)
class Member:
    """A file in an archive."""

    name: str
    """As text that PostgreSQL can hold."""
    size: int
    """Unpacked."""
    at: int | str
    """Where a tar has its bytes; its name in a zip file."""
    error: FileError | None = None
    """Why it is not read."""


class Archive(ABC):
    """The members of one archive, by name."""

    members: dict[str, Member]

    @abstractmethod
    def open(self, member: Member) -> BinaryIO:
        """Open a member from its beginning; reading raises FileError."""

    @abstractmethod
    def close(self) -> None:
        """Let go of what is open."""


@contextmanager
def translated() -> Iterator[None]:
    """Errors of the libraries as ours."""
    try:
        yield
    except _DAMAGED as error:
        raise Unreadable(f"the archive is damaged: {error}", hint=WHOLE) from error


def name_of(written: str) -> str:
    """A member's name as text; the bytes of one that is no UTF-8 are written as in a URI."""
    raw = written.encode("utf-8", "surrogateescape")
    try:
        name = raw.decode()
    except UnicodeDecodeError:
        name = quote_from_bytes(raw)
    return name.replace("\0", "").removeprefix("./")


def error_of(name: str) -> FileError | None:
    """Why a member of this name is not read."""
    parts = name.replace("\\", "/").split("/")
    if not parts[0] or ".." in parts or _DRIVE.fullmatch(parts[0]):
        return NotALog("its path leads out of the archive")
    return None


def enter(members: dict[str, Member], member: Member) -> None:
    """Keep a member; of equal names the last one counts. Raises TooLarge."""
    if len(members) >= MOST_MEMBERS:
        raise TooLarge(
            f"more than {MOST_MEMBERS:,} files in one archive", hint="split it, or unpack it by hand"
        )
    members[member.name] = member

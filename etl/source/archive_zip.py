"""A zip file as the standard library reads it, in place and with bounds; the list of its members stands at its end."""

from __future__ import annotations

import io
import os
import stat
import zipfile
from typing import BinaryIO, cast

from etl.errors import FileError, NotALog, TooLarge, Unreadable
from etl.reader.compression import BOMB_BYTES, BOMB_RATIO
from etl.source.archive_member import (
    BUFFER,
    WHOLE,
    Archive,
    Member,
    enter,
    error_of,
    name_of,
    translated,
)

LONGEST_LIST = 16 << 20
"""Bytes of a list of members; the library keeps about ten times as much."""
_REST = 1 << 20
"""More than what the library looks through at a file's end."""


class ZipArchive(Archive):
    """A zip file; its list of members stands at its end."""

    def __init__(self, stream: BinaryIO) -> None:
        self._file = _Bounded(stream)
        self.members = {}
        try:
            self._zip = self._opened()
            self._list()
        except BaseException:
            self._file.close()
            raise

    def _opened(self) -> zipfile.ZipFile:
        with translated():
            if not zipfile.is_zipfile(cast("BinaryIO", self._file)):
                raise _no_zip(self._file)
            return zipfile.ZipFile(cast("BinaryIO", self._file))

    def _list(self) -> None:
        for info in self._zip.infolist():
            if not info.is_dir() and stat.S_IFMT(info.external_attr >> 16) in (0, stat.S_IFREG):
                enter(self.members, _member(info))

    def open(self, member: Member) -> BinaryIO:
        """Open it by its name, which the list has with its place."""
        assert isinstance(member.at, str)
        with translated():
            found = self._zip.open(member.at)
        return cast("BinaryIO", io.BufferedReader(_ZipPart(found), BUFFER))

    def close(self) -> None:
        """Close the file, also for a member that is being read."""
        self._zip.close()
        self._file.close()


def _no_zip(file: _Bounded) -> FileError:
    file.seek(0)
    if file.read(4) == b"PK\x03\x04":
        return Unreadable("the archive ends early", hint=WHOLE)
    return NotALog("it is no zip archive")


def _member(info: zipfile.ZipInfo) -> Member:
    name = name_of(info.filename)
    error = error_of(name)
    if info.flag_bits & 0x1:
        error = Unreadable("it is encrypted", hint="unpack the archive by hand")
    elif info.file_size > max(BOMB_BYTES, BOMB_RATIO * info.compress_size):
        error = TooLarge(f"it decompresses to more than {BOMB_RATIO} times its size: no log does")
    return Member(name=name, size=info.file_size, at=info.filename, error=error)


class _Bounded(io.RawIOBase):
    """A file of which no more is read at once than a list of members may be long."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        if whence == os.SEEK_SET and offset < 0:  # the system calls that an invalid argument
            raise zipfile.BadZipFile("a member is said to begin before the archive does")
        return self._stream.seek(offset, whence)

    def tell(self) -> int:
        return self._stream.tell()

    def read(self, size: int = -1) -> bytes:
        if size > LONGEST_LIST:
            raise TooLarge("the list of its members is too long")
        return self._stream.read(_REST if size < 0 else size)

    def close(self) -> None:
        self._stream.close()
        super().close()


class _ZipPart(io.RawIOBase):
    """The bytes of one member."""

    def __init__(self, file: object) -> None:
        self._file = cast("BinaryIO", file)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        with translated():
            data = self._file.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        self._file.close()
        super().close()

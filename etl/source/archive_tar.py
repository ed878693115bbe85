"""A tar file as the standard library reads it, in place and with bounds.

A packed tar can only be read forwards, so reading one member after the other keeps its place. Two things are odd about
the library: a tar that was cut between two members looks whole to it, and a header may have any size.
"""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO, cast

from etl.errors import NotALog, TooLarge, Unreadable
from etl.reader.compression import PLAIN, Decompressed, kind_of
from etl.source.archive_member import (
    BUFFER,
    LONGEST_READ,
    WHOLE,
    Archive,
    Member,
    enter,
    error_of,
    name_of,
    translated,
)

MOST_BYTES = 1 << 40
"""Unpacked bytes of an archive."""
_HEAD = 512


class TarArchive(Archive):
    """A tar file, packed or not."""

    def __init__(self, opener: Callable[[], BinaryIO]) -> None:
        self._opener = opener
        self._idle: _Forward | None = None
        self._closed = False
        self.members = {}
        with _closed_on_error(self._forward()) as forward, translated():
            self._list(forward)
        self._idle = forward

    def _list(self, forward: _Forward) -> None:
        try:
            tar = tarfile.TarFile(fileobj=cast("BinaryIO", forward), mode="r", encoding="utf-8")
        except tarfile.ReadError as error:
            raise NotALog(f"it is no tar archive: {error}") from error
        while (info := tar.next()) is not None:
            if info.isreg() and not info.name.endswith("/"):
                enter(self.members, _member(info))
            cast("Any", tar).members.clear()  # the library would keep them all
        if not forward.ended_with_zeros:
            raise Unreadable("the archive ends early", hint=WHOLE)

    def _forward(self) -> _Forward:
        return _Forward(self._opener())

    def open(self, member: Member) -> BinaryIO:
        """Go on from where the last member ended, if that is before this one."""
        assert isinstance(member.at, int)
        forward, self._idle = self._idle, None
        if forward is None or forward.tell() > member.at:
            if forward is not None:
                forward.close()
            forward = self._forward()
        forward.seek(member.at)
        return cast("BinaryIO", io.BufferedReader(_TarPart(forward, member.size, self._take_back), BUFFER))

    def _take_back(self, forward: _Forward) -> None:
        if self._idle is None and not self._closed:
            self._idle = forward
        else:
            forward.close()

    def close(self) -> None:
        """Close the file; a member that is being read closes it at its end."""
        if self._idle is not None:
            self._idle.close()
        self._idle, self._closed = None, True


def _member(info: tarfile.TarInfo) -> Member:
    name = name_of(info.name)
    error = NotALog("a sparse file") if info.issparse() else error_of(name)
    return Member(name=name, size=info.size, at=info.offset_data, error=error)


@contextmanager
def _closed_on_error(forward: _Forward) -> Iterator[_Forward]:
    """Close it unless all went well."""
    try:
        yield forward
    except BaseException:
        forward.close()
        raise


class _Forward:
    """The unpacked bytes of a file, to be read forwards; a plain one is not read where it is skipped."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        head = stream.read(_HEAD)
        stream.seek(0)
        self._chunks = None if kind_of(head) == PLAIN else iter(Decompressed(stream, max_bytes=MOST_BYTES))
        self._held = b""
        self._at = 0
        self._last = b""

    @property
    def ended_with_zeros(self) -> bool:
        """Whether the block read last is the one that ends a tar."""
        return len(self._last) == tarfile.BLOCKSIZE and not self._last.strip(b"\0")

    def tell(self) -> int:
        return self._at

    def seek(self, at: int) -> int:
        """Go forwards; a packed file that ends before stays at its end, where nothing can be read."""
        if at < self._at:  # the library would go round for ever
            raise Unreadable("the archive is damaged: a member has a negative size", hint=WHOLE)
        if self._chunks is None:
            self._at = self._stream.seek(at)
            return at
        while self._at < at and self._fill():
            self._drop(min(at - self._at, len(self._held)))
        return self._at

    def read(self, size: int) -> bytes:
        """The next bytes, fewer only at the end."""
        if size > LONGEST_READ:
            raise TooLarge("a header of the archive is too long")
        if self._chunks is None:
            data = self._stream.read(size)
            self._at += len(data)
        else:
            parts = []
            while size and self._fill():
                parts.append(self._drop(min(size, len(self._held))))
                size -= len(parts[-1])
            data = b"".join(parts)
        self._last = data
        return data

    def _fill(self) -> bool:
        """Have bytes in hand; False at the end."""
        assert self._chunks is not None
        if not self._held:
            self._held = next(self._chunks, b"")
        return bool(self._held)

    def _drop(self, count: int) -> bytes:
        taken, self._held = self._held[:count], self._held[count:]
        self._at += count
        return taken

    def close(self) -> None:
        self._stream.close()


class _TarPart(io.RawIOBase):
    """The bytes of one member."""

    def __init__(self, forward: _Forward, size: int, take_back: Callable[[_Forward], None]) -> None:
        self._forward, self._left, self._take_back = forward, size, take_back

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        data = self._forward.read(min(len(buffer), self._left))
        if not data and self._left:
            raise Unreadable("the archive ends within it", hint=WHOLE)
        buffer[: len(data)] = data
        self._left -= len(data)
        return len(data)

    def close(self) -> None:
        if not self.closed:
            self._take_back(self._forward)
        super().close()

"""Decompress a log while it streams: its first bytes say what it is packed with, never by its name.

Two things are odd about the input. A rotated log may consist of several members one after the other (``cat a.gz
b.gz``), which are one file; and a sensor that was switched off leaves a member without its end, of which every byte
that can be decoded counts. So each format goes through a decompressor object that is fed by hand: the usual file
wrappers raise at the end of a torn member and lose the bytes before it, or do not notice.
"""

from __future__ import annotations

import bz2
import lzma
from collections.abc import Callable, Iterator
from typing import BinaryIO, Protocol, cast

from backports import zstd
from isal import igzip_lib

from etl.errors import TooLarge, Unreadable
from etl.mapping.bounds import PACKED_HOLE, PADDING

READ_BYTES = 1 << 18
CHUNK_BYTES = 1 << 17
"""Small enough that a chunk is still in the processor's cache when it is hashed and searched for line ends."""
XZ_MEMORY = 1 << 29
PLAIN = "plain"


class _Decompressor(Protocol):
    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int = -1) -> bytes: ...


def _gz() -> _Decompressor:
    made: _Decompressor = igzip_lib.IgzipDecompressor(flag=igzip_lib.DECOMP_GZIP)
    return made


def _xz() -> _Decompressor:
    return lzma.LZMADecompressor(format=lzma.FORMAT_XZ, memlimit=XZ_MEMORY)


_FORMATS: dict[str, Callable[[], _Decompressor]] = {
    "gz": _gz,
    "zst": zstd.ZstdDecompressor,
    "bz2": bz2.BZ2Decompressor,
    "xz": _xz,
}
_ERRORS = (
    cast("type[Exception]", igzip_lib.IsalError),  # its stub declares a value
    zstd.ZstdError,
    lzma.LZMAError,
    OSError,
    ValueError,
    EOFError,
)
_LONGEST_MAGIC = 10

BOMB_RATIO = 200
"""No log comes near: each row has a time and a separate uid, which do not compress to nothing."""
BOMB_BYTES = 1 << 25
"""Decompressed bytes from which the ratio counts."""

TAKEN_FOR_PACKED = (b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"x\x01", b"x\x9c", b"x\xda")
"""Beginnings of plain text that polars would unpack unasked: an error, or rows that nobody wrote there."""


def kind_of(head: bytes) -> str:
    """What the first bytes of a file (or member) say that it is packed with; ``plain`` when nothing known."""
    if head.startswith(b"\x1f\x8b"):
        return "gz"
    # zstd frames, and the skippable ones that parallel compressors put first
    if head.startswith(b"\x28\xb5\x2f\xfd") or (
        head[1:4] == b"\x2a\x4d\x18" and head[:1] in b"PQRSTUVWXYZ[\\]^_"
    ):
        return "zst"
    # a block or an empty stream has to follow: "BZh" alone could begin a text
    if head.startswith(b"BZh") and head[4:10] in (b"\x31\x41\x59\x26\x53\x59", b"\x17\x72\x45\x38\x50\x90"):
        return "bz2"
    return "xz" if head.startswith(b"\xfd7zXZ\x00") else PLAIN


class Decompressed:
    """The bytes of a log, unpacked, chunk by chunk.

    ``kind`` is known once iteration began, ``size`` (bytes given out so far) and ``incomplete`` (None, or why the
    end is missing) once it ended.
    """

    def __init__(self, stream: BinaryIO, *, max_bytes: int) -> None:
        """``stream`` needs ``read(n)`` alone, so a socket or an object store's file will do."""
        self.kind = PLAIN
        self.size = 0
        self.incomplete: str | None = None
        self._stream = stream
        self._max_bytes = max_bytes
        self._held = b""
        self._packed = self._zeros = 0

    def __iter__(self) -> Iterator[bytes]:
        """Yield non-empty chunks of at most 256 KiB.

        Raises:
            TooLarge: more decompressed bytes than ``max_bytes``.
            Unreadable: the stream cannot be read, not one byte of a packed file can be decoded, or it is damaged
                inside: a checksum at the end says that something is wrong, and not what.
        """
        self._hold(_LONGEST_MAGIC)
        self.kind = kind_of(self._held)
        for chunk in self._plain() if self.kind == PLAIN else self._members():
            self.size += len(chunk)
            if self.size > self._max_bytes:
                raise TooLarge(
                    f"more than {self._max_bytes} bytes when decompressed",
                    hint="raise max_file_bytes to read it",
                )
            if self.kind != PLAIN and self._is_bomb(chunk):
                raise TooLarge(f"it decompresses to more than {BOMB_RATIO} times its size: no log does")
            yield chunk
        if self.incomplete and not self.size:
            raise Unreadable(f"nothing can be decompressed: {self.incomplete}")

    def first(self, least: int) -> bytes:
        """Return the first bytes as they are stored, ``least`` or all that there are; iteration begins with them too.

        Raises:
            Unreadable: the stream cannot be read.
        """
        self._hold(least)
        return self._held

    def _is_bomb(self, chunk: bytes) -> bool:
        """Whether the bytes so far are more than any log unpacks to; a hole of zeros may be, up to its own bound."""
        if chunk.startswith(b"\0") and self._zeros < PACKED_HOLE and not chunk.strip(b"\0"):
            self._zeros += len(chunk)
        return self.size - self._zeros > max(BOMB_BYTES, BOMB_RATIO * self._packed)

    def _read(self) -> bytes:
        if self._held:
            held, self._held = self._held, b""
            return held
        try:
            packed = self._stream.read(READ_BYTES)
        except OSError as error:
            raise Unreadable(f"cannot be read: {error}") from error
        self._packed += len(packed)
        return packed

    def _hold(self, least: int) -> None:
        """Have ``least`` bytes in hand, or all that is left."""
        held = self._read()
        while len(held) < least and (more := self._read()):
            held += more
        self._held = held

    def _plain(self) -> Iterator[bytes]:
        while chunk := self._read():
            yield chunk

    def _members(self) -> Iterator[bytes]:
        while True:
            yield from self._member(_FORMATS[self.kind]())
            if self.incomplete or not self._next_member():
                return

    def _member(self, member: _Decompressor) -> Iterator[bytes]:
        while not member.eof:
            packed = self._read() if member.needs_input else b""
            if member.needs_input and not packed:
                self.incomplete = f"truncated {self.kind}"
                return
            try:
                chunk = member.decompress(packed, CHUNK_BYTES)
            except _ERRORS as error:
                raise Unreadable(
                    f"corrupt {self.kind}: {error}; nothing tells which of its rows are right",
                    hint="bring a whole copy, or load what can be unpacked: zcat FILE | conn-etl ingest -",
                ) from error
            if chunk:
                yield chunk
        self._held = member.unused_data

    def _next_member(self) -> bool:
        """Skip zero padding (tape blocks, xz streams) and look whether another member follows."""
        padding = 0
        while True:
            self._hold(_LONGEST_MAGIC)
            held = self._held.lstrip(b"\0")
            if held == self._held or not self._held:
                break
            padding += len(self._held) - len(held)
            if padding > PADDING:  # a sparse file's hole: years of reading
                self.incomplete = f"more than {PADDING >> 20} MiB of NUL bytes follow the {self.kind} data"
                return False
            self._held = held
        if not self._held:
            return False
        if kind_of(self._held) != self.kind:
            self.incomplete = f"something else follows the {self.kind} data"
            return False
        return True

"""Packing is told by content, and a torn file gives each byte that can be decoded."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import re
from collections.abc import Callable
from typing import BinaryIO, cast

import pytest
from backports import zstd

from etl.errors import TooLarge, Unreadable
from etl.reader import compression
from etl.reader.compression import Decompressed, kind_of

PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "gz": gzip.compress,
    "zst": zstd.compress,
    "bz2": lambda data: bz2.compress(data, 1),
    "xz": lambda data: lzma.compress(data, preset=0),
}
TEXT = b"".join(b"%d %d\n" % (i, i * i) for i in range(80_000))
every_packer = pytest.mark.parametrize("kind", PACKERS)


def unpack(data: bytes, max_bytes: int = 1 << 40) -> tuple[bytes, Decompressed]:
    opened = Decompressed(io.BytesIO(data), max_bytes=max_bytes)
    return b"".join(opened), opened


@every_packer
def test_told_by_content_and_unpacked_whole(kind: str) -> None:
    text, opened = unpack(PACKERS[kind](TEXT))
    assert (text, opened.kind, opened.incomplete, opened.size) == (TEXT, kind, None, len(TEXT))


@pytest.mark.parametrize("text", [b"", b"B", b"BZh9 is text", b"\x1f", b"#separator \\x09\n"])
def test_plain_stays_plain(text: bytes) -> None:
    assert unpack(text)[0] == text
    assert kind_of(text) == "plain"


@every_packer
@pytest.mark.parametrize("between", [b"", b"\0" * 512], ids=["adjacent", "padded"])
def test_members_follow_each_other(kind: str, between: bytes) -> None:
    packed = PACKERS[kind](b"one\n") + between + PACKERS[kind](b"two\n") + between
    assert unpack(packed)[0] == b"one\ntwo\n"


@every_packer
@pytest.mark.parametrize("share", [0.5, 0.9, 0.999])
def test_a_torn_member_gives_what_there_is(kind: str, share: float) -> None:
    packed = PACKERS[kind](TEXT)
    text, opened = unpack(packed[: int(len(packed) * share)])
    assert text
    assert TEXT.startswith(text)
    assert opened.incomplete == f"truncated {kind}"


def test_a_torn_gz_gives_the_last_byte_that_arrived() -> None:
    stored = gzip.compress(b"x" * 50_000, compresslevel=0)
    assert len(unpack(stored[:20_015])[0]) == 20_015 - 15  # 10 of the header, 5 of the stored block's


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.98])
@every_packer
def test_damage_makes_all_of_it_unreadable(kind: str, share: float) -> None:
    """Which rows are right is what a checksum at the end cannot tell."""
    packed = bytearray(PACKERS[kind](TEXT))
    packed[int((len(packed) - 9) * share)] ^= 0x55
    with pytest.raises(Unreadable, match=f"corrupt {kind}|truncated {kind}"):
        unpack(bytes(packed))


def test_garbage_behind_is_said() -> None:
    text, opened = unpack(gzip.compress(b"row\n") + b"not a member")
    assert (text, opened.incomplete) == (b"row\n", "something else follows the gz data")


@pytest.mark.parametrize(
    ("zeros", "incomplete"), [(1_000, None), (9_000, "more than .* NUL bytes follow the gz data")]
)
def test_not_all_of_a_hole_behind_is_read(
    monkeypatch: pytest.MonkeyPatch, zeros: int, incomplete: str | None
) -> None:
    monkeypatch.setattr(compression, "PADDING", 4_000)
    text, opened = unpack(gzip.compress(b"row\n") + bytes(zeros))
    assert text == b"row\n"
    assert re.fullmatch(incomplete or "None", str(opened.incomplete))


@every_packer
def test_nothing_readable_is_an_error(kind: str) -> None:
    with pytest.raises(Unreadable, match=f"truncated {kind}"):
        unpack(PACKERS[kind](TEXT)[:10])


@every_packer
def test_a_bomb_is_refused_early(kind: str) -> None:
    bomb = PACKERS[kind](b"\0" * 50_000_000)
    opened = Decompressed(io.BytesIO(bomb), max_bytes=1_000_000)
    with pytest.raises(TooLarge, match="1000000 bytes"):
        list(opened)
    assert opened.size < 1_500_000


def test_a_stream_that_fails_is_unreadable() -> None:
    class Broken:
        def read(self, _size: int) -> bytes:
            raise OSError(5, "Input/output error")

    with pytest.raises(Unreadable, match="Input/output error"):
        list(Decompressed(cast("BinaryIO", Broken()), max_bytes=1))


def test_short_reads_are_enough() -> None:
    class Trickle(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            return super().read(min(size or 1, 1))

    assert b"".join(Decompressed(Trickle(gzip.compress(b"a row\n")), max_bytes=100)) == b"a row\n"

"""Archives: members are listed and read in place, whatever the packing; what is odd has a reason and stops nothing."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import struct
import tarfile
import tracemalloc
import zipfile
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from backports import zstd
from hypothesis import example, given
from hypothesis import strategies as st

from etl import pipeline, source
from etl.errors import FileAway, FileError, Misuse
from etl.settings import Settings
from etl.source import archive_member, archives
from tests.logs import flows, json_lines, tsv

HOURS = {
    "2026-03-01/conn.09:00:00-10:00:00.log": tsv(flows(6)),
    "2026-03-01/conn.10:00:00-11:00:00.log.gz": gzip.compress(json_lines(flows(4, 100))),
}


@pytest.fixture(autouse=True)
def released() -> Iterator[None]:
    """No archive stays open after a test."""
    yield
    archives.close()


def tar(members: dict[str, bytes], format_: int = tarfile.PAX_FORMAT) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=format_) as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return packed.getvalue()


def zipped(members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return packed.getvalue()


PACKED = {
    "logs.tar": tar,
    "logs.tar.gz": lambda m: gzip.compress(tar(m)),
    "logs.tgz": lambda m: gzip.compress(tar(m)),
    "LOGS.TGZ": lambda m: gzip.compress(tar(m)),
    "logs.tar.zst": lambda m: zstd.compress(tar(m)),
    "logs.tar.xz": lambda m: lzma.compress(tar(m)),
    "logs.tar.bz2": lambda m: bz2.compress(tar(m)),
    "gnu.tar": lambda m: tar(m, tarfile.GNU_FORMAT),
    "ustar.tar": lambda m: tar(m, tarfile.USTAR_FORMAT),
    "logs.zip": zipped,
    "stored.zip": lambda m: zipped(m, zipfile.ZIP_STORED),
    "lzma.zip": lambda m: zipped(m, zipfile.ZIP_LZMA),
    "misnamed.tar": lambda m: gzip.compress(tar(m)),
}


def reasons(path: Path | str) -> dict[str, str | None]:
    found = source.listed([str(path)])
    return {
        f.path.rpartition("!/")[2] if "!/" in f.path else Path(f.path).name: f.skip_reason and str(f.skip_reason)
        for f in found
    }  # fmt: skip


@pytest.mark.parametrize("name", sorted(PACKED))
@pytest.mark.parametrize("in_a_folder", [True, False])
def test_members_are_files_with_window_size_and_rows(tmp_path: Path, name: str, in_a_folder: bool) -> None:
    archive = tmp_path / name
    archive.write_bytes(
        PACKED[name](HOURS | {"dns.log": b"x", "2026-03-01/": b"", ".conn.log": b"", "current/conn.log": b""})
    )
    found = list(source.listed([str(tmp_path if in_a_folder else archive)]))
    first, second = (file for file in found if not file.skip_reason)
    assert first.path == f"{archive}!/2026-03-01/conn.09:00:00-10:00:00.log"
    assert (first.window_start, first.size) == (datetime(2026, 3, 1, 9, tzinfo=UTC), len(tsv(flows(6))))
    assert first.mtime == source.status_of(str(archive))[1]  # type: ignore[index]
    assert [file.skip_reason.kind for file in found if file.skip_reason] == ["other_log"]
    for file, content in zip((first, second), HOURS.values(), strict=True):
        assert source.status_of(file.path) == (file.size, file.mtime)
        with source.opened(file.path) as stream:
            assert stream.read() == content
        assert source.has_end(file)
    tried = [result for result in pipeline.try_out([str(archive)], Settings()) if result.state == "readable"]
    assert [result.rows_read for result in tried] == [6, 4]


def test_members_can_be_read_in_any_order_and_again(tmp_path: Path) -> None:
    archive = tmp_path / "logs.tar.gz"
    members = {f"conn.{number}.log": os.urandom(100_000) for number in range(5)}
    archive.write_bytes(gzip.compress(tar(members)))
    for name in ["conn.3.log", "conn.0.log", "conn.4.log", "conn.4.log", "conn.1.log", "conn.2.log"]:
        with source.opened(f"{archive}!/{name}") as stream:
            assert stream.read() == members[name]
    with source.opened(f"{archive}!/conn.2.log") as one, source.opened(f"{archive}!/conn.1.log") as other:
        assert (one.read(10), other.read(10)) == (members["conn.2.log"][:10], members["conn.1.log"][:10])
        assert (one.read(), other.read()) == (members["conn.2.log"][10:], members["conn.1.log"][10:])


def test_a_member_or_a_folder_of_an_archive_can_be_given(tmp_path: Path) -> None:
    archive = tmp_path / "logs.tar"
    archive.write_bytes(tar(HOURS | {"conn.log": tsv(flows(1)), "dns.log": b""}))
    assert list(reasons(f"{archive}!/2026-03-01")) == list(HOURS)
    assert list(reasons(f"{archive}!/conn.log")) == ["conn.log"]
    assert reasons(f"{archive}!/dns.log") == {"dns.log": None}  # a path given itself is read
    for nothing in (f"{archive}!/nowhere.log", f"{tmp_path}/none.tar!/conn.log"):
        with pytest.raises(Misuse):
            list(source.listed([nothing]))


def test_a_folder_that_is_called_like_an_archive_is_a_folder(tmp_path: Path) -> None:
    (tmp_path / "logs.tar!").mkdir()
    path = tmp_path / "logs.tar!" / "conn.log"
    path.write_bytes(tsv(flows(2)))
    (found,) = source.listed([str(tmp_path)])
    assert (found.path, source.status_of(found.path)) == (str(path), (found.size, found.mtime))
    with source.opened(found.path) as stream:
        assert stream.read() == tsv(flows(2))


def special(kind: bytes, name: str, target: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


def test_links_devices_and_ways_out_are_not_read(tmp_path: Path) -> None:
    (tmp_path / "secret.log").write_bytes(tsv(flows(3)))
    packed = io.BytesIO(tar(HOURS))
    with tarfile.open(fileobj=packed, mode="a") as archive:
        archive.addfile(special(tarfile.SYMTYPE, "link.log", "../secret.log"))
        archive.addfile(special(tarfile.SYMTYPE, "absolute.log", str(tmp_path / "secret.log")))
        archive.addfile(special(tarfile.LNKTYPE, "hard.log", "2026-03-01/conn.09:00:00-10:00:00.log"))
        archive.addfile(special(tarfile.CHRTYPE, "null.log"))
        archive.addfile(special(tarfile.FIFOTYPE, "pipe.log"))
        archive.addfile(special(tarfile.DIRTYPE, "folder"))
        for name in (
            "../secret.log",
            "a/../../secret.log",
            f"{tmp_path}/secret.log",
            "C:/x.log",
            "..\\x.log",
        ):
            archive.addfile(special(tarfile.REGTYPE, name))
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "logs.tar").write_bytes(packed.getvalue())
    found = list(source.listed([str(tmp_path / "a")]))
    read = [file.path.partition("!/")[2] for file in found if file.skip_reason is None]
    assert read == list(HOURS)
    out = [file for file in found if file.skip_reason is not None]
    assert {str(file.skip_reason) for file in out} == {"its path leads out of the archive"}
    assert len(out) == 5
    for file in out:
        with pytest.raises(FileError):
            source.opened(file.path)


def test_a_zip_has_links_too(tmp_path: Path) -> None:
    archive = tmp_path / "logs.zip"
    with zipfile.ZipFile(archive, "w") as packed:
        link = zipfile.ZipInfo("link.log")
        link.create_system, link.external_attr = 3, 0o120777 << 16
        packed.writestr(link, "/etc/passwd")
        packed.writestr("conn.log", tsv(flows(1)))
        packed.writestr("../out.log", b"")
    assert reasons(archive) == {"conn.log": None, "../out.log": "its path leads out of the archive"}


def test_of_two_members_with_one_name_the_last_one_counts(tmp_path: Path) -> None:
    packed = io.BytesIO(tar({"conn.log": tsv(flows(1))}))
    with tarfile.open(fileobj=packed, mode="a") as archive:
        info = tarfile.TarInfo("conn.log")
        info.size = len(tsv(flows(2)))
        archive.addfile(info, io.BytesIO(tsv(flows(2))))
    (tmp_path / "logs.tar").write_bytes(packed.getvalue())
    (found,) = source.listed([str(tmp_path)])
    with source.opened(found.path) as stream:
        assert stream.read() == tsv(flows(2))


def test_a_member_whose_name_is_no_text_is_read(tmp_path: Path) -> None:
    name = os.fsdecode(b"conn.\xff.log")
    (tmp_path / "logs.tar").write_bytes(tar({name: tsv(flows(2))}, tarfile.GNU_FORMAT))
    (found,) = source.listed([str(tmp_path)])
    assert found.path.endswith("logs.tar!/conn.%FF.log")
    with source.opened(found.path) as stream:
        assert stream.read() == tsv(flows(2))


def zip_with_end(content: bytes, more: bytes) -> bytes:
    """A zip file with a 64-bit end of its list before its own end, which says ``more`` of it."""
    at = content.rindex(b"PK\x05\x06")
    return content[:at] + b"PK\x06\x06" + more[:52] + b"PK\x06\x07" + more[52:] + content[at:]


DAMAGED: dict[str, tuple[bytes, str]] = {
    "empty.tar": (b"", "an empty archive"),
    "empty.zip": (b"", "an empty archive"),
    "cut.tar.gz": (gzip.compress(tar(HOURS))[:-200], "archive"),
    "cut.tar": (tar(HOURS)[:2_000], "archive"),
    "cut between members.tar": (tar({"conn.log": b"x" * 512})[:1_024], "the archive ends early"),
    "cut.zip": (zipped(HOURS)[:-10], "the archive ends early"),
    "corrupt.tar.gz": (gzip.compress(tar(HOURS))[:60] + b"\xff" * 60, "gz"),
    "disks.zip": (zip_with_end(zipped(HOURS), b"\xff" * 68), "archive"),
    "list.zip": (zipped(HOURS).replace(b"PK\x01\x02", b"PK\x09\x09"), "the archive is damaged"),
}


@pytest.mark.parametrize("name", sorted(DAMAGED))
def test_a_damaged_archive_stands_for_itself_and_says_why(tmp_path: Path, name: str) -> None:
    content, why = DAMAGED[name]
    (tmp_path / name).write_bytes(content)
    (tmp_path / "conn.log").write_bytes(tsv(flows(1)))
    assert reasons(tmp_path) == {"conn.log": None, name: None}
    (found,) = source.listed([str(tmp_path / name)])
    assert not source.has_end(found)
    with pytest.raises(FileError, match=why) as raised:
        source.opened(found.path)
    assert raised.value.state == "failed"


def test_damage_inside_a_member_fails_that_one_alone(tmp_path: Path) -> None:
    content = bytearray(zipped({"conn.1.log": tsv(flows(500)), "conn.2.log": tsv(flows(3))}))
    content[200:300] = bytes(100)
    (tmp_path / "logs.zip").write_bytes(content)
    states = {r.path.rpartition("!/")[2]: r.state for r in pipeline.try_out([str(tmp_path)], Settings())}
    assert states == {"conn.1.log": "failed", "conn.2.log": "readable"}


def test_a_file_that_is_no_archive_is_read_whatever_its_name(tmp_path: Path) -> None:
    for name in ("conn.tar", "conn.zip", "conn.tgz"):
        (tmp_path / name).write_bytes(tsv(flows(2)))
    assert [result.rows_read for result in pipeline.try_out([str(tmp_path)], Settings())] == [2, 2, 2]


def test_an_archive_without_a_log_has_a_state(tmp_path: Path) -> None:
    (tmp_path / "none.tar").write_bytes(tar({}))
    (tmp_path / "hidden.zip").write_bytes(zipped({".x": b"", "__MACOSX/._conn.log": b""}))
    assert reasons(tmp_path) == dict.fromkeys(("none.tar", "hidden.zip"), "an archive without any log in it")


def test_archives_in_archives_are_named_and_not_opened(tmp_path: Path) -> None:
    (tmp_path / "outer.tar").write_bytes(
        tar({"inner.tar.gz": gzip.compress(tar(HOURS)), "conn.log": tsv(flows(1))})
    )
    assert reasons(tmp_path) == {
        "conn.log": None,
        "inner.tar.gz": "an archive inside an archive; unpack the outer one",
    }


def test_bounds_of_an_archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive_member, "MOST_MEMBERS", 10)
    (tmp_path / "many.tar").write_bytes(tar({f"conn.{number}.log": b"" for number in range(11)}))
    (tmp_path / "many.zip").write_bytes(zipped({f"conn.{number}.log": b"" for number in range(11)}))
    (tmp_path / "bomb.zip").write_bytes(zipped({"conn.log": b"x" * (64 << 20)}))
    (tmp_path / "bomb.tar.gz").write_bytes(gzip.compress(tar({"conn.log": b"x" * (64 << 20)})))
    (tmp_path / "header.tar.gz").write_bytes(gzip.compress(endless_header()))
    tracemalloc.start()
    results = {r.path.removeprefix(f"{tmp_path}/"): r for r in pipeline.try_out([str(tmp_path)], Settings())}
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert {name: result.kind for name, result in results.items()} == dict.fromkeys(
        ("many.tar", "many.zip", "bomb.zip!/conn.log", "bomb.tar.gz", "header.tar.gz"), "too_large"
    )
    assert peak < 64 << 20


def endless_header() -> bytes:
    """A tar whose first header says that a name of 1 GiB follows."""
    info = special(tarfile.XHDTYPE, "pax")
    info.size = 1 << 30
    return info.tobuf() + bytes(1 << 20)


@pytest.mark.timeout(60)
@pytest.mark.parametrize("size", [-512, -1024, -(1 << 40)])
@pytest.mark.parametrize("name", ["logs.tar", "logs.tar.gz"])
def test_a_negative_size_makes_no_endless_listing(tmp_path: Path, size: int, name: str) -> None:
    info = tarfile.TarInfo("conn.log")
    info.size = size
    content = tar({"conn.1.log": b"x"})[:1024] + info.tobuf(tarfile.GNU_FORMAT) + bytes(2048)
    (tmp_path / name).write_bytes(gzip.compress(content) if name.endswith("gz") else content)
    assert reasons(tmp_path) == {name: None}
    with pytest.raises(FileError, match="damaged"):
        source.opened(str(tmp_path / name))


def test_a_list_of_millions_of_members_is_not_read(tmp_path: Path) -> None:
    """A central directory of 20 MB: 450,000 members of no length."""
    listed = (b"PK\x01\x02" + bytes(42)) * 450_000
    end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 0xFFFE, 0xFFFE, len(listed), 0, 0)
    (tmp_path / "logs.zip").write_bytes(listed + end)
    tracemalloc.start()
    with pytest.raises(FileError, match="the list of its members is too long"):
        source.opened(str(tmp_path / "logs.zip"))
    assert tracemalloc.get_traced_memory()[1] < 32 << 20
    tracemalloc.stop()


def test_an_encrypted_member_is_named(tmp_path: Path) -> None:
    content = zipped({"conn.log": tsv(flows(1))})
    for mark, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        place = content.index(mark) + at
        content = content[:place] + b"\x01" + content[place + 1 :]
    (tmp_path / "logs.zip").write_bytes(content)
    assert reasons(tmp_path) == {"conn.log": "it is encrypted; unpack the archive by hand"}


def test_an_archive_that_changed_or_went_says_so(tmp_path: Path) -> None:
    archive = tmp_path / "logs.tar"
    archive.write_bytes(tar(HOURS))
    path = f"{archive}!/2026-03-01/conn.09:00:00-10:00:00.log"
    assert source.status_of(path)
    archive.write_bytes(tar({"conn.log": b""}))
    assert source.status_of(path) is None
    with pytest.raises(FileError, match="no longer in the archive"):
        source.opened(path)
    with pytest.raises(FileAway, match="the next run reads them"):
        source.opened(str(archive))
    archive.unlink()
    with pytest.raises(FileError, match="its archive is gone"):
        source.opened(path)
    assert source.status_of(path) is None


@given(
    content=st.binary(max_size=3_000), ending=st.sampled_from([".tar", ".tar.gz", ".zip", ".tgz", ".tar.zst"])
)
def test_any_bytes_called_an_archive_end_with_a_file_and_a_reason(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, ending: str
) -> None:
    path = tmp_path_factory.mktemp("any") / f"x{ending}"
    path.write_bytes(content)
    for file in source.listed([str(path)]):
        with suppress(FileError), source.opened(file.path) as stream:
            stream.read()


@given(more=st.binary(min_size=68, max_size=68), end=st.binary(max_size=22))
def test_a_zip_whose_end_says_anything_ends_with_a_file_and_a_reason(
    tmp_path_factory: pytest.TempPathFactory, more: bytes, end: bytes
) -> None:
    path = tmp_path_factory.mktemp("end") / "x.zip"
    content = zip_with_end(zipped(HOURS), more)
    path.write_bytes(content[: len(content) - len(end)] + end)
    for file in source.listed([str(path)]):
        with suppress(FileError), source.opened(file.path) as stream:
            stream.read()


@given(
    cut=st.integers(1, 20_000),
    flips=st.lists(st.tuples(st.integers(0, 19_999), st.integers(0, 255)), max_size=8),
)
@example(cut=1170, flips=[(12866, 1)])  # a member that begins before the archive
def test_a_damaged_archive_ends_with_files_and_reasons(
    tmp_path_factory: pytest.TempPathFactory, cut: int, flips: list[tuple[int, int]]
) -> None:
    for name, make in (("x.tar", tar), ("x.zip", zipped)):
        content = bytearray(make(HOURS))
        for at, value in flips:
            content[at % len(content)] = value
        path = tmp_path_factory.mktemp("damaged") / name
        path.write_bytes(content[:cut])
        files: list[Any] = list(source.listed([str(path)]))
        assert files
        for file in files:
            with suppress(FileError), source.opened(file.path) as stream:
                stream.read()

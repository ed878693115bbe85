"""Failures of a mount: what passes is told apart from what is wrong with a file, while opening, reading and listing."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from etl import source
from etl.errors import FileAway, HalfWritten, Misuse, NotAFile, StorageAway, Unreadable
from etl.source import local
from tests.logs import flows, tsv, write

PASSING = [
    "ESTALE",
    "EIO",
    "ETIMEDOUT",
    "ENOTCONN",
    "EHOSTDOWN",
    "EHOSTUNREACH",
    "ENETDOWN",
    "ECONNRESET",
    "EREMOTEIO",
]
LASTING = ["EACCES", "EPERM", "ENOENT", "ELOOP", "ENAMETOOLONG", "EINVAL", "EISDIR", "ENODATA", "EOVERFLOW"]


def fails(number: int) -> OSError:
    return OSError(number, os.strerror(number))


@pytest.mark.parametrize("name", PASSING)
def test_what_passes(name: str) -> None:
    error = local.failure("it cannot be read", fails(getattr(errno, name)))
    assert isinstance(error, FileAway)
    assert str(error).endswith("; the next run tries again")


@pytest.mark.parametrize("name", LASTING)
def test_what_does_not_pass(name: str) -> None:
    assert isinstance(local.failure("it cannot be read", fails(getattr(errno, name))), Unreadable)


def test_an_io_error_while_reading_passes() -> None:
    """The kernel answers EIO for the first page of a process's memory, as it does for a mount that went away."""
    with (
        source.opened("/proc/self/mem") as stream,
        pytest.raises(FileAway, match="it cannot be read: Input/output error"),
    ):
        stream.read(1)


@pytest.mark.timeout(30)
@pytest.mark.parametrize(
    "target", ["/proc/kmsg", "/proc/self/environ", "/proc/self/mem", "/sys/kernel/uevent_seqnum", "/dev/zero"]
)
def test_a_link_to_what_the_kernel_makes_up_is_no_log(tmp_path: Path, target: str) -> None:
    """The kernel calls most of them regular files. Reading its messages has no end, and an environment has secrets."""
    if not Path(target).exists():
        pytest.skip(f"no {target} here")
    (tmp_path / "conn.log").symlink_to(target)
    for path in (tmp_path, tmp_path / "conn.log", Path(target)):
        (found,) = source.listed([str(path)])
        assert isinstance(found.skip_reason, NotAFile)
    assert source.status_of(target) is None


@pytest.mark.timeout(30)
def test_a_pipe_in_the_place_of_a_log_is_not_waited_for(tmp_path: Path) -> None:
    path = write(tmp_path / "conn.log", tsv(flows(1)))
    (found,) = source.listed([str(tmp_path)])
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(Unreadable, match="it is no regular file"):
        source.opened(found.path)


@pytest.mark.timeout(30)
def test_a_file_that_has_nothing_to_read_yet_is_tried_again() -> None:
    """Some regular files let their readers wait: for the reader it is as if the mount were away."""
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    try:
        with local._File(reading) as stream, pytest.raises(FileAway):
            stream.readinto(bytearray(1))
    finally:
        os.close(writing)


@pytest.mark.timeout(30)
def test_a_packed_log_with_a_hole_behind_it_does_not_delay_its_twin(tmp_path: Path) -> None:
    """Which of the two copies is whole is asked of both; the hole of one has a terabyte."""
    write(tmp_path / "conn.log", tsv(flows(3)))
    packed = write(tmp_path / "conn.log.gz", tsv(flows(3)))
    with packed.open("ab") as file:
        file.truncate(1 << 40)
    plain, torn = (source.half_written(file) for file in source.listed([str(tmp_path)]))
    assert plain is None
    assert isinstance(torn, HalfWritten)


@pytest.mark.parametrize("name", PASSING)
def test_a_mount_that_is_away_ends_the_listing_for_now(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    write(tmp_path / "conn.log", tsv(flows(1)))

    def fail(*_: object, **__: object) -> None:
        raise fails(getattr(errno, name))

    monkeypatch.setattr(os, "scandir", fail)
    with pytest.raises(StorageAway, match=str(tmp_path)):
        list(source.listed([str(tmp_path)]))
    monkeypatch.setattr(os, "stat", fail)
    with pytest.raises(StorageAway, match=str(tmp_path)):
        list(source.listed([str(tmp_path)]))


def test_a_folder_below_that_is_away_stops_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "a" / "conn.log", tsv(flows(1)))
    write(tmp_path / "b" / "conn.log", tsv(flows(1)))
    real = os.scandir

    def scandir(path: str) -> object:
        if str(path).endswith("/a"):
            raise fails(errno.ESTALE)
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    found = {
        Path(file.path).relative_to(tmp_path).as_posix(): file for file in source.listed([str(tmp_path)])
    }
    assert isinstance(found["a"].skip_reason, FileAway)
    assert found["b/conn.log"].skip_reason is None


def test_a_file_whose_status_is_away_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = write(tmp_path / "conn.log", tsv(flows(1)))
    real = os.stat

    def stat(path: str, **options: object) -> object:
        if str(path) == str(log):
            raise fails(errno.ESTALE)
        return real(path, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(os, "stat", stat)
    (found,) = source.listed([str(tmp_path)])
    assert isinstance(found.skip_reason, FileAway)


def test_a_path_that_may_not_be_entered_stays_a_misuse(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise fails(errno.EACCES)

    monkeypatch.setattr(os, "stat", fail)
    with pytest.raises(Misuse):
        list(source.listed(["/somewhere"]))

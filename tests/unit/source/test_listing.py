"""Trees of logs as they are listed and opened: odd entries, odd names, and what vanishes meanwhile."""

from __future__ import annotations

import os
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import pytest

from etl import source
from etl.errors import EnvironmentProblem, Gone, Misuse, Unreadable
from etl.models import FoundFile
from tests.logs import flows, tsv, write


@pytest.fixture
def tree() -> Iterator[Path]:
    """A short path: a socket's is bounded."""
    with tempfile.TemporaryDirectory(prefix="src-") as folder:
        yield Path(folder)


def outcome(found: Iterator[FoundFile]) -> dict[str, str | None]:
    reasons = {Path(file.path).name: file.skip_reason for file in found}
    return {name: None if why is None else f"{why.kind}: {why}" for name, why in reasons.items()}


def test_odd_entries_come_back_with_their_reason(tree: Path) -> None:
    write(tree / "conn.log", tsv(flows(1)))
    os.mkfifo(tree / "conn.pipe.log")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tree / "conn.sock.log"))
    (tree / "loop").symlink_to(tree, target_is_directory=True)
    (tree / "self.log").symlink_to(tree / "self.log")
    (tree / "broken.log").symlink_to(tree / "nothing")
    write(tree / "dns.log", b"")
    write(tree / ".conn.log", b"")
    write(tree / "current" / "conn.log", b"")
    found = outcome(source.listed([str(tree)]))
    assert found.pop("conn.log") is None
    kinds = {name: (reason or "").split(":")[0] for name, reason in found.items()}
    assert kinds == {
        "conn.pipe.log": "not_a_file",
        "conn.sock.log": "not_a_file",
        "loop": "not_a_file",
        "self.log": "unreadable",
        "broken.log": "unreadable",
        "dns.log": "other_log",
    }
    assert "another name" in (found["loop"] or "")


def test_names_with_quotes_newlines_and_bytes_that_are_no_text(tree: Path) -> None:
    names = [
        b"conn.'a'.log",
        b'conn."b".log',
        b"conn.\n.log",
        b"conn.\xff\xfe.log",
        b"conn; DROP TABLE x.log",
        b"conn.%20.log",
    ]
    for name in names:
        Path(os.fsdecode(os.path.join(os.fsencode(tree), name))).write_bytes(tsv(flows(1)))  # noqa: PTH118
    found = list(source.listed([str(tree)]))
    assert all(file.path.encode() for file in found)  # text that PostgreSQL takes
    assert {os.fsencode(source.local_path(file.path).name) for file in found} == set(names)
    for file in found:
        with source.opened(file.path) as stream:
            assert stream.read() == tsv(flows(1))
    assert sum(file.path.startswith("file://") for file in found) == 1


def test_a_file_that_vanishes_while_the_folder_is_listed(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a.log", "b.log"):
        write(tree / name, tsv(flows(1)))
    real = os.scandir
    write(tree / "b.log.gz", tsv(flows(1)))

    def scandir(path: str) -> object:
        entries = list(real(path))
        for name in ("a.log", "b.log"):
            (tree / name).unlink(missing_ok=True)

        class Context(list):  # type: ignore[type-arg]
            def __enter__(self) -> Self:
                return self

            def __exit__(self, *_: object) -> None: ...

        return Context(entries)

    monkeypatch.setattr(os, "scandir", scandir)
    found = outcome(source.listed([str(tree)]))
    assert found["b.log.gz"] is None
    assert (found["a.log"] or "").startswith("unreadable: it is gone")
    assert (found["b.log"] or "").startswith(f"gone: it is gone; {tree / 'b.log.gz'} is there")


def test_a_file_that_vanishes_before_it_is_read(tree: Path) -> None:
    with pytest.raises(Unreadable, match="gone since it was listed"):
        source.opened(str(tree / "a.log"))
    write(tree / "a.log.gz", tsv(flows(1)))
    with pytest.raises(Gone, match=r"a\.log\.gz is there in its place"):
        source.opened(str(tree / "a.log"))


def test_a_pipe_that_took_a_files_place_is_not_waited_for(tree: Path) -> None:
    os.mkfifo(tree / "a.log")
    with pytest.raises(Unreadable, match="no regular file"):
        source.opened(str(tree / "a.log"))


def test_an_unreadable_folder_below_is_named_and_the_rest_is_listed(
    tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tree / "a" / "conn.log", b"")
    write(tree / "closed" / "conn.log", b"")
    write(tree / "z" / "conn.log", b"")
    real = os.scandir

    def scandir(path: str) -> object:  # root may read all, so it is told that it may not
        if str(path).endswith("closed"):
            raise PermissionError(13, "Permission denied")
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    found = list(source.listed([str(tree)]))
    assert [
        (Path(f.path).relative_to(tree).as_posix(), f.skip_reason and f.skip_reason.kind) for f in found
    ] == [
        ("a/conn.log", None),
        ("closed", "unreadable"),
        ("z/conn.log", None),
    ]


def test_a_path_that_is_not_there_is_a_misuse(tree: Path) -> None:
    for path in (tree / "nowhere", f"{tree}/nul\0", f"{tree}/\udcff"):
        with pytest.raises(Misuse):
            list(source.listed([str(path)]))


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("", "an empty path; give a log, or a folder of logs"),
        ("stdin:gone", "pipe it into `conn-etl ingest -` again"),
    ],
)
def test_a_path_that_stands_for_nothing_any_more_is_a_misuse(path: str, words: str) -> None:
    with pytest.raises(Misuse, match=words):
        list(source.listed([path]))


def test_a_given_folder_that_is_closed_ends_the_listing(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)  # root may read all, so it is told that it may not
    with pytest.raises(EnvironmentProblem, match="permission denied; let this user read the folder"):
        list(source.listed([str(tree)]))


def test_a_folder_comes_in_the_order_of_its_windows(tree: Path) -> None:
    for name in (
        "2024-04-20/conn.00:00:00-01:00:00.log",
        "2024-04-19/conn.23:00:00-00:00:00.log",
        "2024-04-19/conn.1.log",
    ):
        write(tree / name, b"")
    assert [Path(f.path).relative_to(tree).as_posix() for f in source.listed([str(tree)])] == [
        "2024-04-19/conn.1.log",
        "2024-04-19/conn.23:00:00-00:00:00.log",
        "2024-04-20/conn.00:00:00-01:00:00.log",
    ]

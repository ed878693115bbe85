"""URLs through fsspec's file system in memory: listed by folder, read as streams, errors said as ours.

What is particular to S3 is tried on a server of its own in ``tests/system/test_s3.py``.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import Any

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from etl import pipeline, source
from etl.errors import ConnEtlError, EnvironmentProblem, Misuse, StorageAway, Unreadable
from etl.settings import Settings
from etl.source import remote
from tests.logs import flows, tsv

LOG = tsv(flows(5))


@pytest.fixture
def memory() -> Iterator[Any]:
    """The file system, empty before and after."""
    system = fsspec.filesystem("memory")
    system.store.clear()
    system.pseudo_dirs[:] = [""]
    yield system
    system.store.clear()
    system.pseudo_dirs[:] = [""]


def put(memory: Any, *paths: str) -> None:
    for path in paths:
        memory.pipe_file(path, LOG)


def names(url: str) -> list[str]:
    return [
        str(PurePosixPath(file.path.partition("://")[2]).relative_to("/logs"))
        for file in source.listed([url])
    ]


def test_a_tree_comes_folder_by_folder_with_sizes_times_and_windows(memory: Any) -> None:
    put(memory, "/logs/2026-03-02/conn.00:00:00-01:00:00.log", "/logs/2026-03-01/conn.23:00:00-00:00:00.log")
    put(memory, "/logs/2026-03-01/conn.08:00:00-09:00:00.log", "/logs/conn.log")
    assert names("memory://logs") == [
        "conn.log",
        "2026-03-01/conn.08:00:00-09:00:00.log",
        "2026-03-01/conn.23:00:00-00:00:00.log",
        "2026-03-02/conn.00:00:00-01:00:00.log",
    ]
    first, second, *_ = source.listed(["memory://logs"])
    assert (first.size, first.window_start) == (len(LOG), None)
    assert abs((datetime.now(UTC) - first.mtime).total_seconds()) < 60
    assert (second.window_start, second.window_end) == (
        datetime(2026, 3, 1, 8, tzinfo=UTC),
        datetime(2026, 3, 1, 9, tzinfo=UTC),
    )


def test_hidden_names_and_current_are_left_out_and_other_logs_skip_reason(memory: Any) -> None:
    put(
        memory,
        "/logs/conn.log",
        "/logs/dns.log",
        "/logs/.conn.log",
        "/logs/current/conn.log",
        "/logs/.x/conn.log",
    )
    found = {file.path.rpartition("/")[2]: file.skip_reason for file in source.listed(["memory://logs"])}
    assert {name: error and error.kind for name, error in found.items()} == {
        "conn.log": None,
        "dns.log": "other_log",
    }


def test_a_log_that_is_there_plain_and_packed_knows_of_it(memory: Any) -> None:
    put(memory, "/logs/conn.a.log", "/logs/conn.a.log.gz", "/logs/conn.b.log")
    assert [len(file.twins) for file in source.listed(["memory://logs"])] == [1, 1, 0]


def test_an_object_that_is_given_itself_is_taken_whatever_its_name(memory: Any) -> None:
    put(memory, "/logs/dns.log")
    (found,) = source.listed(["memory://logs/dns.log"])
    assert (found.path, found.size, found.skip_reason) == ("memory://logs/dns.log", len(LOG), None)
    assert remote.status_of("memory://logs/dns.log") == (found.size, found.mtime)
    assert remote.status_of("memory://logs") is None
    assert remote.status_of("memory://logs/gone.log") is None


def test_it_is_read_as_a_stream_that_can_go_back(memory: Any) -> None:
    put(memory, "/logs/conn.log")
    with remote.opened("memory://logs/conn.log") as stream:
        assert stream.read(10) == LOG[:10]
        assert stream.seek(-7, 2) == len(LOG) - 7
        assert stream.read() == LOG[-7:]
        assert stream.seek(0) == 0
        assert stream.read() == LOG
    (tried,) = pipeline.try_out(["memory://logs"], Settings())
    assert (tried.state, tried.rows_read) == ("readable", 5)


def test_what_is_not_there_is_a_misuse(memory: Any) -> None:
    put(memory, "/logs/conn.log")
    with pytest.raises(Misuse, match="there is no such object or prefix; give a log, or a folder of logs"):
        list(source.listed(["memory://elsewhere"]))


@pytest.mark.parametrize(
    ("url", "words"),
    [("nosuch://bucket/conn.log", "nosuch"), ("gs://bucket/conn.log", "a package for it is missing")],
)
def test_a_store_that_this_environment_cannot_reach_is_said(url: str, words: str) -> None:
    with pytest.raises(EnvironmentProblem, match=words) as raised:
        list(source.listed([url]))
    assert url in str(raised.value)


@pytest.mark.parametrize(
    ("error", "kind", "words"),
    [
        (OSError("connection reset by peer"), StorageAway, "OSError connection reset by peer"),
        (RuntimeError("Unable to locate credentials"), EnvironmentProblem, "set the store's credentials"),
        (RuntimeError("An error occurred (AccessDenied)"), EnvironmentProblem, "set the store's credentials"),
        (PermissionError("Access Denied"), EnvironmentProblem, "may list and read it"),
        (FileNotFoundError("no bucket"), EnvironmentProblem, "no bucket"),
        (ValueError("odd endpoint"), EnvironmentProblem, "odd endpoint"),
    ],
)
def test_a_store_that_fails_is_said_as_ours(
    memory: Any, monkeypatch: pytest.MonkeyPatch, error: Exception, kind: type[ConnEtlError], words: str
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    put(memory, "/logs/conn.log")
    monkeypatch.setattr(MemoryFileSystem, "ls", fail)
    with pytest.raises(kind, match=words) as raised:
        list(source.listed(["memory://logs"]))
    assert "memory://logs" in str(raised.value)


def test_an_object_that_breaks_off_says_so(memory: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    put(memory, "/logs/conn.log")
    stream = remote.opened("memory://logs/conn.log")
    file: Any = stream.raw._file  # type: ignore[attr-defined]
    for error, kind in ((OSError("reset"), StorageAway), (FileNotFoundError("gone"), Unreadable)):

        def read(_: int, error: Exception = error) -> bytes:
            raise error

        monkeypatch.setattr(file, "read", read, raising=False)
        with pytest.raises(kind):
            stream.read(1)


def test_options_of_an_entry_point_hold_for_its_protocol() -> None:
    from fsspec.config import conf

    before = dict(conf)
    try:
        remote.use("memory", {"one": 1})
        remote.use("memory", {"two": 2})
        assert conf["memory"] == {"one": 1, "two": 2}
    finally:
        conf.clear()
        conf.update(before)

"""Listing without a database: names to windows and sensors, trees with odd entries, when a file is settled."""

from __future__ import annotations

import gzip
import os
import socket
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Self

import pytest

from etl import source
from etl.errors import Gone, Misuse, Unreadable
from etl.models import FoundFile
from etl.pipeline import evidence
from etl.settings import Settings
from tests.logs import flows, json_lines, tsv, write

NIGHT = ("2024-04-19T23:00:00", "2024-04-20T00:00:00")
NINE = ("2024-04-19T09:00:00", "2024-04-19T10:00:00")
NAMES: dict[str, tuple[str | None, str | None]] = {
    "2024-04-19/conn.09:00:00-10:00:00.log.gz": NINE,
    "20240419/conn.09:00:00-10:00:00.log.gz": NINE,
    "2024-04-19/conn.23:00:00-00:00:00.log.gz": NIGHT,
    "2024-04-19/conn.09.00.00-10.00.00.log.gz": NINE,
    "2024-04-19/conn.09:00:00-10:00:00-logger-1.log.gz": NINE,
    "2024-04-19/conn-logger-1.09:00:00-10:00:00.log.zst": NINE,
    "2024-04-19/conn.09:00:00-10:00:00.json.log": NINE,
    "2024-04-19/conn.00:00:00-00:00:00.log.gz": ("2024-04-19T00:00:00", "2024-04-20T00:00:00"),
    "2024-04-19/conn.09:00:00-09:30:00.log": ("2024-04-19T09:00:00", "2024-04-19T09:30:00"),
    "conn.2024-04-19-09-00-00.log": (NINE[0], None),
    "conn.2024-04-19-09-00-00-logger-1.log": (NINE[0], None),
    "conn-2024-04-19-09-00-00.log": (NINE[0], None),
    "conn-2024-04-19_09:00:00.log.gz": (NINE[0], None),
    "conn-24-04-19_09.00.00.log": (NINE[0], None),
    "conn_20240419_09:00:00-10:00:00+0000.log.gz": NINE,
    "conn_20240419_11:00:00-12:00:00+0200.log.gz": NINE,
    "conn__2024-04-19-09-00-00__2024-04-19-10-00-00__.log": NINE,
    "conn__2024-04-19-09-00-00__2024-04-19-10-00-00__log_suffix=logger-1__.log.gz": NINE,
    "conn.2024-04-19-09-00-00-2024-04-19-10-00-00.log": NINE,
    "conn.09:00:00-10:00:00.log.gz": (None, None),  # no day anywhere
    "conn.log": (None, None),
    "conn.log.gz": (None, None),
    "conn.json.log": (None, None),
    "2024-04-19/conn.log": (None, None),
    "2024-13-19/conn.09:00:00-10:00:00.log.gz": (None, None),
    "2024-04-19/conn.25:00:00-26:00:00.log.gz": (None, None),
    "conn__2024-04-19-10-00-00__2024-04-19-09-00-00__.log": (None, None),
    "conn.1713517200.log": (None, None),
    "2024-04-19/conn.09:00:00-10:00:00-9952.log": NINE,
}


def iso(moment: datetime | None) -> str | None:
    return moment and moment.astimezone(UTC).replace(tzinfo=None).isoformat()


@pytest.mark.parametrize("name", sorted(NAMES))
def test_a_name_and_its_window(name: str) -> None:
    start, end = source.window(f"/logs/{name}")
    assert (iso(start), iso(end)) == NAMES[name]
    assert (start is None) or start.tzinfo is UTC


ZONES: dict[str, tuple[str | None, str | None]] = {
    # clocks go forward at 02:00 and back at 03:00
    "2024-07-01/conn.09:00:00-10:00:00.log": ("2024-07-01T07:00:00", "2024-07-01T08:00:00"),
    "2024-01-01/conn.00:00:00-01:00:00.log": ("2023-12-31T23:00:00", "2024-01-01T00:00:00"),
    "2024-03-31/conn.01:00:00-03:00:00.log": ("2024-03-31T00:00:00", "2024-03-31T01:00:00"),
    "2024-10-27/conn.02:00:00-02:00:00.log": ("2024-10-27T00:00:00", "2024-10-27T01:00:00"),
    "2024-10-27/conn.02:30:00-02:00:00.log": ("2024-10-27T00:30:00", "2024-10-27T01:00:00"),
    "conn__2024-10-27-02-00-00__2024-10-27-02-00-00__.log": ("2024-10-27T00:00:00", "2024-10-27T01:00:00"),
    "conn__2024-10-27-02-45-00__2024-10-27-02-00-00__.log": ("2024-10-27T00:45:00", "2024-10-27T01:00:00"),
    "conn__2024-10-27-01-00-00__2024-10-27-02-00-00__.log": ("2024-10-26T23:00:00", "2024-10-27T00:00:00"),
    "conn__2024-10-27-04-00-00__2024-10-27-02-00-00__.log": (None, None),
    "conn__2024-07-01-09-00-00__2024-07-01-09-00-00__.log": (None, None),
    "conn__2024-03-31-02-00-00__2024-03-31-03-00-00__.log": (None, None),
    "2024-07-01/conn.09:00:00-08:99:00.log": (None, None),
    "2024-10-27/conn.00:00:00-00:00:00.log": ("2024-10-26T22:00:00", "2024-10-27T23:00:00"),
    "conn_20240701_09:00:00-10:00:00+0000.log": ("2024-07-01T09:00:00", "2024-07-01T10:00:00"),
    "conn.2024-07-01-09-00-00.log": ("2024-07-01T07:00:00", "2024-07-01T07:30:00"),
}


@pytest.mark.parametrize("name", sorted(ZONES))
def test_names_are_local_time_of_the_sensor(name: str) -> None:
    berlin = source.Sensor(zone="Europe/Berlin", interval=timedelta(minutes=30), path="berlin/…")
    _, (start, end) = source.Sensors(known={"b": berlin}).of(f"/logs/berlin/{name}")
    assert (iso(start), iso(end)) == ZONES[name]


PATTERNS = [
    ("{sensor}/{date}", "/data/north/2024-04-19/conn.log", "north"),
    ("{sensor}/{date}", "s3://bucket/north/2024-04-19/conn.log", "north"),
    ("{sensor}/{date}", "/data/north/conn.log", ""),
    ("{sensor}/{date}/…", "/data/north/2024-04-19/extra/conn.log", "north"),
    ("{date}/{sensor}", "/data/2024-04-19/south 2/conn.log", "south 2"),
    ("{sensor}/*/{date}", "/data/north/logs/2024-04-19/conn.log", "north"),
    ("zeek-{sensor}/{date}", "/data/zeek-5/2024-04-19/conn.log", "5"),
    ("{date}/…", "/data/north/2024-04-19/conn.log", ""),
    ("{sensor}/{date}", "/data/a\nb/2024-04-19/conn.log", "a\nb"),
]


@pytest.mark.parametrize(("pattern", "path", "sensor"), PATTERNS)
def test_a_path_and_its_sensor(pattern: str, path: str, sensor: str) -> None:
    assert source.Sensors(patterns=[pattern]).of(path)[0] == sensor


def test_a_sensor_may_have_a_path_of_its_own_and_the_first_pattern_that_fits_counts() -> None:
    sensors = source.Sensors(
        patterns=["{sensor}/{date}", "{sensor}"], known={"edge": source.Sensor(path="old-archive/*")}
    )
    assert [
        sensors.of(f"/x/{path}/conn.log")[0] for path in ("old-archive/1", "north/2024-04-19", "north")
    ] == [
        "edge",
        "north",
        "north",
    ]


def test_sensors_in_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(
        "CONN_ETL_SENSORS", '{"north": {"zone": "Asia/Kathmandu", "interval": "PT15M", "quiet_hours": [1]}}'
    )
    north = Settings().sensors["north"]
    assert (north.zone, north.interval, north.quiet_hours) == ("Asia/Kathmandu", timedelta(minutes=15), (1,))
    monkeypatch.setenv("CONN_ETL_SENSORS", '{"north": {"zone": "Mars/Olympus"}}')
    with pytest.raises(ValueError, match="no time zone Mars/Olympus"):
        Settings()


# --- trees ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def tree() -> Iterator[Path]:
    """A short path: a socket's is bounded."""
    with tempfile.TemporaryDirectory(prefix="src-") as folder:
        yield Path(folder)


def outcome(found: Iterator[FoundFile]) -> dict[str, str | None]:
    return {Path(f.path).name: f.turned_down and f"{f.turned_down.kind}: {f.turned_down}" for f in found}


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
        (Path(f.path).relative_to(tree).as_posix(), f.turned_down and f.turned_down.kind) for f in found
    ] == [
        ("a/conn.log", None),
        ("closed", "unreadable"),
        ("z/conn.log", None),
    ]


def test_a_path_that_is_not_there_is_a_misuse(tree: Path) -> None:
    for path in (tree / "nowhere", f"{tree}/nul\0", f"{tree}/\udcff"):
        with pytest.raises(Misuse):
            list(source.listed([str(path)]))


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


# --- settled ----------------------------------------------------------------------------------------------------------

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def file(age: int = 0, end: int | None = None, twins: tuple[str, ...] = ()) -> FoundFile:
    return FoundFile(
        path="/x/conn.log",
        size=1,
        mtime=NOW - age * MINUTE,
        window_start=None if end is None else NOW - (end + 60) * MINUTE,
        window_end=None if end is None else NOW - end * MINUTE,
        twins=twins,
    )


SETTLED = [
    ("its window has ended", file(end=0), None, False, True),
    ("its window is not over", file(age=60, end=-1), None, False, False),
    ("its window is not over, but its end is written", file(end=-1), None, True, True),
    ("old, at the first look", file(age=60), None, False, False),
    ("old, at the second look", file(age=60), 6, False, True),
    ("old, the first look was a moment ago", file(age=60), 1, False, False),
    ("touched a moment ago", file(age=1), 60, False, False),
    ("its end is written", file(), None, True, True),
    (
        "one of two forms: a window is no evidence",
        file(end=10, twins=("/x/conn.log.gz",)),
        None,
        False,
        False,
    ),
    ("one of two forms, whole", file(end=10, twins=("/x/conn.log.gz",)), None, True, True),
]


@pytest.mark.parametrize(
    ("what", "found", "seen", "whole", "expected"), SETTLED, ids=[case[0] for case in SETTLED]
)
def test_settled(what: str, found: FoundFile, seen: int | None, whole: bool, expected: bool) -> None:
    first_seen = None if seen is None else NOW - seen * MINUTE
    assert source.settled(found, NOW, 5 * MINUTE, first_seen=first_seen, whole=lambda _: whole) is expected, (
        what
    )
    assert source.settled(found, NOW, timedelta(0), whole=lambda _: False)


ENDS = {
    "closed.log": (tsv(flows(2)), True),
    "open.log": (tsv(flows(2)).partition(b"#close")[0], False),
    "lines.json": (json_lines(flows(2)), False),
    "empty.log": (b"", False),
    "whole.log.gz": (gzip.compress(json_lines(flows(50))), True),
    "cut.log.gz": (gzip.compress(json_lines(flows(50)))[:-6], False),
    "members.log.gz": (gzip.compress(b"{}\n") * 2, True),
    "begun.log.gz": (gzip.compress(b"{}\n") + gzip.compress(b"{}\n")[:12], False),
}


@pytest.mark.parametrize("name", sorted(ENDS))
def test_what_the_end_of_a_file_says(tree: Path, name: str) -> None:
    content, whole = ENDS[name]
    (tree / name).write_bytes(content)
    (found,) = source.listed([str(tree / name)])
    assert evidence.whole(found, Settings()) is whole


@pytest.mark.parametrize(
    ("plain", "packed", "turned_down"),
    [
        (json_lines(flows(50)), gzip.compress(json_lines(flows(50))), None),
        (json_lines(flows(50)), gzip.compress(json_lines(flows(50)))[:-100], "conn.log.gz"),
        (json_lines(flows(50)), b"", "conn.log.gz"),
        (json_lines(flows(30)), gzip.compress(json_lines(flows(50))), "conn.log"),
    ],
    ids=[
        "both are whole",
        "the packed one is being written",
        "it was just begun",
        "the plain one is being written",
    ],
)
def test_of_a_log_that_is_there_plain_and_packed_the_half_one_is_left(
    tree: Path, plain: bytes, packed: bytes, turned_down: str | None
) -> None:
    (tree / "conn.log").write_bytes(plain)
    (tree / "conn.log.gz").write_bytes(packed)
    found = list(source.listed([str(tree)]))
    assert all(file.twins for file in found)
    halves = {Path(f.path).name: evidence.half_written(f, Settings()) for f in found}
    assert [name for name, error in halves.items() if error] == ([turned_down] if turned_down else [])


@pytest.mark.parametrize(
    "name",
    [
        "9999-12-31/conn.23:00:00-00:00:00.log",
        "0001-01-01/conn.00:00:00-01:00:00.log",
        "x/conn_99991231_23:00:00-00:00:00-0400.log",
        "2026-03-29/conn.02:00:00-03:00:00.log",
    ],
)
def test_a_time_that_there_is_not_is_no_window_and_no_error(name: str, tmp_path: Path) -> None:
    """One odd name must not end the listing of a tree."""
    path = tmp_path / name
    path.parent.mkdir(parents=True)
    path.write_bytes(b"")
    sensors = source.Sensors(zone="Europe/Berlin", known={"": source.Sensor(interval=timedelta(hours=1))})
    (found,) = source.listed([str(tmp_path)], sensors)
    assert (found.window_start, found.window_end) == (None, None)

"""When a file is settled: by its window, its age at two looks, its own end, and a second form of it beside it."""

from __future__ import annotations

import gzip
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from etl import source
from etl.models import FoundFile
from tests.logs import flows, json_lines, tsv

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
    assert (
        source.is_complete(found, NOW, 5 * MINUTE, first_seen=first_seen, ended=lambda _: whole) is expected
    ), what
    assert source.is_complete(found, NOW, timedelta(0), ended=lambda _: False)


@pytest.mark.parametrize(
    ("what", "found", "seen", "minutes"),
    [
        ("a first look counts from now", file(age=60), None, 5),
        ("a second look counts from the first", file(age=60), 2, 3),
        ("the last change counts where it is later", file(age=1), 60, 4),
        ("its window ends sooner", file(end=-2), None, 2),
        ("its window ends later", file(end=-30), None, 5),
        ("one of two forms: a window is no evidence", file(end=-2, twins=("/x/conn.log.gz",)), None, 5),
    ],
)
def test_complete_at(what: str, found: FoundFile, seen: int | None, minutes: int) -> None:
    first_seen = None if seen is None else NOW - seen * MINUTE
    assert source.complete_at(found, NOW, 5 * MINUTE, first_seen=first_seen) == NOW + minutes * MINUTE, what


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
def test_what_the_end_of_a_file_says(tmp_path: Path, name: str) -> None:
    content, whole = ENDS[name]
    (tmp_path / name).write_bytes(content)
    (found,) = source.listed([str(tmp_path / name)])
    assert source.has_end(found) is whole


@pytest.mark.parametrize(
    ("plain", "packed", "skipped"),
    [
        (json_lines(flows(50)), gzip.compress(json_lines(flows(50))), None),
        (json_lines(flows(50)), gzip.compress(json_lines(flows(50)))[:-100], "conn.log.gz"),
        (json_lines(flows(50)), b"", "conn.log.gz"),
        (json_lines(flows(30)), gzip.compress(json_lines(flows(50))), "conn.log"),
        (json_lines(flows(30, 50)), gzip.compress(json_lines(flows(50))), None),
        (json_lines(flows(50, 50)), gzip.compress(json_lines(flows(50)))[:-100], None),
        (b"", gzip.compress(json_lines(flows(50))), "conn.log"),
    ],
    ids=[
        "both are whole",
        "the packed one is being written",
        "it was just begun",
        "the plain one is being written",
        "the plain one is another log",
        "the cut one is another log",
        "the plain one was just begun",
    ],
)
def test_of_a_log_that_is_there_plain_and_packed_the_half_one_is_left(
    tmp_path: Path, plain: bytes, packed: bytes, skipped: str | None
) -> None:
    (tmp_path / "conn.log").write_bytes(plain)
    (tmp_path / "conn.log.gz").write_bytes(packed)
    found = list(source.listed([str(tmp_path)]))
    assert all(file.twins for file in found)
    halves = {Path(f.path).name: source.half_written(f) for f in found}
    assert [name for name, error in halves.items() if error] == ([skipped] if skipped else [])

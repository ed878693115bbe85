"""Tables: nothing is cut, numbers that count are grouped, numbers that are names are not."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from etl.cli import console, tables

COLUMNS = ("day", "dst_port", "connections", "src_bytes", "share", "path")
ROWS = [
    (
        datetime(2026, 3, 1, tzinfo=UTC),
        51_820,
        12_345,
        Decimal(1_964_191_874),
        Decimal("0.5000"),
        "/a/" + "b" * 60,
    ),
    (None, 80, 7, None, None, "x\ny\x1b[31m"),
]


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(console.out, "_force_terminal", True)
    monkeypatch.setattr(console.out, "width", 80)


def test_into_a_pipe_a_table_has_its_full_width(capsys: pytest.CaptureFixture[str]) -> None:
    assert tables.table("Title", COLUMNS, ROWS) == 2
    title, head, first, second = capsys.readouterr().out.splitlines()
    assert (title, len(first)) == ("Title", len(head) + 59)
    assert first.split() == [
        "2026-03-01",
        "00:00:00+00:00",
        "51820",
        "12,345",
        "1,964,191,874",
        "0.5000",
        "/a/" + "b" * 60,
    ]
    assert second.split() == ["80", "7", "x\\ny\\x1b[31m"]
    for name, value in (("dst_port", "51820"), ("connections", "12,345"), ("src_bytes", "1,964,191,874")):
        assert head.index(name) + len(name) == first.index(value) + len(value), name


@pytest.mark.usefixtures("terminal")
def test_on_a_narrow_terminal_each_row_is_a_block_of_lines(capsys: pytest.CaptureFixture[str]) -> None:
    tables.table("", COLUMNS, ROWS)
    lines = capsys.readouterr().out.splitlines()
    assert lines[:3] == [
        "day          2026-03-01 00:00:00+00:00",
        "dst_port     51820",
        "connections  12,345",
    ]
    assert lines[5] == f"path         {ROWS[0][-1]}"
    assert lines[6] == ""
    assert len(lines) == 13


@pytest.mark.usefixtures("terminal")
def test_a_table_that_fits_stays_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    tables.table("", COLUMNS[:4], [row[:4] for row in ROWS])
    assert len(capsys.readouterr().out.splitlines()) == 3


def test_bytes_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    tables.table("", ("ip_bytes", "connections"), [(Decimal(1_400_000_000), 1_000)], human=True)
    assert capsys.readouterr().out.splitlines()[1].split() == ["1.4", "GB", "1,000"]


def test_no_row_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert tables.table("Days", COLUMNS, []) == 0
    assert capsys.readouterr().out == "Days: none\n"


@pytest.mark.parametrize(
    ("value", "column", "human", "wanted"),
    [(443, "port", False, "443"), (12_345, "ports", False, "12,345"), (12_345, "etl_file_id", False, "12345"),
     (12_345, "etl_line", False, "12345"), (12_345, "lines", False, "12,345"), (True, "port", False, "True"),
     (Decimal("1234.50"), "seconds", False, "1,234.50"), (Decimal("1E+4"), "rows", False, "10,000"),
     (1_400_000_000, "ip_bytes", True, "1.4 GB"), (-1, "ip_bytes", True, "-1"), (2_000, "connections", True, "2,000"),
     (29.25, "event_duration", False, "29.25"), (None, "x", False, "")],
)  # fmt: skip
def test_one_cell(value: object, column: str, human: bool, wanted: str) -> None:
    assert tables.shown(value, column, human=human) == wanted


@pytest.mark.usefixtures("terminal")
def test_paths_beneath_the_working_directory_are_shown_relative(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert tables.relative(f"{tmp_path}/logs/conn.log") == "logs/conn.log"
    assert tables.relative("/else/conn.log") == "/else/conn.log"
    assert tables.relative(f"{tmp_path}-2/conn.log") == f"{tmp_path}-2/conn.log"


def test_rows_may_be_the_values_of_dicts(capsys: pytest.CaptureFixture[str]) -> None:
    tables.table("", ("name", "number"), [{"name": "a", "number": 1_000}.values()])
    assert capsys.readouterr().out.splitlines()[1].split() == ["a", "1,000"]

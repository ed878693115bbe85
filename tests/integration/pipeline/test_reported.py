"""Inputs in the shapes of public bug reports (``tests/data/reported``, by their number), through the whole path."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from etl import pipeline
from etl.database.store import Store
from etl.settings import Settings
from tests.integration.conftest import Ask

REPORTED = Path(__file__).parents[2] / "data" / "reported"

CASES: dict[str, tuple[str, tuple[int, int, int]]] = {
    "01-stream-key-mixed": ("published", (40, 20, 20)),
    "03-iot23-labelled": ("published", (4, 4, 0)),
    "04-tsv-single-header-line": ("published", (5, 5, 0)),
    "05-comma": ("published", (5, 5, 0)),
    "07-kafka-envelope": ("published", (5, 5, 0)),
    "08-filebeat": ("published", (4, 4, 0)),
    "09-siem-exports": ("published", (4, 4, 0)),
    "10-syslog-prefix": ("published", (4, 4, 0)),
    "11-copytruncate": ("published", (50, 50, 0)),
    "13-archives/conn-json.tar": ("published", (6, 6, 0)),
    "13-archives/conn.zip": ("published", (6, 6, 0)),
    "18-numbers-as-strings": ("published", (6, 6, 0)),
    "23b-service-dash": ("published", (4, 4, 0)),
    "24-stray-first-line": ("published", (7, 6, 1)),
    "25-no-newline": ("refused", (0, 0, 0)),
    "26-zero-bytes": ("incomplete", (0, 0, 0)),
    "31-encodings-db": ("published", (4, 4, 0)),
    "34-name-Z": ("published", (3, 3, 0)),
}
"""Folder or file → state, and rows read, loaded and quarantined."""

Load = Callable[[str], pipeline.Summary]


@pytest.fixture
def load(store: Store, faults: Callable[[], list[object]]) -> Load:
    def run(case: str) -> pipeline.Summary:
        summary = pipeline.ingest(store, [str(REPORTED / case)])
        assert faults() == []
        return summary

    return run


def test_every_folder_is_tried() -> None:
    tried = {case.partition("/")[0] for case in CASES} | {
        "38-json-neighbours",
        "41-ndjson-without-a-known-key",
    }
    assert tried == {path.name for path in REPORTED.iterdir()}


@pytest.mark.parametrize("case", CASES)
def test_state_and_rows(load: Load, case: str) -> None:
    summary = load(case)
    read, loaded, duplicate, quarantined = (summary.total(term) for term in pipeline.TERMS)
    assert ({result.state for result in summary.results}, (read, loaded, quarantined)) == (
        {CASES[case][0]},
        CASES[case][1],
    )
    assert duplicate == 0


def test_01_lines_of_other_streams_are_named(load: Load, ask: Ask) -> None:
    load("01-stream-key-mixed")
    assert ask("SELECT DISTINCT reason FROM etl.quarantine") == [("other_log",)]


def test_03_labels_and_tunnel_parents(load: Load, ask: Ask) -> None:
    load("03-iot23-labelled")
    assert ask("SELECT zeek_connection_tunnel_parents, extra FROM zeek.conn ORDER BY etl_line") == [
        (None, {"label": "Malicious", "detailed-label": "PartOfAHorizontalPortScan"}),
        ("[]", {"label": "Benign"}),
        ('["CPARENT1","CPARENT2"]', {"label": "Malicious", "detailed-label": "C&C"}),
        (None, {"label": "benign"}),
    ]


def test_05_a_quoted_cell_keeps_its_comma(load: Load, ask: Ask) -> None:
    load("05-comma")
    assert ask("SELECT network_application FROM zeek.conn ORDER BY etl_line LIMIT 1") == [("ssl,http",)]


def test_07_milliseconds_and_the_wrapped_line(load: Load, ask: Ask) -> None:
    load("07-kafka-envelope")
    assert ask('SELECT etl_line, "@timestamp" FROM zeek.conn ORDER BY etl_line LIMIT 1') == [
        (1, datetime(2026, 3, 1, 9, 0, 3, 298_000, tzinfo=UTC))
    ]


def test_11_the_hole_is_named(load: Load) -> None:
    (result,) = load("11-copytruncate").results
    assert "70,000 NUL bytes" in str(result.reason)


def test_18_numbers_and_booleans_as_text(load: Load, ask: Ask) -> None:
    load("18-numbers-as-strings")
    row = json.loads((REPORTED / "18-numbers-as-strings" / "conn.json").read_text().splitlines()[0])
    columns = "src_port, dst_port, event_duration, src_bytes, dst_bytes, zeek_connection_local_src"
    assert ask(f"SELECT {columns} FROM zeek.conn ORDER BY etl_line LIMIT 1") == [
        (
            *(int(row[name]) for name in ("id.orig_p", "id.resp_p")),
            float(row["duration"]),
            *(int(row[name]) for name in ("orig_bytes", "resp_bytes")),
            row["local_orig"] in ("T", True),
        )
    ]


def test_23b_a_dash_is_unset(load: Load, ask: Ask) -> None:
    load("23b-service-dash")
    assert ask(
        "SELECT count(*), count(network_application), count(zeek_connection_tunnel_parents) FROM zeek.conn"
    ) == [(4, 0, 0)]


def test_25_the_command_that_helps_is_named(load: Load) -> None:
    (result,) = load("25-no-newline").results
    assert "jq -c ." in str(result.reason)


def test_26_the_hour_stays_missing(load: Load, ask: Ask) -> None:
    load("26-zero-bytes")
    assert ask("SELECT count(*) FROM etl.file WHERE state = 'published'") == [(0,)]


def test_31_letters_beyond_ascii_are_whole(load: Load, ask: Ask) -> None:
    load("31-encodings-db")
    assert ask(
        "SELECT extra->>'note', length(extra->>'note') FROM zeek.conn WHERE extra ? 'note' ORDER BY etl_line"
    ) == [
        ("Zürich", 6),
        ("東京", 2),
    ]


def test_34_a_z_in_the_name_is_utc_whatever_the_sensors_zone(database_url: str, ask: Ask) -> None:
    berlin = Store.open(database_url, Settings(attempts=1, zone="Europe/Berlin"))
    pipeline.ingest(berlin, [str(REPORTED / "34-name-Z")])
    assert ask("SELECT window_start, window_end FROM etl.file") == [
        (datetime(2026, 3, 1, 9, tzinfo=UTC), datetime(2026, 3, 1, 10, tzinfo=UTC))
    ]


def test_38_neighbours_are_skipped(load: Load) -> None:
    summary = load("38-json-neighbours")
    assert [result.state for result in summary.results] == ["skipped"] * 37


def test_41_the_neighbour_of_a_refused_file_loads(load: Load) -> None:
    summary = load("41-ndjson-without-a-known-key")
    states: dict[str, Any] = {Path(result.path).name: result.state for result in summary.results}
    assert states == {"app.ndjson": "refused", "conn.log": "published"}
    assert summary.total("rows_loaded") == 5

"""Rows by file and hour, counted while they are staged: publish and the gate take them in place of the rows."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from etl import pipeline
from etl.database.store import Store
from etl.loading import insert
from etl.settings import Settings
from tests.integration.conftest import Ask
from tests.logs import flow, flows, json_lines, tsv, write

HOUR = 3_600
START = 1_772_352_000
FROM_ROWS = """
    SELECT etl_file_id, etl.hour_of("@timestamp"), count(*), min("@timestamp"), max("@timestamp")
    FROM etl.stage_{batch} GROUP BY 1, 2 ORDER BY 1, 2
"""
COUNTED = """
    SELECT etl_file_id, hour, sum(rows), min(min_timestamp), max(max_timestamp)
    FROM etl.stage_{batch}_hour GROUP BY 1, 2 ORDER BY 1, 2
"""
HOURS_OF_ROWS = 'SELECT DISTINCT etl.hour_of("@timestamp") FROM zeek.conn ORDER BY 1'
SPANS_OF_ROWS = """
    SELECT etl_file_id, count(*), min("@timestamp"), max("@timestamp") FROM zeek.conn GROUP BY 1 ORDER BY 1
"""
SPANS = "SELECT etl_file_id, rows_loaded, min_timestamp, max_timestamp FROM etl.file WHERE rows_loaded > 0 ORDER BY 1"
LOSSES = {
    "nothing": "SELECT 1",
    "all counts": "TRUNCATE etl.stage_{batch}_hour",
    "the counts of a file": "DELETE FROM etl.stage_{batch}_hour WHERE etl_file_id = 2",
    "the counts of an hour": "DELETE FROM etl.stage_{batch}_hour WHERE rows = 1",
}


@pytest.fixture
def store(database_url: str) -> Store:
    """A store that cuts files into many blocks and waits for none."""
    return Store.open(database_url, Settings(attempts=1, block_rows=16, settle_after=timedelta(0)))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Files over several hours and blocks, with bad rows at their ends, times out of range, and a torn one."""
    hours = [flow(n, ts=f"{START + n * 500}.25") for n in range(60)]
    write(tmp_path / "a.log", tsv([flow(90, ts=f"{START - 7}.0", conn_state="X"), *hours]))
    write(
        tmp_path / "no_times.log",
        tsv([*flows(40, 700), flow(760, ts=None), flow(761, ts=None), *flows(9, 770)]),
    )
    write(tmp_path / "no_time.log", tsv([flow(790, ts=None)]))
    write(
        tmp_path / "b.log",
        json_lines([*flows(50, 100), flow(150, ts="4102444800.0"), flow(151, ts="86400.0")]),
    )
    torn = gzip.compress(json_lines(flows(400, 200)))
    write(tmp_path / "c.log.gz", torn[: len(torn) * 2 // 3])
    write(tmp_path / "d.log", tsv([]))
    return tmp_path


def staged(store: Store, folder: Path) -> int:
    pipeline.begin(store, "run-1", "dag", {})
    (batch,) = pipeline.discover(store, "run-1", [str(folder)])
    pipeline.stage(store, batch)
    return batch


def test_staging_counts_what_it_holds(store: Store, ask: Ask, folder: Path) -> None:
    batch = staged(store, folder)
    counted = ask(COUNTED.format(batch=batch))
    assert counted == ask(FROM_ROWS.format(batch=batch))
    assert len(counted) > 10


@pytest.mark.parametrize("lost", LOSSES)
@pytest.mark.parametrize("after", ["stage", "validate"])
def test_lost_counts_change_nothing(
    store: Store, ask: Ask, faults: Callable[[], list[Any]], folder: Path, lost: str, after: str
) -> None:
    batch = staged(store, folder)
    if after == "validate":
        pipeline.validate(store, batch)
    ask(LOSSES[lost].format(batch=batch))
    pipeline.publish(store, batch)
    rules = ask("SELECT rule, count(*) FROM etl.quarantine GROUP BY 1 ORDER BY 1")
    assert ("time_out_of_range", 2) in rules
    assert ask("SELECT DISTINCT hour FROM etl.touched_hour ORDER BY 1") == ask(HOURS_OF_ROWS)
    assert ask(SPANS) == ask(SPANS_OF_ROWS)
    assert faults() == []


def test_counts_that_do_not_hold_are_not_taken(
    store: Store, ask: Ask, faults: Callable[[], list[Any]], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: object) -> None:
        raise insert.Miscounted("1 row came in, 2 were counted in staging")

    monkeypatch.setattr(insert, "loaded_of", never)
    pipeline.ingest(store, [str(folder)])
    assert ask("SELECT DISTINCT hour FROM etl.touched_hour ORDER BY 1") == ask(HOURS_OF_ROWS)
    assert ask(SPANS) == ask(SPANS_OF_ROWS)
    assert faults() == []


def test_an_archived_day_is_stale_after_a_load(store: Store, ask: Ask, folder: Path) -> None:
    ask("INSERT INTO etl.archive_day (day) VALUES ('2026-03-01'), ('2026-03-09')")
    pipeline.ingest(store, [str(folder)])
    stale = "SELECT day::text FROM etl.archive_day WHERE changes > 0"
    assert ask(stale) == [("2026-03-01",)]


def test_a_day_that_retention_took_is_found_by_its_hours(store: Store, ask: Ask, folder: Path) -> None:
    ask("INSERT INTO etl.retired_day (day, reason) VALUES ('2026-03-01', 'age')")
    batch = staged(store, folder)
    pipeline.validate(store, batch)
    (expired,) = ask(f"SELECT count(*) FROM etl.stage_{batch}_bad WHERE rule = 'expired'")
    assert (
        expired
        == ask(f"""SELECT count(*) FROM etl.stage_{batch} WHERE etl.day_of("@timestamp") = '2026-03-01'""")[0]
    )
    assert expired[0] > 0

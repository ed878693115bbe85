"""The life of a day in the archive: exported, stale, exported again, dropped, restored; and the ledger agrees."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from etl import pipeline
from etl.archive import check, cleanup, layout
from etl.archive.restore import restore
from etl.archive.table import path_of
from etl.database.store import Store
from etl.errors import EnvironmentProblem, Misuse
from etl.history import maintenance
from etl.monitoring import verify
from etl.quarantine import replay
from etl.quarantine.replay import QuarantineFilter
from etl.settings import Settings
from tests.integration.archive.conftest import (
    DAY,
    HOSTILE,
    NEXT,
    Query,
    drop,
    keep_a_copy,
    open_table,
    rows_that_differ,
    run_export,
    states,
)
from tests.integration.conftest import Ask, Command
from tests.logs import flow, json_lines, tsv, write

Faults = Callable[[], list[verify.Disagreement]]
WEEK = timedelta(days=7)
ARCHIVED, STALE = ("archived", False), ("stale", False)


def count(query: Query) -> dict[Any, int]:
    return dict(query('SELECT CAST("@timestamp" AS date), count(*) FROM zeek.conn GROUP BY 1'))


@pytest.mark.usefixtures("loaded")
def test_sealed_days_are_exported_once(store: Store, query: Query) -> None:
    assert run_export(store) == {DAY: 40, NEXT: 5}
    assert states(store) == {DAY: ARCHIVED, NEXT: ARCHIVED}
    assert count(query) == {DAY: 40, NEXT: 5}
    assert run_export(store) == {}
    assert check.verify(store) == []


def test_a_day_that_is_not_sealed_waits_unless_it_is_named(store: Store, tmp_path: Path) -> None:
    pipeline.ingest(store, [str(write(tmp_path / "conn.log", tsv(flow(n) for n in range(5))))])
    assert run_export(store) == {}
    assert run_export(store, [DAY]) == {DAY: 5}


@pytest.mark.usefixtures("loaded")
def test_a_restored_day_is_what_it_was(store: Store, query: Query, faults: Faults) -> None:
    run_export(store)
    keep_a_copy(store)
    drop(store, DAY, NEXT)
    assert rows_that_differ(store) == 45
    assert faults() == []
    assert {row[0] for row in query("SELECT network_application FROM zeek.conn")} >= set(HOSTILE)
    assert restore(store, DAY, keep=WEEK).rows == 40
    assert restore(store, NEXT, keep=WEEK).rows == 5
    assert rows_that_differ(store) == 0
    maintenance.refresh(store)
    assert faults() == []
    assert states(store) == {DAY: ARCHIVED, NEXT: ARCHIVED}


@pytest.mark.usefixtures("loaded")
def test_late_rows_make_a_day_stale_and_retention_waits(store: Store, query: Query, tmp_path: Path) -> None:
    run_export(store)
    before = open_table(store).table.current_snapshot()
    pipeline.ingest(store, [str(write(tmp_path / "late.log", tsv([flow(500), flow(501)])))])
    assert states(store) == {DAY: STALE, NEXT: ARCHIVED}
    with pytest.raises(Misuse, match="its rows changed after its export"):
        drop(store, DAY)
    assert count(query)[DAY] == 40
    assert run_export(store) == {DAY: 42}
    after = open_table(store).table.current_snapshot()
    assert before is not None
    assert after is not None
    assert after.parent_snapshot_id == before.snapshot_id
    assert count(query) == {DAY: 42, NEXT: 5}
    drop(store, DAY)
    assert states(store)[DAY] == ("archived", True)


@pytest.mark.usefixtures("loaded")
def test_a_load_of_nothing_new_leaves_the_day_archived(store: Store, tmp_path: Path) -> None:
    run_export(store)
    again = [flow(n) for n in range(30)]
    summary = pipeline.ingest(store, [str(write(tmp_path / "again.log", tsv(again)))])
    assert summary.total("rows_duplicate") == 30
    assert states(store) == {DAY: ARCHIVED, NEXT: ARCHIVED}


def test_an_unload_makes_its_days_stale_and_an_empty_day_is_exported_too(
    store: Store, loaded: Path, query: Query
) -> None:
    run_export(store)
    pipeline.unload(store, [str(loaded)])
    assert states(store) == {DAY: STALE, NEXT: STALE}
    assert run_export(store) == {DAY: 0, NEXT: 0}
    assert count(query) == {}
    assert check.verify(store) == []


def test_a_replaced_file_makes_its_days_stale(store: Store, loaded: Path) -> None:
    run_export(store)
    write(loaded, json_lines([flow(n, service="other") for n in range(30)]))
    pipeline.ingest(store, [str(loaded)], replace=True)
    assert states(store) == {DAY: STALE, NEXT: STALE}


@pytest.mark.usefixtures("loaded")
def test_rows_of_a_dropped_day_are_expired_until_it_is_restored_and_the_lines_replayed(
    store: Store, ask: Ask, faults: Faults, tmp_path: Path
) -> None:
    run_export(store)
    drop(store, DAY)
    late = pipeline.ingest(store, [str(write(tmp_path / "late.log", tsv([flow(500), flow(501)])))])
    assert late.total("rows_quarantined") == 2
    assert ask("SELECT DISTINCT rule, state FROM etl.quarantine") == [("expired", "open")]
    restore(store, DAY, keep=WEEK)
    done = replay.replay(store, QuarantineFilter(rule="expired"), actor="a test", why="the day is back")
    assert done.outcomes == {"published": 2}
    assert states(store)[DAY] == STALE
    assert run_export(store) == {DAY: 42}
    assert faults() == []


@pytest.mark.usefixtures("loaded")
def test_a_file_that_was_unloaded_since_stays_away(store: Store, faults: Faults, tmp_path: Path) -> None:
    other = write(tmp_path / "other.log", tsv([flow(600), flow(601)]))
    pipeline.ingest(store, [str(other)])
    run_export(store)
    drop(store, DAY)
    pipeline.unload(store, [str(other)])
    assert states(store)[DAY] == ("stale", True)
    back = restore(store, DAY, keep=WEEK)
    assert (back.rows, back.left_out) == (40, 2)
    maintenance.refresh(store)
    assert faults() == []
    assert run_export(store) == {DAY: 40}


@pytest.mark.usefixtures("loaded")
def test_retention_leaves_days_that_are_not_archived_and_restored_ones(store: Store) -> None:
    keeping = Store(
        url=store.url, engine=store.engine, settings=store.settings.model_copy(update={"keep_days": 1})
    )
    assert maintenance.expiring(keeping) == {}
    assert maintenance.held_back(keeping) == {DAY: "it is not archived", NEXT: "it is not archived"}
    run_export(keeping, [DAY])
    assert list(maintenance.expiring(keeping)) == [DAY]
    drop(keeping, DAY)
    restore(keeping, DAY, keep=WEEK)
    assert "it was restored" in maintenance.held_back(keeping)[DAY]
    drop(keeping, DAY)  # somebody who names it means it
    assert states(keeping)[DAY] == ("archived", True)
    with pytest.raises(Misuse, match="it is not archived"):
        drop(keeping, NEXT)


@pytest.mark.usefixtures("loaded")
@pytest.mark.parametrize("again", ["export", "restore"])
def test_where_the_rows_are_decides_what_can_be_done(store: Store, again: str) -> None:
    run_export(store)
    if again == "restore":
        with pytest.raises(Misuse, match="retention did not drop"):
            restore(store, DAY, keep=WEEK)
        return
    drop(store, DAY)
    with pytest.raises(Misuse, match="archive restore 2026-03-01"):
        run_export(store, [DAY])


@pytest.mark.usefixtures("loaded")
def test_without_an_archive_retention_is_as_before(store: Store) -> None:
    plain = Store(url=store.url, engine=store.engine, settings=Settings())
    with pytest.raises(EnvironmentProblem, match="CONN_ETL_ARCHIVE_URL"):
        run_export(plain)
    drop(plain, DAY)


@pytest.mark.usefixtures("loaded")
def test_files_that_nothing_needs_go_after_the_grace_time(store: Store) -> None:
    run_export(store)
    folder = Path(path_of(open_table(store).table.location())) / "data"
    orphan = folder / f"day={DAY}" / "interrupted" / "00000.parquet"
    orphan.parent.mkdir()
    orphan.write_bytes(b"half a file")
    old = next((folder / f"day={DAY}").glob("2*/*.parquet"))
    run_export(store, [DAY])
    assert cleanup.cleanup(store) == []
    for path in (orphan, old):
        os.utime(path, (0, 0))
    assert cleanup.cleanup(store) == [str(orphan)]  # a snapshot of the last day still has the other one
    impatient = Store(
        url=store.url,
        engine=store.engine,
        settings=store.settings.model_copy(update={"archive_grace": timedelta(0)}),
    )
    assert str(old) in cleanup.cleanup(impatient)
    assert check.verify(store) == []


# --- damage ----------------------------------------------------------------------------------------------------------


def rewrite(path: Path, column: str, value: Any) -> None:
    """One value of a file is another one; all else is as it was."""
    frame = pl.read_parquet(path)
    changed = frame[column].to_list()
    changed[3] = value(changed[3])
    series = pl.Series(column, changed, dtype=frame.schema[column])
    frame.with_columns(series).write_parquet(path, compression="zstd", row_group_size=7)


CHANGES: dict[str, Any] = {
    "timestamptz": lambda time: time + timedelta(microseconds=1),
    "inet": lambda _: "10.9.9.9",
    "bigint": lambda number: (number or 0) + 1,
    "integer": lambda number: (number or 0) + 1,
    "double precision": lambda number: (number or 0.0) + 2.0**-40,
    "boolean": lambda value: not value,
    "text": lambda text: "x" * len(text or "x"),
}


@pytest.mark.usefixtures("loaded")
def test_one_changed_value_of_any_column_is_found_and_named(store: Store) -> None:
    run_export(store)
    (file,) = open_table(store).day_files([DAY])[DAY]
    path = Path(path_of(file.file_path))
    original = path.read_bytes()
    for column, pg_type in layout.TYPES.items():
        path.write_bytes(original)
        rewrite(path, column, CHANGES[pg_type])
        (fault,) = check.verify(store, [DAY])
        assert (fault.day, fault.what.partition(":")[0]) == (DAY, f"column {column}")
    assert states(store)[DAY] == ("faulty", False)
    with pytest.raises(Misuse, match="its archive is faulty"):
        drop(store, DAY)
    assert run_export(store, [DAY]) == {DAY: 40}
    assert check.verify(store) == []


@pytest.mark.usefixtures("loaded")
def test_null_and_an_empty_text_are_two_things(store: Store) -> None:
    run_export(store)
    (file,) = open_table(store).day_files([DAY])[DAY]
    rewrite(Path(path_of(file.file_path)), "zeek_connection_tunnel_parents", lambda _: "")
    (fault,) = check.verify(store)
    assert fault.what == "column zeek_connection_tunnel_parents: 1 values instead of 0"


@pytest.mark.usefixtures("loaded")
def test_a_damaged_and_a_missing_file_are_named(store: Store) -> None:
    run_export(store)
    (first,) = open_table(store).day_files([DAY])[DAY]
    (second,) = open_table(store).day_files([NEXT])[NEXT]
    damaged = Path(path_of(first.file_path))
    content = bytearray(damaged.read_bytes())
    content[40] ^= 0xFF
    damaged.write_bytes(content)
    Path(path_of(second.file_path)).unlink()
    found = {fault.day: fault.what for fault in check.verify(store)}
    assert found[DAY].startswith("column @timestamp")
    assert found[NEXT] == "the file is missing"
    assert restored_is_refused(store)


def restored_is_refused(store: Store) -> bool:
    """A damaged file brings nothing back: the day stays dropped."""
    plain = Store(url=store.url, engine=store.engine, settings=Settings())
    drop(plain, NEXT)
    with pytest.raises(Exception, match=r"cannot be reached|hold"):
        restore(store, NEXT, keep=WEEK)
    return states(store)[NEXT][1]


# --- accounting ------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("loaded")
def test_status_report_and_metrics_count_both_tiers(store: Store, command: Command) -> None:
    run_export(store)
    drop(store, DAY)
    (archived,) = json.loads(command("status", "--json").stdout)["archive"]
    assert (archived["state"], archived["days"], archived["dropped_days"], archived["rows"]) == (
        "archived",
        2,
        1,
        45,
    )
    text = command("metrics").stdout
    assert 'conn_etl_archive_days{state="archived"} 2.0' in text
    assert 'conn_etl_archive_dropped_rows{state="archived"} 40.0' in text
    assert 'conn_etl_archive_days{state="stale"} 0.0' in text
    (reported,) = json.loads(command("report", "--json").stdout)["archive"]
    assert (reported["days"], reported["rows"]) == (2, 45)


@pytest.mark.usefixtures("loaded")
def test_verify_misses_rows_of_a_dropped_day_that_the_archive_does_not_hold(
    store: Store, faults: Faults, ask: Ask
) -> None:
    run_export(store)
    drop(store, DAY)
    assert faults() == []
    ask("UPDATE etl.archive_file SET sources = jsonb_build_object('1', 39) WHERE day = '2026-03-01'")
    (fault,) = faults()
    assert fault.what == "retention dropped 40 of its rows of 2026-03-01, the archive holds 39"
    ask("UPDATE etl.archive_file SET sources = '{}' WHERE day = '2026-03-01'")
    assert [fault.what[-19:] for fault in faults()] == ["the archive holds 0"]


@pytest.mark.usefixtures("loaded")
def test_the_verbs_of_the_command(store: Store, command: Command) -> None:
    here = {"CONN_ETL_ARCHIVE_URL": str(store.settings.archive_url), "CONN_ETL_KEEP_DAYS": "1"}
    exported = json.loads(command("archive", "export", "--json", **here).stdout)["exported"]
    assert [(day["day"], day["rows"]) for day in exported] == [("2026-03-01", 40), ("2026-03-02", 5)]
    assert command("archive", "export", **here).stdout == "Nothing to export.\n"
    paths = command("archive", "paths", "--since", "2026-03-02", **here).stdout.split()
    assert paths == exported[1]["files"]
    assert command("archive", "verify", "2026-03-01", **here).returncode == 0
    dropped = json.loads(command("archive", "drop-expired", "--yes", "--json", **here).stdout)
    assert dropped == {"dropped": ["2026-03-01", "2026-03-02"], "held_back": {}}
    asked = ("archive", "query", "top_talkers", "--since", "2026-03-01", "--until", "2026-03-03", "--json")
    assert len(json.loads(command(*asked, **here).stdout)["rows"]) == 20
    restored = json.loads(command("archive", "restore", "2026-03-01", "--json", **here).stdout)
    assert (restored["rows"], restored["left_out"]) == (40, 0)
    listed = json.loads(command("archive", "list", "--json", **here).stdout)["days"]
    assert [(day["state"], day["dropped"]) for day in listed] == [("archived", False), ("archived", True)]
    none = command("archive", "list")
    assert (none.returncode, "set CONN_ETL_ARCHIVE_URL" in none.stderr) == (2, True)

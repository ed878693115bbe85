"""500 old files by conn_backfill with the hourly DAG beside it: how much later the hourly run is, stop and go on."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from etl.database.store import Store
from etl.monitoring import run_summary
from etl.settings import Settings
from tests.chaos.crowd import ROWS, tree
from tests.chaos.oracle import difference
from tests.dags.conftest import ask
from tests.logs import flows, tsv, write
from tests.system.airflow import Stack, until

FILES = 500
pytestmark = [pytest.mark.system, pytest.mark.timeout(1500)]


def test_old_logs_do_not_starve_the_hourly_run_and_a_stopped_run_goes_on(stack: Stack) -> None:
    old = tree(stack.home / "zeek" / "old", FILES)
    until(lambda: stack.ask("GET", "/api/v2/dags")["total_entries"] == 4, 120)
    stack.ask("PATCH", "/api/v2/dags/conn_ingest", {"is_paused": False})
    until(lambda: not running(stack, "conn_ingest"), 240)
    hourly = [write_hour(stack, 10)]
    alone = stack.ended("conn_ingest", stack.trigger("conn_ingest"))

    begin = time.monotonic()
    first = stack.trigger("conn_backfill", path=str(stack.home / "zeek" / "old"))
    until(lambda: published(stack), 240)
    hourly.append(write_hour(stack, 11))
    beside = stack.ended("conn_ingest", stack.trigger("conn_ingest"))
    meanwhile = published(stack)
    assert stack.run("conn_backfill", first)["state"] == "running"
    stack.ask("PATCH", f"/api/v2/dags/conn_backfill/dagRuns/{first}", {"state": "failed"})
    until(lambda: not running(stack, "conn_backfill"), 60)
    stopped = published(stack)
    # A stopped run's task ends some seconds after it; what that works on until then is left for one more run.
    further = [go_on(stack)]
    if published(stack) < FILES:
        further.append(go_on(stack))
    took = time.monotonic() - begin

    print(
        f"\nhourly run alone {stack.seconds(alone):.1f} s, beside the backfill {stack.seconds(beside):.1f} s"
    )
    print(
        f"backfill: {meanwhile} of {FILES} files when the hourly run had ended, {stopped} when it was stopped"
    )
    print(f"all {FILES} files ({FILES * ROWS:,} rows) after {took:.0f} s, in {1 + len(further)} runs")
    assert [alone["state"], beside["state"]] == ["success", "success"]
    assert 0 < stopped < FILES
    assert published(stack) == FILES
    assert difference(stack.url, [*old, *hourly, *others(stack, [*old, *hourly])]) is None
    assert sum(further) == FILES - stopped


def go_on(stack: Stack) -> int:
    """Run the backfill again to its good end; how many files it did, by its own account of all that it claimed."""
    before = published(stack)
    run_id = stack.trigger("conn_backfill", path=str(stack.home / "zeek" / "old"))
    assert stack.ended("conn_backfill", run_id, 900)["state"] == "success"
    done = published(stack) - before
    assert progress(stack, run_id).startswith(f"{done:,} of {done:,} files")
    return done


def write_hour(stack: Stack, hour: int) -> Path:
    rows = flows(200, hour * 100_000)
    return write(stack.logs / "2026-03-02" / f"conn.{hour}:00:00-{hour + 1}:00:00.log.gz", tsv(rows))


def published(stack: Stack) -> int:
    query = "SELECT count(*) FROM etl.file WHERE path LIKE %s AND state = 'published'"
    return int(ask(stack.url, query, f"{stack.home}/zeek/old/%")[0][0])


def others(stack: Stack, known: list[Path]) -> list[Path]:
    """What other tests have loaded into this stack."""
    paths = [Path(path) for (path,) in ask(stack.url, "SELECT path FROM etl.file ORDER BY etl_file_id")]
    return [path for path in paths if path not in known]


def running(stack: Stack, dag_id: str) -> int:
    runs = stack.ask("GET", f"/api/v2/dags/{dag_id}/dagRuns")["dag_runs"]
    return sum(run["state"] in {"queued", "running"} for run in runs)


def progress(stack: Stack, run_id: str) -> str:
    with Store.open(stack.url, Settings()).session() as connection:
        return run_summary.progress(connection, run_id)

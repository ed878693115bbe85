"""A DAG run that was stopped by hand keeps nothing from the next run of its DAG; how far a run is, in a sentence."""

from __future__ import annotations

from pathlib import Path

import pytest

from etl import pipeline
from etl.database.store import Store
from etl.monitoring import run_summary
from tests.logs import flows, tsv, write


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for hour in (8, 9):
        write(
            tmp_path / "2026-03-01" / f"conn.{hour:02}:00:00-{hour + 1:02}:00:00.log",
            tsv(flows(20, hour * 100)),
        )
    return tmp_path


def start(store: Store, run_id: str, dag: str, folder: Path) -> list[int]:
    pipeline.begin(store, run_id, "dag", {"dag": dag})
    return pipeline.discover(store, run_id, [str(folder)])


def test_the_next_run_of_a_dag_takes_what_a_stopped_one_had_and_another_dag_does_not(
    store: Store, folder: Path
) -> None:
    assert len(start(store, "stopped", "conn_backfill", folder)) == 1
    assert start(store, "hourly", "conn_ingest", folder) == []
    (batch,) = start(store, "next", "conn_backfill", folder)
    assert pipeline.publish(store, batch)["rows_loaded"] == 40


def test_progress_rate_and_time_left(store: Store, folder: Path) -> None:
    store = Store(
        url=store.url, engine=store.engine, settings=store.settings.model_copy(update={"batch_files": 1})
    )
    first, second = start(store, "run", "conn_backfill", folder)
    pipeline.publish(store, first)
    with store.session() as connection:
        half = run_summary.progress(connection, "run")
    assert half.startswith("1 of 2 files, 3 of 6 KiB, 20 rows loaded; "), half
    assert "KiB/s, time left 0:0" in half
    pipeline.publish(store, second)
    with store.session() as connection:
        assert run_summary.progress(connection, "run").startswith("2 of 2 files")
        assert run_summary.progress(connection, "run").endswith("time left 0:00:00")
        assert run_summary.progress(connection, "nobody") == "nothing to do"

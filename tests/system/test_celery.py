"""Past one process: a backlog over two Celery workers, one of them killed in the middle, each row there once."""

from __future__ import annotations

import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

import pytest

from tests.chaos.crowd import ROWS, tree
from tests.chaos.oracle import difference
from tests.dags.conftest import ask
from tests.system.airflow import until
from tests.system.crew import SLOTS, Crew, crew

FILES, A_BATCH = 240, 30
pytestmark = [
    pytest.mark.system,
    pytest.mark.timeout(1200),
    pytest.mark.skipif(
        shutil.which("redis-server") is None, reason="no redis-server: apt-get install redis-server"
    ),
]
STATE = "SELECT state, extract(epoch FROM end_date - start_date) FROM dag_run WHERE dag_id = 'conn_ingest'"
RUNNING = (
    "SELECT count(*) FROM task_instance WHERE state = 'running' AND hostname = %s AND task_id LIKE 'batch.%%'"
)
OPEN = "SELECT task_id, map_index, state, hostname FROM task_instance WHERE state IS DISTINCT FROM 'success'"
TRIES = "SELECT task_id, map_index, try_number FROM task_instance WHERE try_number > 1 ORDER BY 1, 2"


def test_a_backlog_over_two_workers_one_of_them_killed() -> None:
    home = Path(tempfile.mkdtemp(prefix="conn-etl-celery-"))
    home.chmod(0o755)
    paths = tree(home / "zeek", FILES)
    settings = {"CONN_ETL_BATCH_FILES": str(A_BATCH), "CONN_ETL_SETTLE_AFTER": "PT0S"}
    try:
        with crew(home, home / "zeek", **settings) as started:
            for name in ("w1", "w2"):
                started.worker(name)
            until(lambda: ask(started.metadata, "SELECT 1 FROM dag WHERE dag_id = 'conn_ingest'"), 120)
            started.airflow(
                "dags", "unpause", "conn_ingest"
            )  # the run of the hour that is over takes the backlog
            begin = time.monotonic()
            until(lambda: len(started.batches()) == 2 and ask(started.metadata, RUNNING, "w2")[0][0], 300)
            before, published = started.batches(), started.files()
            killed = started.kill("w2")
            at = time.monotonic() - begin
            ((state, seconds),) = _ended(started)
            after, again = started.batches(), ask(started.metadata, TRIES)

            print(
                f"\n{FILES} files of {ROWS} rows in {FILES // A_BATCH} batches, {SLOTS} slots a worker: {seconds:.0f} s"
            )
            print(f"after {at:.0f} s and {published} files w2 ({killed} processes) was killed")
            for name in ("w1", "w2"):
                done = len(before.get(name, ())) * A_BATCH, len(after.get(name, ())) * A_BATCH
                print(f"{name}: {done[0]} files before the kill, {done[1]} in all")
            print(
                f"done again: {', '.join(f'{task}[{index}] (try {tries})' for task, index, tries in again)}"
            )
            assert state == "success"
            assert killed >= SLOTS
            assert {"w1", "w2"} <= set(before)
            assert before["w2"] <= after["w2"]
            assert again
            assert started.files() == FILES
            assert difference(started.url, paths) is None
            assert ask(started.url, "SELECT count(*) FROM pg_class WHERE relname LIKE 'stage%%'") == [(0,)]
            print(
                f"{ask(started.url, 'SELECT count(*) FROM zeek.conn')[0][0]:,} rows, each as in the files, once"
            )
    finally:
        shutil.rmtree(home)


def _ended(started: Crew) -> list[tuple[Any, ...]]:
    """State and seconds of the run once it is over."""
    try:
        return until(lambda: [row for row in ask(started.metadata, STATE) if row[1]], 600)
    except AssertionError as late:
        late.add_note(f"not done: {ask(started.metadata, OPEN)}")
        raise

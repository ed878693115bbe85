"""What killed processes leave behind does not stand in the way of the next run."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from etl import pipeline
from etl.database.store import Store
from etl.loading.batch import Batch
from tests.logs import flows, tsv, write


def test_staging_can_be_dropped_while_another_sessions_views_hold_it(
    store: Store, ask: Callable[..., list[tuple[Any, ...]]], tmp_path: Path
) -> None:
    """As after a crash of the server: temporary views of sessions that are no more stay in the catalog."""
    folder = tmp_path / "2026-03-01"
    write(folder / "conn.08:00:00-09:00:00.log", tsv(flows(5)))
    pipeline.begin(store, "dead", "command", {})
    (batch_id,) = pipeline.discover(store, "dead", [str(folder)])
    pipeline.stage(store, batch_id)
    with store.loading() as dead:
        with Batch(batch_id=batch_id, connection=dead).bound():
            pass
        assert pipeline.ingest(store, [str(folder)]).total("rows_loaded") == 5
    assert ask(r"SELECT relname FROM pg_class WHERE relname LIKE 'stage\_%'") == []


def test_leftovers_that_somebody_reads_stop_no_load_and_go_later(
    store: Store, ask: Callable[..., list[tuple[Any, ...]]], tmp_path: Path
) -> None:
    """A dump holds each table that it found for as long as it takes."""
    staging = r"SELECT relname FROM pg_class WHERE relname LIKE 'stage\_%' AND relkind = 'r' ORDER BY relname"
    folder = tmp_path / "2026-03-01"
    write(folder / "conn.08:00:00-09:00:00.log", tsv(flows(5)))
    pipeline.begin(store, "dead", "command", {})
    (batch_id,) = pipeline.discover(store, "dead", [str(folder)])
    pipeline.stage(store, batch_id)
    left = ask(staging)
    with store.engine.connect() as dump:
        for (name,) in left:
            dump.exec_driver_sql(f"LOCK TABLE etl.{name} IN ACCESS SHARE MODE")
        begin = time.monotonic()
        assert pipeline.ingest(store, [str(folder)]).total("rows_loaded") == 5
        assert time.monotonic() - begin < 25  # lock_timeout is 30 s
        assert ask(staging) == left
    assert pipeline.ingest(store, [str(folder)]).became_bad == []
    assert ask(staging) == []


def test_publish_does_not_wait_for_a_reader_of_its_own_staging(
    store: Store, ask: Callable[..., list[tuple[Any, ...]]], tmp_path: Path
) -> None:
    folder = tmp_path / "2026-03-01"
    write(folder / "conn.08:00:00-09:00:00.log", tsv(flows(5)))
    pipeline.begin(store, "run", "dag", {})
    (batch_id,) = pipeline.discover(store, "run", [str(folder)])
    pipeline.stage(store, batch_id)
    pipeline.validate(store, batch_id)
    with store.engine.connect() as dump:
        dump.exec_driver_sql(f"LOCK TABLE etl.stage_{batch_id} IN ACCESS SHARE MODE")
        begin = time.monotonic()
        assert pipeline.publish(store, batch_id)["rows_loaded"] == 5
        assert time.monotonic() - begin < 25
    assert ask("SELECT state FROM etl.file") == [("published",)]
    pipeline.end(store, "run")
    assert ask(r"SELECT relname FROM pg_class WHERE relname LIKE 'stage\_%'") == []

"""What killed processes leave behind does not stand in the way of the next run."""

from __future__ import annotations

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

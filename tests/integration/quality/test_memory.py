"""A process that loads batch after batch does not grow: Great Expectations keeps nothing of a batch that is judged."""

from __future__ import annotations

import gc
from pathlib import Path

from etl import pipeline
from etl.database.store import Store
from etl.settings import Settings
from tests.logs import flows, tsv, write

KNOWN_GROWTH = 30
"""Objects that may stay of a batch; 0 stay. It was 1,900 and half a megabyte while the engine kept each batch."""


def test_objects_of_a_batch_go_with_it(database_url: str, tmp_path: Path) -> None:
    store = Store.open(database_url, Settings())
    _load(store, tmp_path, range(6))  # first times: imports, caches that have an end
    before = _objects()
    _load(store, tmp_path, range(6, 12))
    assert (_objects() - before) / 6 < KNOWN_GROWTH


def _load(store: Store, folder: Path, numbers: range) -> None:
    for number in numbers:
        path = write(folder / f"{number}.log", tsv(flows(5, number * 10)))
        (result,) = pipeline.ingest(store, [str(path)]).results
        assert result.rows_loaded == 5


def _objects() -> int:
    gc.collect()
    return len(gc.get_objects())

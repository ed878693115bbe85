"""Memory of one process that loads batch after batch: ``make bench ARGS="memory --batches 400"``.

Each batch is one small log of its own hour, with a row that a rule refuses and a line that cannot be read. What is
still growing after the first hundred batches would not stop.
"""

from __future__ import annotations

import gc
import os
import tempfile
from pathlib import Path

import psutil

from benchmarks import results
from benchmarks.server import database, server
from etl import pipeline
from etl.database.store import Store
from etl.settings import Settings
from tests.logs import flows, tsv, write

SHOWN = 50
FIRST = 10
"""The first figure is of so many batches: by then all is imported."""
BAD = 2


def main(arguments: list[str] | None = None) -> None:
    """Print the resident memory after 10 and after every 50 batches; ``--json`` writes it too."""
    parser = results.parser(__doc__)
    parser.add_argument("--batches", type=int, default=400)
    parser.add_argument("--rows", type=int, default=200)
    chosen = parser.parse_args(arguments)
    with server() as home, tempfile.TemporaryDirectory() as folder:
        sizes = load(database(home, "memory"), Path(folder), chosen.batches, chosen.rows)
    results.save(chosen.json, "memory", arguments, {"rows": chosen.rows, "resident_mib": sizes})


def load(url: str, folder: Path, batches: int, rows: int, shown: int = SHOWN) -> dict[int, float]:
    """Load so many batches, each by a call of its own; resident memory [MiB] after each ``shown`` of them."""
    store = Store.open(url, Settings())
    sizes: dict[int, float] = {}
    for number in range(1, batches + 1):
        bad = tsv(flows(1, (batches + number) * rows, conn_state="??")) + b"broken\n"
        path = write(folder / f"{number}.log", tsv(flows(rows, number * rows)) + bad)
        (result,) = pipeline.ingest(store, [str(path)]).results
        if (result.rows_loaded, result.rows_quarantined) != (rows, BAD):
            raise SystemExit(f"{result.rows_loaded} rows of {rows} loaded: {result.reason}")
        path.unlink()
        if number == FIRST or number % shown == 0:
            gc.collect()
            sizes[number] = psutil.Process(os.getpid()).memory_info().rss / (1 << 20)
            objects = len(gc.get_objects()) + gc.get_freeze_count()
            print(
                f"{number:5d} batches  {sizes[number]:7.1f} MiB  {objects:,} objects",
                flush=True,
            )
    return sizes


if __name__ == "__main__":
    main()

"""The report with both halves over one day of many made-up rows: seconds, size, and addresses outside of it.

``python -m benchmarks.report --rows 10000000``; needs about 500 bytes of disk a row.
"""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime, timedelta
from typing import Any

from benchmarks import results
from benchmarks.history import FIRST, fill, vacuum
from benchmarks.server import database, server
from etl import report
from etl.database.store import Store
from etl.history import maintenance
from etl.settings import Settings


def main(arguments: list[str] | None = None) -> None:
    """Measure and print; ``--json`` writes the figures too."""
    parser = results.parser(__doc__)
    parser.add_argument("--rows", type=int, default=10_000_000)
    chosen = parser.parse_args(arguments)
    with server() as home:
        store = Store.open(database(home, "report"), Settings())
        fill(store, chosen.rows, 1)
        vacuum(store, 1)
        figures = {"rows just loaded": measured(store)}
        maintenance.refresh(store)
        maintenance.seal(store)
        figures["rolled up and sealed"] = measured(store)
    results.save(chosen.json, "report", arguments, figures)


def measured(store: Store) -> dict[str, Any]:
    """One report of the day."""
    begin = datetime.combine(FIRST, datetime.min.time(), UTC)
    begun = time.monotonic()
    with store.session() as connection:
        made = report.build(connection, begin, begin + timedelta(days=1))
    took = time.monotonic() - begun
    outside = re.findall(r"""(?:src|href)=["'](?:https?:)?//""", made.html)
    size = len(made.html.encode())
    print(f"{took:.1f} s, {size / 1e6:.2f} MB, {len(outside)} links to other hosts", flush=True)
    return {"seconds": took, "bytes": size, "outside": len(outside)}


if __name__ == "__main__":
    main()

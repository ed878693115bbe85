"""One load in a process of its own, as the command does it: prints its times and its peak memory as JSON.

``import_seconds`` is the import of everything, Great Expectations among it, before ``load_seconds`` starts;
with ``--whole`` nothing is imported first and Great Expectations is imported while rows stream, as the command does.
Processor and wall seconds are also told by step: a step begins when the loading session shows its name.
"""

from __future__ import annotations

import itertools
import json
import os
import re
import resource
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any


def main() -> None:
    """``python -m benchmarks.child [--whole] PATH…``, the database in CONN_ETL_DATABASE_URL."""
    whole = sys.argv[1] == "--whole"
    paths = sys.argv[2:] if whole else sys.argv[1:]
    begin = time.monotonic()
    from etl import pipeline
    from etl.database import engine
    from etl.database.store import Store
    from etl.quality import gx
    from etl.settings import Settings

    if whole:
        threading.Thread(target=gx.load, daemon=True).start()
    else:
        import etl.mapping.values
        import etl.reader.files  # noqa: F401

        gx.load()
    imported = time.monotonic()
    store = Store.open(os.environ["CONN_ETL_DATABASE_URL"], Settings())
    marks = [("before", imported, time.process_time())]
    engine.label = _noted(engine.label, marks)
    summary = pipeline.ingest(store, paths)
    done = time.monotonic()
    marks.append(("after", done, time.process_time()))
    used = resource.getrusage(resource.RUSAGE_SELF)
    print(
        json.dumps(
            {
                "import_seconds": imported - begin,
                "load_seconds": done - (begin if whole else imported),
                "peak_mib": peak_mib(),
                "cpu_seconds": used.ru_utime + used.ru_stime,
                "step_seconds": _by_step(marks, 1),
                "step_cpu_seconds": _by_step(marks, 2),
                **{term: summary.total(term) for term in pipeline.TERMS},
            }
        )
    )


def peak_mib() -> float:
    """Peak of this program. Not ru_maxrss, which begins at the size of the process that started this one."""
    status = Path("/proc/self/status").read_text()
    return int(re.search(r"^VmHWM:\s+(\d+)", status, re.MULTILINE)[1]) / 1024  # type: ignore[index]


def _noted(label: Callable[..., None], marks: list[Any]) -> Callable[..., None]:
    """The same, and the moment noted; speculative publishing has a second session and thread, and is no step here."""

    def noted(connection: Any, step: str, batch_id: int) -> None:
        if threading.current_thread() is threading.main_thread():
            marks.append((step, time.monotonic(), time.process_time()))
        label(connection, step, batch_id)

    return noted


def _by_step(marks: list[Any], clock: int) -> dict[str, float]:
    found: dict[str, float] = {}
    for mark, following in itertools.pairwise(marks):
        found[mark[0]] = found.get(mark[0], 0) + following[clock] - mark[clock]
    return found


if __name__ == "__main__":
    main()

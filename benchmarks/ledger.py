"""A ledger of a million files: how long ``status``, ``metrics`` and ``report`` take, and what ``verify`` needs.

The ledger is filled by SQL, with runs, results of rules and quarantine; ``zeek.conn`` is empty, so that to ``verify``
every file is wrong.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks import results
from benchmarks.server import database, run, server

COMMAND = str(Path(sys.executable).with_name("conn-etl"))
LIMITS = {"status": 1.0, "metrics": 2.0, "report": 8.0}
"""Seconds that each may take, the start of Python left out."""
MEMORY_LIMIT = 500
"""MiB that `verify` may need."""
SENSORS = 20
_CHILD = """
import resource, sys, time
from etl.cli import main
import {modules}
start = time.monotonic()
try:
    main()
finally:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
    print(f"{{time.monotonic() - start:.3f}} {{peak}}", file=sys.stderr)
"""
VERBS: dict[str, tuple[list[str], str]] = {
    "status": (["status", "--json"], "sqlalchemy, psycopg2, alembic"),
    "metrics": (["metrics"], "sqlalchemy, psycopg2, alembic, prometheus_client, etl.monitoring.metrics"),
    "report": (["report"], "sqlalchemy, psycopg2, alembic, jinja2, altair, etl.report"),
    "verify": (["verify", "--json"], "sqlalchemy, psycopg2, alembic"),
}


def main(arguments: list[str] | None = None) -> None:
    """Measure and print; exit code 1 beyond a limit."""
    parser = results.parser(__doc__)
    parser.add_argument("--files", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    chosen = parser.parse_args(arguments)
    with server() as home, tempfile.TemporaryDirectory() as folder:
        url = database(home, "ledger")
        fill(url, chosen.files)
        figures = {"files": chosen.files, **measure(url, Path(folder), chosen.rounds)}
    results.save(chosen.json, "ledger", arguments, figures)
    if beyond := [name for name, limit in LIMITS.items() if figures[name]["seconds"] > limit]:
        raise SystemExit(f"beyond the limit: {', '.join(beyond)}")
    if figures["verify"]["peak_mib"] > MEMORY_LIMIT:
        raise SystemExit("verify needs too much memory")


def fill(url: str, files: int) -> None:
    """Fill the ledger; it is vacuumed as autovacuum leaves a table that grows slowly."""
    text = Path(__file__).with_suffix(".sql").read_text()
    start = time.monotonic()
    for word, number in (("{files}", files), ("{runs}", files // SENSORS + 1), ("{sensors}", SENSORS)):
        text = text.replace(word, str(number))
    run(url, text)
    for table in ("etl.file", "etl.run", "etl.quarantine", "etl.expectation_result"):
        run(url, f"VACUUM ANALYZE {table}")
    print(f"{files:,} files in the ledger after {time.monotonic() - start:.0f} s", flush=True)


def measure(url: str, folder: Path, rounds: int) -> dict[str, Any]:
    """Each verb: the least seconds of the rounds, and the memory of its process."""
    figures: dict[str, Any] = {}
    for name, (arguments, modules) in VERBS.items():
        times = [child(url, folder, arguments, modules) for _ in range(1 if name == "verify" else rounds)]
        figures[name] = {"seconds": min(t for t, _ in times), "peak_mib": max(peak for _, peak in times)}
        print(f"{name}: {figures[name]['seconds']:.2f} s, {figures[name]['peak_mib']} MiB", flush=True)
    return figures


def child(url: str, folder: Path, arguments: list[str], modules: str) -> tuple[float, int]:
    """One call in a process of its own: seconds once all is imported, and its peak [MiB]."""
    call = [sys.executable, "-c", _CHILD.format(modules=modules), *arguments]
    environment = os.environ | {"CONN_ETL_DATABASE_URL": url}
    done = subprocess.run(call, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if done.returncode not in (0, 1) or "Traceback" in done.stderr:
        raise SystemExit(f"{arguments[0]} ended with {done.returncode}: {done.stderr[-3000:]}")
    if arguments[0] == "verify" and not json.loads(done.stdout)["faults"]:
        raise SystemExit("verify found nothing wrong with files whose rows are not there")
    seconds, peak = done.stderr.split()[-2:]
    return float(seconds), int(peak)


if __name__ == "__main__":
    main()

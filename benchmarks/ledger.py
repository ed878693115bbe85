"""A ledger of a million files: how long ``status``, ``metrics`` and ``report`` take, and what ``verify`` needs.

The ledger is filled by SQL, with runs, results of rules and quarantine; ``zeek.conn`` is empty, so that to ``verify``
every file is wrong. Of each command it prints the seconds by the clock after all imports, for which the limits are,
those of the whole command, and the processor's seconds of command and server: on a busy machine these say more.
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

import psutil

from benchmarks import results
from benchmarks.server import database, run, server

COMMAND = str(Path(sys.executable).with_name("conn-etl"))
LIMITS = {"status": 1.0, "metrics": 2.0, "report": 8.0}
"""Seconds by the clock that each may take once all is imported."""
MEMORY_LIMIT = 500
"""MiB that `verify` may need."""
SENSORS = 20
SETTLED = 0.2
"""Seconds until the server has ended the session of a command that is over."""
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
        postmaster = int((home / "postgres/data/postmaster.pid").read_text().split("\n")[0])
        figures = {"files": chosen.files, **measure(url, postmaster, Path(folder), chosen.rounds)}
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


def measure(url: str, postmaster: int, folder: Path, rounds: int) -> dict[str, Any]:
    """Each verb: the least seconds of the rounds, and the most memory of its process."""
    figures: dict[str, Any] = {}
    for name, (arguments, modules) in VERBS.items():
        times = 1 if name == "verify" else rounds
        calls = [child(url, postmaster, folder, arguments, modules) for _ in range(times)]
        figures[name] = {key: min(call[key] for call in calls) for key in calls[0]}
        figures[name]["peak_mib"] = max(call["peak_mib"] for call in calls)
        print(name, ", ".join(f"{key} {value:.2f}" for key, value in figures[name].items()), flush=True)
    return figures


def child(url: str, postmaster: int, folder: Path, arguments: list[str], modules: str) -> dict[str, float]:
    """One call in a process of its own: seconds once all is imported, and of the whole; processor seconds; MiB."""
    call = [sys.executable, "-c", _CHILD.format(modules=modules), *arguments]
    environment = os.environ | {"CONN_ETL_DATABASE_URL": url}
    begin, used = time.monotonic(), processor(postmaster)
    done = subprocess.run(call, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    whole = time.monotonic() - begin
    if done.returncode not in (0, 1) or "Traceback" in done.stderr:
        raise SystemExit(f"{arguments[0]} ended with {done.returncode}: {done.stderr[-3000:]}")
    if arguments[0] == "verify" and not json.loads(done.stdout)["faults"]:
        raise SystemExit("verify found nothing wrong with files whose rows are not there")
    seconds, peak = done.stderr.split()[-2:]
    time.sleep(SETTLED)
    return {
        "seconds": float(seconds),
        "whole_seconds": whole,
        "processor_seconds": processor(postmaster) - used,
        "peak_mib": int(peak),
    }


def processor(postmaster: int) -> float:
    """Processor seconds of all commands that have ended, and of all sessions of this server, their workers too."""
    server_ = psutil.Process(postmaster)
    of_commands = psutil.Process().cpu_times()
    alive = sum(sum(child.cpu_times()[:2]) for child in server_.children(recursive=True))
    return alive + sum(server_.cpu_times()[:4]) + of_commands.children_user + of_commands.children_system


if __name__ == "__main__":
    main()

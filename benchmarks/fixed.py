"""Fixed costs: one DAG run over 24 small files by task, the command over one small file, and imports by module.

``python -m benchmarks.run fixed``.
"""

from __future__ import annotations

import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks import results
from benchmarks.dag import BIN, new_airflow, run
from benchmarks.server import database, server
from samples.writing import write_hours

IMPORTS = (
    "etl.cli.app",
    "etl.pipeline",
    "etl.mapping",
    "polars",
    "great_expectations",
    "airflow.sdk",
    "airflow",
)
DAG_LIMIT = 30.0


def main(arguments: list[str] | None = None) -> None:
    """Measure and print; ``--json`` writes the figures too."""
    parser = results.parser(__doc__)
    parser.add_argument("--files", type=int, default=24)
    parser.add_argument("--rows", type=int, default=400, help="rows of each file")
    parser.add_argument("--rounds", type=int, default=3)
    chosen = parser.parse_args(arguments)
    with server() as home, tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        logs = write_hours(
            Path(folder), hours=chosen.files, rows=chosen.rows, seed=7, formats=("tsv", "json"), gz=True
        )
        figures = {
            "files": chosen.files,
            "rows": chosen.files * chosen.rows,
            "dag": middle([dag(home, Path(folder)) for _ in range(chosen.rounds)]),
            "ingest_one_file": statistics.median(ingest(home, logs[0]) for _ in range(chosen.rounds)),
        }
    figures["imports"] = {name: imported(name, chosen.rounds) for name in IMPORTS}
    show(figures)
    results.save(chosen.json, "fixed", arguments, figures)


def dag(home: Path, folder: Path) -> dict[str, Any]:
    """One run of the DAG, in an Airflow and a database that hold nothing yet."""
    return run(new_airflow(home, database(home, "dag")), home, folder)


def middle(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """Medians."""
    return {
        "seconds": statistics.median(r["seconds"] for r in runs),
        "outside_tasks": statistics.median(r["outside_tasks"] for r in runs),
        "tasks": {
            name: statistics.median(r["tasks"].get(name, 0) for r in runs) for name in runs[0]["tasks"]
        },
    }


def ingest(home: Path, log: Path) -> float:
    """Seconds of the whole command over one small file."""
    env = os.environ | {"CONN_ETL_DATABASE_URL": database(home, "one")}
    begin = time.monotonic()
    subprocess.run([BIN / "conn-etl", "ingest", log], check=True, capture_output=True, env=env)
    return time.monotonic() - begin


def imported(name: str, rounds: int) -> dict[str, Any]:
    """Seconds of an import in a fresh Python, and the five dearest packages that it brings."""
    times, found = [], {}
    for _ in range(rounds):
        done = subprocess.run(
            [sys.executable, "-W", "ignore", "-X", "importtime", "-c", f"import {name}"],
            check=True,
            capture_output=True,
            text=True,
        )
        # "import time:   self [us] | cumulative | name", indented by depth
        lines = re.findall(r"^import time:\s+(\d+) \|\s+(\d+) \|\s+(\S+)$", done.stderr, re.MULTILINE)
        own: dict[str, float] = {}
        for self_us, _, module in lines:
            package = module.partition(".")[0]
            own[package] = own.get(package, 0) + int(self_us) / 1e6
        times.append(sum(own.values()))
        found = dict(sorted(own.items(), key=lambda item: -item[1])[:5])
    return {"seconds": statistics.median(times), "dearest": found}


def show(figures: dict[str, Any]) -> None:
    """The table."""
    dag = figures["dag"]
    within = "within" if dag["seconds"] <= DAG_LIMIT else "NOT within"
    print(
        f"airflow dags test conn_ingest over {figures['files']} files: "
        f"{dag['seconds']:.1f} s ({within} {DAG_LIMIT:.0f} s)"
    )
    for name, seconds in dag["tasks"].items():
        print(f"  {name:24}{seconds:8.2f} s")
    print(f"  {'outside of tasks':24}{dag['outside_tasks']:8.2f} s")
    print(f"conn-etl ingest of one small file: {figures['ingest_one_file']:.2f} s")
    for name, found in figures["imports"].items():
        dearest = ", ".join(f"{package} {seconds:.2f}" for package, seconds in found["dearest"].items())
        print(f"import {name:24}{found['seconds']:8.2f} s  ({dearest})")


if __name__ == "__main__":
    main()

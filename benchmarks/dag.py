"""The DAG's own path, task by task, beside the command: rows in one file and in hourly ones, and a run with no news.

``airflow dags test conn_ingest`` in an Airflow and a database that hold nothing yet, then once more over the same
files, which are known by then. ``python -m benchmarks.run dag --rows 1000000 --files 24``.
"""

from __future__ import annotations

import json
import os
import resource
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from benchmarks import results
from benchmarks.copying import rows_in
from benchmarks.server import database, server
from benchmarks.watch import Watch
from etl.database import embedded
from local.one_run import airflow_home, environment
from samples.writing import write_conn_log, write_hours

BIN = Path(sys.executable).parent
KNOWN_LIMIT = 15.0
LAST_RUN = "SELECT run_id FROM dag_run WHERE dag_id = 'conn_ingest' ORDER BY id DESC LIMIT 1"
TASKS = f"SELECT task_id, start_date, end_date FROM task_instance WHERE run_id = ({LAST_RUN})"  # noqa: S608  ours


def main(arguments: list[str] | None = None) -> None:
    """Measure and print; ``--json`` writes the figures too."""
    parser = results.parser(__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--files", type=int, default=24, help="hourly files that have as many rows together")
    chosen = parser.parse_args(arguments)
    figures: dict[str, Any] = {"rows": chosen.rows}
    with server() as home, tempfile.TemporaryDirectory() as folder:
        for name, logs in written(Path(folder), chosen.rows, chosen.files).items():
            figures[name] = compared(home, logs)
            show(name, figures[name])
    results.save(chosen.json, "dag", arguments, figures)


def written(folder: Path, rows: int, files: int) -> dict[str, Path]:
    """By name: a folder with one log, and one with hourly logs."""
    folder.chmod(0o755)
    (folder / "one").mkdir()
    write_conn_log(folder / "one" / "conn.00.00.00-01.00.00.log.gz", rows, 7, "json")
    write_hours(folder / "hours", hours=files, rows=rows // files, seed=7, formats=("tsv", "json"), gz=True)
    return {"1 file": folder / "one", f"{files} hourly files": folder / "hours"}


def compared(home: Path, logs: Path) -> dict[str, Any]:
    """The DAG, the DAG again over known files, and the command into another database."""
    env = new_airflow(home, database(home, "dag"))
    figures = {"dag": run(env, home, logs), "again": run(env, home, logs)}
    figures["command"] = command(home, logs)
    rows = {name: rows_in(embedded.url(home, name)) for name in ("dag", "command")}
    if len(set(rows.values())) > 1:
        raise SystemExit(f"rows in the tables differ: {rows}")
    return {"rows": rows["dag"], **figures}


def new_airflow(home: Path, url: str) -> dict[str, str]:
    """The environment of an Airflow without history, whose DAGs load into this database."""
    own = home / "airflow"
    airflow_home(own).mkdir(parents=True, exist_ok=True)
    (airflow_home(own) / "airflow.db").unlink(missing_ok=True)
    env = os.environ | environment(own, url) | {"CONN_ETL_SETTLE_AFTER": "PT0S"}
    airflow(env, "db", "migrate")
    airflow(env, "pools", "import", str(results.ROOT / "dags" / "pools.json"))
    return env


def run(env: dict[str, str], home: Path, folder: Path) -> dict[str, Any]:
    """``airflow dags test`` from start to end, by task; of mapped tasks the sum."""
    with measured(home) as figures:
        airflow(env, "dags", "test", "conn_ingest", "--conf", json.dumps({"path": str(folder)}))
    with sqlite3.connect(Path(env["AIRFLOW_HOME"]) / "airflow.db") as connection:
        rows = connection.execute(TASKS).fetchall()
    tasks: dict[str, float] = {}
    for name, started, ended in rows:
        if started and ended:
            took = datetime.fromisoformat(ended) - datetime.fromisoformat(started)
            tasks[name] = tasks.get(name, 0) + took.total_seconds()
    return {**figures, "tasks": tasks, "outside_tasks": figures["seconds"] - sum(tasks.values())}


def command(home: Path, logs: Path) -> dict[str, Any]:
    """``conn-etl ingest`` from start to end."""
    env = os.environ | {"CONN_ETL_DATABASE_URL": database(home, "command")}
    with measured(home) as figures:
        subprocess.run([BIN / "conn-etl", "ingest", logs], check=True, capture_output=True, env=env)
    return figures


@contextmanager
def measured(home: Path) -> Iterator[dict[str, float]]:
    """Seconds, and processor seconds of the programs that are started meanwhile and of PostgreSQL."""
    figures: dict[str, float] = {}
    before, begin = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    with Watch(url=embedded.url(home, "postgres")) as watch:
        yield figures
        figures["seconds"] = time.monotonic() - begin
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    figures["cpu_seconds"] = used.ru_utime + used.ru_stime - before.ru_utime - before.ru_stime
    figures["postgres_seconds"] = sum(watch.cpu_seconds.values())


def airflow(env: dict[str, str], *words: str) -> None:
    """One command of Airflow's."""
    done = subprocess.run([BIN / "airflow", *words], capture_output=True, text=True, env=env, check=False)
    if done.returncode:
        raise SystemExit(f"airflow {words[0]} ended with {done.returncode}: {done.stderr[-1000:]}")


def show(name: str, figures: dict[str, Any]) -> None:
    """Seconds of each task, and of the command."""
    print(f"\n{name}, {figures['rows']:,} rows{'':8}{'seconds':>10}{'CPU s':>8}{'PostgreSQL':>12}")
    for way, what in (("dag", "the DAG"), ("again", "the DAG, all known"), ("command", "conn-etl ingest")):
        f = figures[way]
        print(f"{what:30}{f['seconds']:10.1f}{f['cpu_seconds']:8.1f}{f['postgres_seconds']:12.1f}")
        for task, seconds in f.get("tasks", {}).items():
            print(f"  {task:28}{seconds:10.1f}")
        if "outside_tasks" in f:
            print(f"  {'outside of tasks':28}{f['outside_tasks']:10.1f}")
    within = "within" if figures["again"]["seconds"] <= KNOWN_LIMIT else "NOT within"
    print(f"a run over known files is {within} {KNOWN_LIMIT:.0f} s", flush=True)


if __name__ == "__main__":
    main()

"""One run of a DAG in this process: no scheduler, no web server, and all of Airflow's noise in a log file.

Airflow reads its configuration when it is first imported, and writes wherever it likes: so the environment is
set and the process's outputs are turned to the log before.
"""

from __future__ import annotations

import fcntl
import os
import signal
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import IO, Any

from etl.database.airflow import as_json
from local.quick import newest_api_only, prepare_tables, short_sleeps

REPOSITORY = Path(__file__).resolve().parents[1]


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """How the run ended: Airflow's state and run id, and name and error of each task that failed."""

    state: str
    run_id: str
    failures: tuple[tuple[str, str], ...]


def airflow_home(home: Path) -> Path:
    """Where this run's Airflow keeps its database and logs; nothing of it is shared with another Airflow."""
    return home / "airflow-run"


def log_file(home: Path) -> Path:
    """The log of the latest run."""
    return airflow_home(home) / "run.log"


def environment(home: Path, url: str) -> dict[str, str]:
    """All that Airflow needs to know; the rest is its defaults, never another Airflow's settings."""
    folder = airflow_home(home)
    return {
        "AIRFLOW_HOME": str(folder),
        "AIRFLOW__CORE__DAGS_FOLDER": str(REPOSITORY / "dags"),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(folder / "plugins"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{folder / 'airflow.db'}",
        "AIRFLOW__LOGGING__BASE_LOG_FOLDER": str(folder / "logs"),
        "AIRFLOW_CONN_CONN_POSTGRES": as_json(url),
        "GX_ANALYTICS_ENABLED": "false",
    }


def one_run(home: Path, url: str, conf: Mapping[str, Any], *, dag_id: str = "conn_ingest") -> Outcome:
    """Run the DAG once and wait for its end. Another process's run under the same home is waited for."""
    airflow_home(home).mkdir(parents=True, exist_ok=True, mode=0o700)
    airflow_home(home).chmod(0o700)  # also one that an older version made
    with (airflow_home(home) / "lock").open("a") as lock:
        _wait_for(lock)
        for name in [name for name in os.environ if name.startswith("AIRFLOW")]:
            del os.environ[name]
        os.environ.update(environment(home, url))
        with _quiet(log_file(home)) as terminal:
            return _run(dag_id, conf, terminal)


def _wait_for(lock: IO[str]) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        print("Another run is under way; this one begins when it has ended.", flush=True)
        fcntl.flock(lock, fcntl.LOCK_EX)


@contextmanager
def _quiet(log: Path) -> Iterator[IO[str]]:
    """Send this process's outputs to the log, also those of C code; yields what was standard output before."""
    sys.stdout.flush()
    sys.stderr.flush()
    kept = os.dup(1), os.dup(2)
    with log.open("w") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    try:
        with os.fdopen(os.dup(kept[0]), "w") as terminal:
            yield terminal
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        for number, descriptor in zip((1, 2), kept, strict=True):
            os.dup2(descriptor, number)
            os.close(descriptor)


def _run(dag_id: str, conf: Mapping[str, Any], terminal: IO[str]) -> Outcome:
    from airflow.dag_processing.dagbag import DagBag

    prepare_tables(Path(os.environ["AIRFLOW_HOME"]))
    newest_api_only()
    bag = DagBag(os.environ["AIRFLOW__CORE__DAGS_FOLDER"])
    if (dag := bag.dags.get(dag_id)) is None:
        raise RuntimeError(f"{dag_id} cannot be parsed: {bag.import_errors}")
    failures: list[tuple[str, str]] = []

    def begun(context: Mapping[str, Any]) -> None:
        _obey_signals(terminal)
        _show(terminal, f"  {context['ti'].task_id} …")

    def failed(context: Mapping[str, Any]) -> None:
        failures.append((context["ti"].task_id, str(context.get("exception"))))

    for task in dag.tasks:
        task.on_execute_callback = [begun]
        task.on_failure_callback = [failed]
        task.retry_delay = timedelta(seconds=1)  # somebody is waiting
    with short_sleeps():
        run = dag.test(run_conf=dict(conf))
    _show(terminal, "")
    return Outcome(state=str(run.state), run_id=run.run_id, failures=tuple(failures))


def _show(terminal: IO[str], text: str) -> None:
    """Replace the line that says what is going on; nothing in a file or a pipe."""
    if terminal.isatty():
        terminal.write(f"\r\x1b[K{text}")
        terminal.flush()


def _obey_signals(terminal: IO[str]) -> None:
    """End at once when told to: Airflow's task runner swallows SIGTERM, and takes Ctrl-C for a task's failure."""

    def stop(number: int, _: object) -> None:
        terminal.write("\nStopped; what was published stays, and the next run goes on from there.\n")
        terminal.flush()
        os._exit(128 + number)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)

"""The real Airflow, in a process of its own that lives as long as the session."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from etl.database.airflow import as_json

ROOT = Path(__file__).resolve().parents[2]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.dags)


def ask(url: str, query: str, *values: Any) -> list[tuple[Any, ...]]:
    """The rows of one query."""
    connection = psycopg2.connect(url)
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute(query, values or None)
            return cursor.fetchall() if cursor.description else []
    finally:
        connection.close()


@dataclass(frozen=True, kw_only=True, slots=True)
class Airflow:
    """Runs DAGs in the other process."""

    process: subprocess.Popen[str]
    log: Path

    def answer(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, f"Airflow's process ended:\n{self.log.read_text()[-4000:]}"
        found: dict[str, Any] = json.loads(line)
        return found

    def run(self, url: str, path: Path | None = None, **request: Any) -> Run:
        """One run on the database ``url``; ``conf`` has further params, the rest is as the driver says."""
        conf = {**request.pop("conf", {}), **({"path": str(path)} if path else {})}
        env = {"AIRFLOW_CONN_CONN_POSTGRES": as_json(url), **request.pop("env", {})}
        assert self.process.stdin is not None
        self.process.stdin.write(
            json.dumps({"dag_id": "conn_ingest", **request, "conf": conf, "env": env}) + "\n"
        )
        self.process.stdin.flush()
        return Run(url=url, **self.answer())


@dataclass(frozen=True, kw_only=True, slots=True)
class Run:
    """What became of one run."""

    url: str
    state: str = ""
    run_id: str = ""
    interval: Sequence[str] = ()
    tasks: dict[str, dict[str, Any]] = field(default_factory=dict)
    events: list[dict[str, Any]] = field(default_factory=list)
    lineage: list[dict[str, Any]] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    error: str | None = None

    def states(self, *names: str) -> list[str]:
        return [self.tasks[name]["state"] for name in names]


@pytest.fixture(scope="session")
def airflow() -> Iterator[Airflow]:
    home = Path(tempfile.mkdtemp(prefix="conn-etl-airflow-"))
    (home / "airflow-run").mkdir()
    with subprocess.Popen(
        [sys.executable, "-m", "tests.dags.driver", str(home)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    ) as process:
        driver = Airflow(process=process, log=home / "driver.log")
        assert driver.answer() == {
            "ready": ["conn_backfill", "conn_ingest", "conn_maintenance", "conn_quality"]
        }
        yield driver
        assert process.stdin is not None
        process.stdin.close()
        process.wait(30)
    shutil.rmtree(home)

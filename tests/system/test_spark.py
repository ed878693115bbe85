"""A distributed engine asks the archive: Spark with a master and two workers, of which one loses its executor.

Spark reads the files that ``conn-etl archive paths`` prints, and answers three questions as PostgreSQL does, in
the same SQL. While it works on the last one, an executor gets SIGKILL.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Generator, Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from etl import pipeline
from etl.archive import export
from etl.database.store import Store
from etl.history.days import listed
from etl.settings import Settings
from samples.writing import write_conn_log
from tests.system import spark, spark_driver

DAYS, ROWS = 12, 24_000
QUESTIONS = {
    "days": """SELECT CAST("@timestamp" AS date), count(*), count(src_bytes), sum(src_bytes), sum(dst_bytes)
               FROM {conn} GROUP BY 1""",
    "services": """SELECT network_application, network_connection_state, count(*), sum(src_packets + dst_packets)
                   FROM {conn} WHERE "@timestamp" >= TIMESTAMP '2026-03-05 00:00:00'
                   GROUP BY 1, 2""",
    "pairs": """SELECT count(*), sum(flows), sum(sent), max(flows) FROM (
                  SELECT src_ip_addr, dst_ip_addr, dst_port, count(*) AS flows, sum(src_bytes) AS sent
                  FROM {conn} GROUP BY src_ip_addr, dst_ip_addr, dst_port) AS pairs""",
}
pytestmark = [pytest.mark.system, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def python() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="conn-etl-spark-") as folder:
        yield spark.install(Path(folder) / "venv")


@pytest.fixture
def archive(database_url: str, tmp_path: Path) -> dict[str, str]:
    """Archived days; the environment of a command that asks for them."""
    write_conn_log(tmp_path / "conn.log", ROWS, 7, start=datetime(2026, 3, 1, tzinfo=UTC), hours=24 * DAYS)
    store = Store.open(database_url, Settings(attempts=1, archive_url=str(tmp_path / "archive")))
    pipeline.ingest(store, [str(tmp_path / "conn.log")])
    with store.session() as connection:
        days = [day.day for day in listed(connection)]
    assert len(list(export.export(store, days))) >= DAYS
    return {"CONN_ETL_DATABASE_URL": database_url, "CONN_ETL_ARCHIVE_URL": str(store.settings.archive_url)}


def from_postgresql(url: str, sql: str) -> list[list[Any]]:
    connection = psycopg2.connect(url, options="-c timezone=UTC")
    with connection, connection.cursor() as cursor:
        cursor.execute(sql.format(conn="zeek.conn"))
        rows = [list(row) for row in cursor]
    connection.close()
    return plain(rows)


def plain(rows: list[list[Any]]) -> list[list[Any]]:
    """In any order, and numbers of any type: as text."""
    return sorted([[None if value is None else str(value) for value in row] for row in rows], key=str)


def test_spark_answers_as_postgresql_does_also_when_an_executor_is_killed(
    python: Path, archive: dict[str, str], database_url: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    command = [Path(sys.executable).with_name("conn-etl"), "archive", "paths"]
    listed = subprocess.run(command, env=archive, capture_output=True, text=True, check=True)
    paths = listed.stdout.split()
    said = [f"{len(paths)} files of {ROWS:,} rows, from `conn-etl archive paths`"]
    with spark.cluster(python, tmp_path) as running, closing(drive(running, paths)) as events:
        said += [handled(running, event, database_url) for event in events]
    with request.config.pluginmanager.get_plugin("capturemanager").global_and_fixture_disabled():
        print("\n" + "\n".join(said))


def drive(running: spark.Cluster, paths: list[str]) -> Generator[dict[str, Any], None, None]:
    """Start the application, and give what it says."""
    questions = {name: sql.format(conn="conn") for name, sql in QUESTIONS.items()}
    with (running.folder / "driver.log").open("w+") as log:
        with subprocess.Popen(
            [running.python, spark_driver.__file__, running.url],
            env=running.environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True,
        ) as driver:  # fmt: skip
            assert driver.stdin
            assert driver.stdout
            with driver.stdin:
                json.dump({"paths": paths, "questions": questions}, driver.stdin)
            seen = []
            try:
                for line in driver.stdout:
                    event = json.loads(line)
                    seen.append(event["event"])
                    yield event
            except GeneratorExit:  # the test failed, so nobody would end it
                driver.kill()
                raise
        log.seek(0)
        expected = ["ready", "answer", "answer", "progress", "answer", "executors"]
        assert (driver.returncode, seen) == (0, expected), log.read()[-4000:]


def handled(running: spark.Cluster, event: dict[str, Any], database_url: str) -> str:
    """Look at what the application said, and tell it in words."""
    match event["event"]:
        case "ready":
            assert event["executors"] == spark_driver.EXECUTORS
            return f"Spark {event['spark']}: {len(running.processes) - 1} workers, {event['executors']} executors"
        case "progress":
            victim = running.executor("worker 0")
            victim.kill()
            return f"{event['done']} of {event['tasks']} tasks done: killed executor {victim.pid} of worker 0"
        case "answer":
            expected = from_postgresql(database_url, QUESTIONS[event["question"]])
            assert plain(event["rows"]) == expected
            assert event["lost"] == (event["question"] == "pairs"), "it was killed after the answer"
            return f"{event['question']}: {len(expected)} rows in {event['seconds']:.1f} s, PostgreSQL's"
    lost = [one for one in event["executors"] if not one["isActive"]]
    assert len(lost) == 1
    did = ", ".join(f"{one['id']}: {one['completedTasks']}" for one in event["executors"])
    return f"executor {lost[0]['id']} was lost ({lost[0]['removeReason']}); tasks done by executor {did}"

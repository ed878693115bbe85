"""What a crash between two tasks costs: nothing, when only the task after it is tried again."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from etl.database import embedded, engine, schema
from etl.settings import Settings
from tests.dags.conftest import Airflow, Run, ask
from tests.logs import flow, flows, json_lines, tsv, write

ROWS = 'SELECT c.*, f.path FROM zeek.conn AS c JOIN etl.file AS f USING (etl_file_id) ORDER BY "@timestamp", event_uid'
QUARANTINE = (
    "SELECT path, etl_line, raw, rule FROM etl.quarantine JOIN etl.file USING (etl_file_id) ORDER BY 1, 2"
)


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    """Two hours, one reject, one row that breaks a rule."""
    folder = tmp_path / "2026-03-01"
    write(folder / "conn.08:00:00-09:00:00.log", tsv([*flows(40), flow(40, orig_pkts="many")]))
    write(
        folder / "conn.09:00:00-10:00:00.log.gz", json_lines([*flows(40, 100), flow(140, conn_state="REG")])
    )
    return tmp_path


def expect_all(run: Run, step: str) -> None:
    """The same final table as without any crash, and one more try of that step alone."""
    assert (run.state, run.failures) == ("success", [])
    tries = {name: ti["tries"] for name, ti in run.tasks.items()}
    assert tries.pop(step if step == "discover" else f"batch.{step}[0]") >= 2
    assert set(tries.values()) == {1}
    assert [row[9] for row in ask(run.url, ROWS)] == [row["uid"] for row in [*flows(40), *flows(40, 100)]]
    rules = [(line, bytes(raw)[:4] != b"", rule) for _, line, raw, rule in ask(run.url, QUARANTINE)]
    assert rules == [(49, True, "type.src_packets"), (41, True, "enum.network_connection_state")]
    assert ask(run.url, "SELECT count(*) FROM pg_class WHERE relname LIKE 'stage%%'") == [(0,)]
    assert ask(
        run.url, "SELECT count(*), sum(rows) FROM etl.expectation_result WHERE etl_file_id IS NOT NULL"
    ) == [(2, 82)]


@pytest.mark.parametrize(
    ("step", "sql"),
    [("validate", "TRUNCATE {stage}, {stage}_reject, {stage}_bad"), ("publish", "DROP TABLE {stage}")],
)
def test_lost_staging_is_made_again_by_the_task_that_misses_it(
    airflow: Airflow, database_url: str, logs: Path, step: str, sql: str
) -> None:
    run = airflow.run(database_url, logs, damage={"step": step, "url": database_url, "sql": sql})
    expect_all(run, step)


@pytest.mark.parametrize("step", ["discover", "stage", "validate", "publish"])
def test_a_step_whose_answer_got_lost_is_done_again(
    airflow: Airflow, database_url: str, logs: Path, step: str
) -> None:
    run = airflow.run(database_url, logs, damage={"step": step, "lost": True})
    expect_all(run, step)
    assert run.events[0]["extra"]["rows"] == 80


@pytest.fixture(scope="module")
def home() -> Iterator[Path]:
    """A server of this module's own, to be killed."""
    home = Path(tempfile.mkdtemp(prefix="conn-etl-kill-"))
    home.chmod(0o755)
    embedded.start(home)
    yield home
    embedded.stop(home)
    shutil.rmtree(home)


@pytest.mark.parametrize("step", ["stage", "validate", "publish"])
def test_a_killed_server_costs_one_more_try(airflow: Airflow, home: Path, logs: Path, step: str) -> None:
    ask(embedded.url(home), "SELECT 1")
    name = f"killed_before_{step}"
    connect_and_create(home, name)
    url = embedded.url(home, name)
    schema.migrate(engine.connect_engine(engine.parse_url(url), Settings()))
    run = airflow.run(url, logs, damage={"step": step, "kill": str(home)})
    expect_all(run, step)


def connect_and_create(home: Path, name: str) -> None:
    import psycopg2

    connection = psycopg2.connect(embedded.url(home, "postgres"))
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE DATABASE {name}")
    connection.close()

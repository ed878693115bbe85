"""The real conn_maintenance: rollups after a load, closed days sealed, and days dropped only when that is asked for."""

from __future__ import annotations

import os
import sqlite3
import time
from contextlib import closing
from pathlib import Path

from tests.dags.conftest import Airflow, ask
from tests.logs import flows, tsv, write

STATES = "SELECT (SELECT count(*) FROM etl.sealed_day), (SELECT count(*) FROM etl.retired_day), count(*) FROM zeek.conn"


def test_a_load_is_rolled_up_sealed_and_kept_until_retention_is_set(
    airflow: Airflow, database_url: str, tmp_path: Path
) -> None:
    logs = tmp_path / "logs" / "2026-03-01"
    write(logs / "conn.08:00:00-09:00:00.log", tsv(flows(40)))
    assert airflow.run(database_url, logs.parent).state == "success"

    kept = airflow.run(database_url, dag_id="conn_maintenance")
    assert (kept.state, kept.failures) == ("success", [])
    assert kept.states("clean_airflow") == ["skipped"]
    assert ask(database_url, "SELECT sum(connections)::int FROM zeek.conn_hour") == [(40,)]
    assert ask(database_url, STATES) == [(1, 0, 40)]

    assert (
        airflow.run(database_url, dag_id="conn_maintenance", env={"CONN_ETL_KEEP_DAYS": "1"}).state
        == "success"
    )
    assert ask(database_url, STATES) == [(0, 1, 0)]
    assert ask(database_url, "SELECT sum(connections)::int FROM zeek.conn_hour") == [(40,)]

    write(logs / "conn.09:00:00-10:00:00.log", tsv(flows(10, 100)))
    assert airflow.run(database_url, logs.parent).state == "success"
    assert ask(database_url, "SELECT rule, count(*) FROM etl.quarantine GROUP BY rule") == [("expired", 10)]


def test_airflows_own_logs_and_runs_go_after_the_time_that_is_set(
    airflow: Airflow, database_url: str
) -> None:
    home = airflow.log.parent / "airflow-run"
    old, new = (home / "logs" / f"dag_id={name}" / "attempt=1.log" for name in ("old", "new"))
    for file in (old, new):
        write(file, b"{}")
    two_hours_ago = time.time() - 7_200
    os.utime(old, (two_hours_ago, two_hours_ago))
    with closing(sqlite3.connect(home / "airflow.db")) as metadata, metadata:
        metadata.execute("INSERT INTO log (dttm, event) VALUES (datetime('now', '-2 hours'), 'old')")
        metadata.execute("INSERT INTO log (dttm, event) VALUES (datetime('now'), 'new')")
    env = {
        "CONN_ETL_KEEP_AIRFLOW": "1h",
        "CONN_ETL_AIRFLOW_DATABASE_URL": f"sqlite:///{home / 'airflow.db'}",
    }
    run = airflow.run(database_url, dag_id="conn_maintenance", env=env)
    assert (run.state, run.states("clean_airflow"), run.failures) == ("success", ["success"], [])
    with closing(sqlite3.connect(home / "airflow.db")) as metadata:
        left = {event for (event,) in metadata.execute("SELECT event FROM log WHERE event IN ('old', 'new')")}
    assert left == {"new"}
    assert (old.parent.exists(), new.exists()) == (False, True)

    env["CONN_ETL_AIRFLOW_DATABASE_URL"] = "sqlite:////nowhere/airflow.db"
    run = airflow.run(database_url, dag_id="conn_maintenance", env=env)
    assert run.states("clean_airflow") == ["failed"]
    assert run.tasks["clean_airflow"]["tries"] == 1
    assert "CONN_ETL_AIRFLOW_DATABASE_URL" in run.failures[0]

"""The real conn_maintenance: rollups after a load, closed days sealed, and days dropped only when that is asked for."""

from __future__ import annotations

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

"""``conn_maintenance`` with an archive: a sealed day is exported before retention drops it, in one run."""

from __future__ import annotations

from pathlib import Path

import psycopg2

from tests.dags.conftest import Airflow
from tests.logs import flows, tsv, write


def test_a_sealed_day_is_archived_and_then_dropped(
    airflow: Airflow, database_url: str, tmp_path: Path
) -> None:
    logs = tmp_path / "logs" / "2026-03-01"
    write(logs / "conn.08:00:00-09:00:00.log", tsv(flows(40)))
    assert airflow.run(database_url, logs.parent).state == "success"
    settings = {"CONN_ETL_ARCHIVE_URL": str(tmp_path / "archive"), "CONN_ETL_KEEP_DAYS": "1"}
    run = airflow.run(database_url, dag_id="conn_maintenance", env=settings)
    assert (run.state, run.failures) == ("success", [])
    connection = psycopg2.connect(database_url)
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT state, dropped, rows FROM etl.archived_day")
            assert cursor.fetchall() == [("archived", True, 40)]
    finally:
        connection.close()

"""The real conn_quality: days are checked, the report is kept, and a new critical problem is told once."""

from __future__ import annotations

import json
from pathlib import Path

from tests.dags.conftest import Airflow, ask
from tests.logs import flow, flows, tsv, write

DAY = "2026-03-01"


def test_checks_report_and_notice(airflow: Airflow, database_url: str, tmp_path: Path) -> None:
    logs, told = tmp_path / "logs" / DAY, tmp_path / "told.txt"
    write(logs / "conn.08:00:00-09:00:00.log", tsv([*flows(40), flow(40, orig_bytes=None)]))
    write(logs / "conn.10:00:00-11:00:00.log", tsv(flows(40, 200)))
    assert airflow.run(database_url, logs.parent).state == "success"

    arguments = {"path": str(told), "message": "{{ title }}|{{ problems }}"}
    notifier = {"class": "tests.dags.notifier.ToFile", "arguments": arguments}
    env = {"CONN_ETL_NOTIFIER": json.dumps(notifier)}
    first = airflow.run(database_url, dag_id="conn_quality", env=env)
    assert (first.state, first.failures) == ("success", [])
    assert first.tasks["check[0]"]["label"] == DAY
    assert ask(
        database_url,
        "SELECT suite, rule, failed, run_id FROM etl.expectation_result WHERE day = %s AND etl_file_id IS NULL"
        " AND NOT success",
        DAY,
    ) == [("conn_consistency", "consistency.duration_with_bytes", 1, first.run_id)]
    assert ask(database_url, "SELECT run_id, verdict, html LIKE '%%</html>%%' FROM etl.report") == [
        (first.run_id, "attention", True)
    ]
    assert not told.exists()

    # a refused file is notified once, and not again by the next run
    write(logs / "conn.11:00:00-12:00:00.log", tsv([flow(i, conn_state="REG") for i in range(40)]))
    assert airflow.run(database_url, logs.parent).state == "failed"
    failing = {**notifier, "arguments": {**arguments, "fail": True}}
    unheard = airflow.run(database_url, dag_id="conn_quality", env={"CONN_ETL_NOTIFIER": json.dumps(failing)})
    assert unheard.states("tell") == ["failed"]
    for _ in range(2):
        assert airflow.run(database_url, dag_id="conn_quality", env=env).state == "success"
    title, _, problems = told.read_text().partition("|")
    assert title == "2 new problems with Zeek conn logs"
    assert "conn.11:00:00-12:00:00.log refused: not one of its 40 rows is good" in problems
    assert "conn_enums/enum.network_connection_state failed for 40 of 121 rows" in problems
    assert ask(database_url, "SELECT count(*) FROM etl.problem WHERE notified_at IS NOT NULL") == [(2,)]

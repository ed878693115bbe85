"""A password in Airflow's connection is in no log of a task, no XCom, no table of Airflow's or ours, no report."""

from __future__ import annotations

from pathlib import Path

from etl.database import embedded
from tests.dags.conftest import Airflow
from tests.logs import flow, flows, tsv, write
from tests.passwords import everything, password_server

CORE = "Pl4nt3dXc0m"
PASSWORD = f"'{CORE}/@%"


def test_a_password_is_nowhere_after_red_runs(airflow: Airflow, tmp_path: Path) -> None:
    write(tmp_path / "2026-03-01" / "conn.08:00:00-09:00:00.log", tsv(flows(3)))
    write(tmp_path / "2026-03-01" / "conn.09:00:00-10:00:00.log", tsv([flow(9, id_resp_h="8.8.8.999")]))
    with password_server(PASSWORD) as server:
        good = server.by_tcp(PASSWORD)
        runs = [
            airflow.run(good, tmp_path),
            airflow.run(good, dag_id="conn_quality"),
            airflow.run(server.by_socket(PASSWORD, "nobody_there"), tmp_path),
            airflow.run(server.by_tcp(f"wrong{CORE}"), tmp_path),
            airflow.run(good.replace(":5432", ":1"), tmp_path),
        ]
        said = [(run.state, run.tasks, run.events, run.failures, run.error) for run in runs]
        assert [run.state for run in runs] == ["failed", "success", "failed", "failed", "failed"], said
        held = everything(server.admin)
        assert "conn.09:00:00-10:00:00.log" in held
        assert "</html>" in held  # the report is among it
        log = embedded.status(server.home).log.read_text()
    assert CORE not in f"{said}{held}{log}"
    home = airflow.log.parent
    assert not [path for path in home.rglob("*") if path.is_file() and CORE.encode() in path.read_bytes()]

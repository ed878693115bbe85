"""What a run read and where it wrote to, by the names of Airflow's asset graph."""

from __future__ import annotations

from pathlib import Path

import pytest

from etl.database.airflow import asset_of_logs, asset_of_table
from tests.dags.conftest import Airflow
from tests.logs import flow, flows, tsv, write


def test_a_run_names_its_folder_and_its_table(airflow: Airflow, database_url: str, tmp_path: Path) -> None:
    log = write(tmp_path / "a folder" / "conn.08:00:00-09:00:00.log", tsv(flows(40)))
    run = airflow.run(database_url, log.parent)
    assert (run.state, [event["extra"]["rows"] for event in run.events]) == ("success", [40])
    named = {event["asset"]: event["extra"] for event in run.lineage}
    (folder,) = [name for name in named if name.startswith("file://")]
    assert folder == f"file://{tmp_path}/a%20folder"
    assert named[folder] == {"batches": 1, "run_id": run.run_id}
    table = asset_of_table(database_url)
    assert named[table] == run.events[0]["extra"]
    assert set(named) == {folder, table}

    assert airflow.run(database_url, log.parent).lineage == []
    write(log.with_name("refused.log"), tsv([flow(i, conn_state="REG") for i in range(40)]))
    refused = airflow.run(database_url, log.parent)
    assert [event["asset"] for event in refused.lineage] == [folder]


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/var/log/zeek", "file:///var/log/zeek"),
        ("s3://bucket/north/", "s3://bucket/north"),
        ("s3://key:secret@bucket/north", "s3://bucket/north"),
    ],
)
def test_names_of_logs(path: str, name: str) -> None:
    assert asset_of_logs(path) == name


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("postgresql://me:secret@db.example.org/flows", "postgres://db.example.org:5432/flows/zeek/conn"),
        (
            "postgresql://me@localhost:6432/flows?host=/run/socket",
            "postgres://localhost:6432/flows/zeek/conn",
        ),
    ],
)
def test_names_of_the_table(url: str, name: str) -> None:
    assert asset_of_table(url) == name

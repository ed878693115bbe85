"""What Airflow sees when it reads the DAG folder, and how cheap that is."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy.engine import make_url

from etl.database.airflow import as_json, url_of
from tests.dags.conftest import ROOT

LOOK = """
import json, os, sys
from airflow.dag_processing.dagbag import DagBag
from airflow.sdk import Connection
bag = DagBag(sys.argv[1])
heavy = {"great_expectations", "polars", "pandas", "numpy", "alembic", "etl.pipeline"} & set(sys.modules)
from etl.airflow import ingest as module
from etl.database.airflow import url_of
names = sorted(name.removeprefix("AIRFLOW_CONN_").lower() for name in os.environ if name.startswith("AIRFLOW_CONN_"))
print("\\n" + json.dumps({
    "heavy": sorted(heavy),
    "errors": bag.import_errors,
    "statement_limit": module._store().settings.statement_timeout.total_seconds(),
    "urls": {name: url_of(Connection.get(name)) for name in names},
    "dags": {
        name: {
            "doc": dag.doc_md,
            "title": dag.dag_display_name,
            "owner": dag.owner,
            "tags": sorted(dag.tags),
            "file": dag.fileloc,
            "schedule": type(dag.timetable).__name__,
            "catchup": dag.catchup,
            "max_active_runs": dag.max_active_runs,
            "params": sorted(dag.params),
            "tasks": {
                task.task_id: {
                    "pool": task.pool,
                    "retries": task.retries,
                    "limit": task.execution_timeout.total_seconds(),
                    "rule": task.trigger_rule.value,
                    "down": sorted(task.downstream_task_ids),
                }
                for task in dag.tasks
            },
        }
        for name, dag in bag.dags.items()
    },
}))
"""

SOCKET = "postgresql://me@localhost/db?host=/run/my%20socket"
CONNECTIONS = {
    "conn_postgres": '{"conn_type":"postgres","host":"/run/my socket","schema":"db","login":"me"}',
    "encoded": "postgres://me@%2Frun%2Fmy%20socket/db",
    "query": "postgresql://me@/db?host=%2Frun%2Fmy+socket",
    "query_and_host": "postgresql://me@localhost/db?host=/run/my%20socket",
    "tcp": json.dumps(
        {
            "conn_type": "postgres",
            "host": "h",
            "port": 6432,
            "schema": "db",
            "login": "me",
            "password": "a/b@c",
            "extra": {"sslmode": "require", "connect_timeout": 3, "iam": False},
        }
    ),
}
"""The same connection in the ways that Airflow takes, and one over TCP."""


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What a process that only parses the folder finds."""
    home = tmp_path_factory.mktemp("airflow")
    environment = {**os.environ, "AIRFLOW_HOME": str(home), "AIRFLOW__CORE__LOAD_EXAMPLES": "False"}
    environment |= {f"AIRFLOW_CONN_{name.upper()}": text for name, text in CONNECTIONS.items()}
    done = subprocess.run(
        [sys.executable, "-c", LOOK, str(ROOT / "dags")],
        check=True, capture_output=True, text=True, env=environment, cwd=home,
    )  # fmt: skip
    found: dict[str, Any] = json.loads(done.stdout.rsplit("\n", 2)[-2])
    return found


def test_parsing_imports_nothing_heavy(seen: dict[str, Any]) -> None:
    assert (seen["heavy"], seen["errors"]) == ([], {})


@pytest.mark.parametrize("name", ["conn_ingest", "conn_backfill"])
def test_the_flow(seen: dict[str, Any], name: str) -> None:
    dag = seen["dags"][name]
    assert {task: facts["down"] for task, facts in dag["tasks"].items()} == {
        "discover": ["batch.publish", "batch.stage", "batch.validate"],
        "batch.stage": ["batch.validate"],
        "batch.validate": ["batch.publish"],
        "batch.publish": ["announce"],
        "announce": ["close"],
        "close": [],
    }
    assert {task for task, facts in dag["tasks"].items() if facts["rule"] == "all_done"} == {
        "announce",
        "close",
    }
    assert (dag["catchup"], dag["max_active_runs"]) == (False, 1)
    assert min(facts["retries"] for facts in dag["tasks"].values()) >= 2
    assert dag["params"] == ["now", "path", "since", "until"]


def test_old_logs_are_loaded_by_hand_all_else_has_a_schedule(seen: dict[str, Any]) -> None:
    schedules = {name: dag["schedule"] for name, dag in seen["dags"].items()}
    assert schedules == {
        "conn_ingest": "CronDataIntervalTimetable",
        "conn_backfill": "NullTimetable",
        "conn_quality": "AssetOrTimeSchedule",
        "conn_maintenance": "AssetOrTimeSchedule",
    }


def test_each_pool_that_a_task_names_is_in_the_file_to_import(seen: dict[str, Any]) -> None:
    pools = json.loads((ROOT / "dags" / "pools.json").read_text())
    named = {task["pool"] for dag in seen["dags"].values() for task in dag["tasks"].values()}
    assert named == set(pools)
    assert all(pool["slots"] > 0 and pool["description"] for pool in pools.values())


def test_the_page_in_the_ui_says_what_red_means(seen: dict[str, Any]) -> None:
    page = seen["dags"]["conn_ingest"]["doc"]
    for word in (
        "`path`",
        "`since`",
        "### When it is red",
        "conn-etl quarantine list",
        "airflow pools import",
    ):
        assert word in page
    assert "conn_ingest" in seen["dags"]["conn_backfill"]["doc"]


def test_the_page_of_the_hourly_dag_says_first_that_backfills_by_date_mean_nothing(
    seen: dict[str, Any],
) -> None:
    first = seen["dags"]["conn_ingest"]["doc"].split("\n\n")[1]
    assert first.startswith("**Backfills by date mean nothing here.**")
    assert "`conn_backfill`" in first


def test_each_dag_has_owner_title_tags_and_the_file_that_was_copied(seen: dict[str, Any]) -> None:
    dags = seen["dags"].values()
    assert {(dag["owner"], dag["file"]) for dag in dags} == {
        ("conn-etl", str(ROOT / "dags" / "zeek_conn.py"))
    }
    assert len({dag["title"] for dag in dags}) == len(dags)
    assert all({"zeek", "conn"} < set(dag["tags"]) for dag in dags)


def test_statements_give_up_before_the_task_is_told_to(seen: dict[str, Any]) -> None:
    limits = {task["limit"] for dag in seen["dags"].values() for task in dag["tasks"].values()}
    assert seen["statement_limit"] < min(limits)


def test_each_way_to_write_the_connection_ends_in_one_url(seen: dict[str, Any]) -> None:
    urls = {name: make_url(url) for name, url in seen["urls"].items()}
    tcp = urls.pop("tcp")
    assert {url.difference_update_query([]).set(port=None) for url in urls.values()} == {make_url(SOCKET)}
    assert tcp == make_url("postgresql://me:a%2Fb%40c@h:6432/db?sslmode=require&connect_timeout=3")


@pytest.mark.parametrize("url", [SOCKET, "postgresql://me:a%2Fb%40c@h:6432/db?sslmode=require"])
def test_a_url_survives_the_way_to_airflow(url: str) -> None:
    parts = json.loads(as_json(url))
    connection = SimpleNamespace(
        host=parts["host"], port=parts.get("port"), login=parts["login"], password=parts.get("password"),
        schema=parts["schema"], extra_dejson=parts.get("extra", {}),
    )  # fmt: skip
    assert make_url(url_of(connection)) == make_url(url)

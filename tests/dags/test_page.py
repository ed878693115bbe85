"""The two DAG files that docs/airflow.md shows are what they say they are."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

from tests.dags.conftest import ROOT, ask
from tests.logs import flows, tsv, write

SHORT, COMMAND = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "airflow.md").read_text(), re.DOTALL)
RENDER = """
import datetime, json, sys, types
import jinja2
from airflow.dag_processing.dagbag import DagBag
(dag,) = DagBag(sys.argv[1]).dags.values()
(task,) = dag.tasks
run = types.SimpleNamespace(run_after=datetime.datetime(2026, 3, 1, 10, 17))
command = jinja2.Template(task.python_callable()).render(dag_run=run)
print("\\n" + json.dumps([dag.dag_id, task.retries, command]))
"""


def test_the_two_lines_are_the_dag_file_that_is_tested() -> None:
    assert (ROOT / "dags" / "zeek_conn.py").read_text() == SHORT
    assert len(SHORT.splitlines()) == 2


def test_the_command_in_a_task_loads_all_but_the_current_hour(database_url: str, tmp_path: Path) -> None:
    logs = tmp_path / "logs" / "2026-03-01"
    write(logs / "conn.09:00:00-10:00:00.log", tsv(flows(20)))
    write(logs / "conn.10:00:00-11:00:00.log", tsv(flows(20, 100)))
    dag = write(tmp_path / "command.py", COMMAND.encode())
    env = {**os.environ, "AIRFLOW_HOME": str(tmp_path), "CONN_ETL_DATABASE_URL": database_url}
    done = subprocess.run(
        [sys.executable, "-c", RENDER, str(dag)],
        capture_output=True,
        text=True,
        check=True,
        env=env,
        cwd=tmp_path,
    )
    name, retries, command = json.loads(done.stdout.splitlines()[-1])
    assert (name, retries) == ("conn_etl_command", 4)
    program, *arguments = shlex.split(command.replace("/var/log/zeek", str(logs.parent)))
    assert program == "/opt/conn-etl/bin/conn-etl"
    subprocess.run([Path(sys.executable).with_name("conn-etl"), *arguments], check=True, env=env)
    assert ask(database_url, "SELECT path, rows_loaded FROM etl.file") == [
        (str(logs / "conn.09:00:00-10:00:00.log"), 20)
    ]

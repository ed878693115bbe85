"""Each minor version of Airflow that we name, installed from the package index into its own environment with our wheel.

The DAG folder holds nothing but the two lines that a person copies. `make test-system` tries the oldest and the newest
version, `make test-airflow-matrix` all; a table of what each did is printed at the end.
"""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pytest

from tests.dags.conftest import ask
from tests.system.airflow import clean_environment
from tests.system.index import uv

ROOT = Path(__file__).resolve().parents[2]
ASKED = os.environ.get("AIRFLOW_VERSIONS")
VERSIONS = (ASKED or "3.1").split()
RELEASED = {"3.1": "2026-03-20", "3.2": "2026-06-01", "3.3": "2026-11-01"}
"""A day soon after the newest patch of each. Packages as they were then are what Airflow's constraints file names; with
the newest ones an older Airflow may fail (3.2.2 does, by fastapi)."""
DAGS = {"conn_backfill", "conn_ingest", "conn_maintenance", "conn_quality"}
SAMPLES = ROOT / "samples" / "logs"
PARSE = """
import json, airflow
from etl.airflow.plugin import ZeekQualityPlugin
try:
    from airflow.dag_processing.dagbag import DagBag
except ImportError:
    from airflow.models.dagbag import DagBag
bag = DagBag()
apps = len(ZeekQualityPlugin().fastapi_apps)
print("\\n" + json.dumps([airflow.__version__, sorted(bag.dags), bag.import_errors, apps]))
"""
pytestmark = [pytest.mark.system, pytest.mark.timeout(900)]


@dataclass(kw_only=True, slots=True)
class Row:
    """A line of the table: what a version did."""

    version: str
    parse: str = "-"
    run: str = "-"
    rows: str = "-"


@dataclass(frozen=True, kw_only=True, slots=True)
class Environment:
    """Airflow of one version with our wheel, and its folder."""

    folder: Path
    row: Row
    env: dict[str, str] = field(repr=False)

    def sh(self, *call: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(self.folder / "venv" / "bin" / call[0]), *call[1:]],
            cwd=self.folder, env=self.env, capture_output=True, text=True, check=False,
        )  # fmt: skip

    def load(self, **conf: object) -> subprocess.CompletedProcess[str]:
        return self.sh("airflow", "dags", "test", "conn_ingest", "--conf", json.dumps(conf))


@pytest.fixture(scope="module")
def table(request: pytest.FixtureRequest) -> Iterator[list[Row]]:
    """Rows to be printed at the end, whatever the tests came to."""
    rows: list[Row] = []
    yield rows
    lines = [f"{'Airflow':10}{'parse':12}{'run':12}rows loaded"]
    lines += [f"{row.version:10}{row.parse:12}{row.run:12}{row.rows}" for row in rows]
    with request.config.pluginmanager.get_plugin("capturemanager").global_and_fixture_disabled():
        print("\n" + "\n".join(lines))


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (found,) = folder.glob("conn_etl-*.whl")
    return found


@pytest.fixture(scope="module", params=VERSIONS)
def installed(request: pytest.FixtureRequest, wheel: Path, table: list[Row]) -> Iterator[Environment]:
    folder = Path(tempfile.mkdtemp(prefix=f"conn-etl-airflow-{request.param}-"))
    table.append(Row(version=request.param))
    install(folder, request.param, wheel)
    (folder / "dags").mkdir()
    shutil.copy(ROOT / "dags" / "zeek_conn.py", folder / "dags")
    env = clean_environment(
        folder / "home",
        AIRFLOW_HOME=str(folder),
        AIRFLOW__CORE__DAGS_FOLDER=str(folder / "dags"),
        AIRFLOW__CORE__LOAD_EXAMPLES="False",
    )
    env.pop("PYTHONPATH", None)
    yield Environment(folder=folder, row=table[-1], env=env)
    shutil.rmtree(folder)


def install(folder: Path, version: str, wheel: Path) -> None:
    """The wheel beside an Airflow, under the constraints of that Airflow."""
    airflow, python = f"apache-airflow=={version}.*", folder / "venv" / "bin" / "python"
    (folder / "airflow.txt").write_text(airflow)
    call = partial(uv, required=bool(ASKED))
    call("venv", "--python", sys.executable, folder / "venv")
    as_released = ("--exclude-newer", RELEASED[version], "--output-file", folder / "constraints.txt")
    call("pip", "compile", "--python", python, *as_released, folder / "airflow.txt")
    call("pip", "install", "--python", python, "--constraint", folder / "constraints.txt", wheel, airflow)


def test_the_dags_load_the_samples_and_a_permanent_error_is_not_retried(
    installed: Environment, empty_database_url: str
) -> None:
    installed.env["CONN_ETL_DATABASE_URL"] = installed.env["AIRFLOW_CONN_CONN_POSTGRES"] = empty_database_url
    parsed = installed.sh("python", "-c", PARSE)
    assert parsed.returncode == 0, parsed.stderr[-4000:]
    version, dags, errors, apps = json.loads(parsed.stdout.splitlines()[-1])
    installed.row.version = version
    assert (set(dags), errors, apps) == (DAGS, {}, 1)
    installed.row.parse = f"{len(dags)} DAGs"

    for call in (("conn-etl", "migrate"), ("airflow", "db", "migrate")):
        done = installed.sh(*call)
        assert done.returncode == 0, done.stderr[-4000:]
    done = installed.load(path=str(SAMPLES), now=True)
    installed.row.run = "success" if done.returncode == 0 else "failed"
    assert done.returncode == 0, (done.stdout + done.stderr)[-8000:]
    loaded, states = ask(
        empty_database_url,
        "SELECT sum(rows_loaded)::int, array_agg(DISTINCT state ORDER BY state) FROM etl.file",
    )[0]
    installed.row.rows = f"{loaded:,}"
    assert ask(empty_database_url, "SELECT count(*) FROM zeek.conn") == [(loaded,)]
    assert (loaded, states) == (1430, ["published", "skipped"])
    assert "conn.00.00.00-01.00.00.log.gz: published, 420 read, 420 loaded" in done.stdout + done.stderr

    assert installed.load(path=str(installed.folder / "gone")).returncode == 1
    with sqlite3.connect(installed.folder / "airflow.db") as metadata:
        tries = metadata.execute(
            "SELECT state, try_number FROM task_instance WHERE task_id = 'discover' ORDER BY start_date"
        ).fetchall()
    assert tries == [("success", 1), ("failed", 1)]

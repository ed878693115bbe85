"""The wheel in an environment of its own: the main job by its command, and by an Airflow that was there before it.

The environment has nothing but the wheel; what that needs comes from where the tests run, since tests use no network.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from etl.database import embedded
from tests.chaos.oracle import difference
from tests.dags.conftest import ask
from tests.logs import flow, flows, json_lines, tsv, write
from tests.system.airflow import clean_environment

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "airflow.md").read_text()
THEIRS = """
from airflow.sdk import dag, task

@dag(schedule=None)
def theirs():
    @task
    def work(): ...
    work()

theirs()
"""
pytestmark = [pytest.mark.system, pytest.mark.timeout(600)]


@dataclass(frozen=True, kw_only=True, slots=True)
class Installed:
    """An environment with the wheel in it, used from a folder that is not the checkout."""

    folder: Path
    env: dict[str, str]

    def sh(self, command: str) -> str:
        done = subprocess.run(
            ["bash", "-euc", command],
            cwd=self.folder, env=self.env, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, (command, done.stdout[-2000:], done.stderr[-4000:])
        return done.stdout


@pytest.fixture(scope="module")
def installed() -> Iterator[Installed]:
    folder = Path(tempfile.mkdtemp(prefix="conn-etl-wheel-"))
    folder.chmod(0o755)
    bin_ = folder / "venv" / "bin"
    env = clean_environment(
        folder / "home",
        PATH=f"{bin_}:{os.environ['PATH']}",
        AIRFLOW_HOME=str(folder / "airflow"),
        AIRFLOW__CORE__LOAD_EXAMPLES="False",
    )
    (folder / "home").mkdir(mode=0o755)
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder / "dist")]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder / "venv"], check=True)
    (wheel,) = (folder / "dist").glob("conn_etl-*.whl")
    uv = [Path(sys.executable).with_name("uv"), "pip", "install", "--offline", "--no-deps"]
    subprocess.run([*uv, "--python", bin_ / "python", wheel], check=True, capture_output=True)
    (site,) = (folder / "venv" / "lib").glob("python*/site-packages")
    (site / "needs.pth").write_text(sysconfig.get_path("purelib") + "\n")
    made = Installed(folder=folder, env=env)
    made.sh("conn-etl up")
    yield made
    made.sh("conn-etl down")
    shutil.rmtree(folder)


def test_the_command_of_the_wheel_does_the_main_job(installed: Installed) -> None:
    logs = installed.folder / "logs"
    paths = [
        write(logs / "conn.08:00:00-09:00:00.log.gz", tsv([*flows(500), flow(500, orig_pkts="many")])),
        write(logs / "conn.09:00:00-10:00:00.log", json_lines(flows(300, 1_000))),
    ]
    where = installed.sh("python -c 'import etl; print(etl.__file__)'")
    assert where.startswith(str(installed.folder))
    first, again = (json.loads(installed.sh(f"conn-etl ingest --json {logs}")) for _ in range(2))
    assert [first[term] for term in ("rows_read", "rows_loaded", "rows_quarantined")] == [801, 800, 1]
    assert again["rows_loaded"] == 0
    url = embedded.url(installed.folder / "home")
    loaded = [Path(path) for (path,) in ask(url, "SELECT path FROM etl.file ORDER BY etl_file_id")]
    assert set(paths) <= set(loaded)  # the other test's log may be there too
    assert difference(url, loaded) is None
    assert "type.src_packets" in installed.sh("conn-etl quarantine list")


def test_an_airflow_that_was_there_gets_the_dags_as_the_page_says(installed: Installed) -> None:
    airflow = Path(installed.env["AIRFLOW_HOME"])
    write(airflow / "dags" / "theirs.py", THEIRS.encode())
    url = embedded.url(installed.folder / "home")
    installed.env["CONN_ETL_DATABASE_URL"] = url
    log = write(installed.folder / "new" / "conn.10:00:00-11:00:00.log", tsv(flows(200, 5_000)))
    # in one environment with Airflow itself, as a wheel that is installed beside it has it
    installed.sh(
        "printf '#!/bin/sh\\nexec python -m airflow \"$@\"\\n' > venv/bin/airflow; chmod +x venv/bin/airflow"
    )
    installed.sh("airflow db migrate; airflow pools set theirs 3 theirs")

    blocks = re.findall(r"```console\n(.*?)```", PAGE, re.DOTALL)
    lines = [line[2:] for block in blocks for line in block.splitlines()]
    said = installed.sh("\n".join(line for line in lines if not line.startswith("pip install")))

    assert {"theirs", "conn_ingest", "conn_backfill", "conn_maintenance", "conn_quality"} <= set(said.split())
    assert {"theirs", "conn_ingest"} <= {
        pool["pool"] for pool in json.loads(installed.sh("airflow pools list -o json"))
    }
    assert "zeek-quality" in installed.sh("airflow plugins --output json")
    (by_hand,) = re.findall(r"`(airflow dags test [^`]+)`", PAGE)
    installed.sh(by_hand.replace("/var/log/zeek", str(log.parent)))
    assert ask(url, "SELECT state, rows_loaded FROM etl.file WHERE path = %s", str(log)) == [
        ("published", 200)
    ]

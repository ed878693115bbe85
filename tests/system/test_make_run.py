"""`make run` as a person types it: twice over one folder, and over a URL."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from local.run import _place
from tests.dags.conftest import ask
from tests.logs import flows, tsv, write
from tests.system.airflow import ROOT, clean_environment

pytestmark = [pytest.mark.system, pytest.mark.timeout(900)]


@pytest.fixture
def home() -> Iterator[Path]:
    home = Path(tempfile.mkdtemp(prefix="conn-etl-run-"))
    home.chmod(0o755)
    yield home
    subprocess.run(
        [sys.executable, "-m", "local.stack", "down"], cwd=ROOT, env=clean_environment(home), check=True
    )
    shutil.rmtree(home)


def run(home: Path, logs: str) -> tuple[subprocess.CompletedProcess[str], float]:
    """What `make run LOGS=…` printed, and its processor seconds."""
    before = os.times()
    done = subprocess.run(
        [sys.executable, "-m", "local.run"],
        cwd=ROOT, env=clean_environment(home, LOGS=logs), capture_output=True, text=True, check=False,
    )  # fmt: skip
    after = os.times()
    return done, after.children_user + after.children_system - before.children_user - before.children_system


def test_a_second_run_loads_nothing_and_a_url_is_a_folder_too(home: Path) -> None:
    logs = home / "logs"
    write(logs / "conn.08:00:00-09:00:00.log", tsv(flows(200)))
    first, _ = run(home, str(logs))
    assert first.returncode == 0, first.stdout + first.stderr
    assert "200 rows loaded of 200 read" in first.stdout
    again, seconds = run(home, str(logs))
    assert (again.returncode, "0 rows loaded" in again.stdout) == (0, True)
    print(f"a run with nothing new took {seconds:.1f} processor seconds")

    write(logs / "fresh.log", tsv(flows(30, 1_000)).partition(b"#close")[0])  # as it is, without the wait
    by_url, _ = run(home, logs.as_uri())
    assert f"Loading {logs.as_uri()} (2 files)" in by_url.stdout
    assert "30 rows loaded of 30 read" in by_url.stdout
    from etl.database import embedded

    assert ask(embedded.url(home), "SELECT count(*) FROM zeek.conn") == [(230,)]


@pytest.mark.parametrize("url", ["s3://bucket/zeek/", "gs://b/x", "file:///var/log/zeek"])
def test_a_url_is_taken_as_it_is(url: str) -> None:
    assert _place(url) == url

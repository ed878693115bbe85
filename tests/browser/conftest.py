"""A database with hostile text in it, and Airflow's api-server with the plugin."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from etl import pipeline, report
from etl.database.airflow import as_json
from etl.database.store import Store
from etl.quality import day_checks
from etl.settings import Settings
from tests.chromium import CHROMIUM, SCREENSHOTS
from tests.logs import START, flow, flows, json_lines, tsv, write

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = "<script>document.title='taken'</script>"
IMAGE = '"><img src=x onerror="document.title=\'taken\'">'
PASSWORD = "a-password"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.browser)
            item.add_marker(pytest.mark.timeout(600))
            if not CHROMIUM.exists():
                item.add_marker(pytest.mark.skip(reason="no /usr/bin/chromium: apt-get install chromium"))


@pytest.fixture
def store(database_url: str) -> Store:
    return Store.open(database_url, Settings(attempts=1))


@pytest.fixture
def hostile(store: Store, tmp_path: Path) -> Store:
    """A day with a gap, a refused file, lines in quarantine, and markup wherever a log can bring text."""
    folder = (Path("/tmp/zeek") if SCREENSHOTS else tmp_path) / "logs" / "2026-03-01"  # noqa: S108  a path that tells nothing
    if SCREENSHOTS:
        shutil.copytree(ROOT / "samples" / "logs" / "2026-03-01", folder, dirs_exist_ok=True)
    for hour in (6, 7, 9):
        rows = flows(300, hour * 1_000)
        for i, row in enumerate(rows):
            row["ts"] = f"{START + (hour - 8) * 3_600 + i * 11}.000000"
        rows[5] |= {"service": SCRIPT}
        rows[6] |= {"service": IMAGE, "duration": None}
        rows[7] |= {"conn_state": IMAGE}
        rows[8] |= {"orig_pkts": SCRIPT}
        rows[9] |= {"uid": f"{SCRIPT}{hour}"}
        write(folder / f"conn.{hour:02}:00:00-{hour + 1:02}:00:00.log", tsv(rows))
    write(
        folder / "conn <img src=x onerror=alert(1)>.log",
        tsv([flow(i, conn_state=SCRIPT) for i in range(200)]),
    )
    write(folder / "json.log", json_lines([{**flow(9_999), SCRIPT: 1, "</style><b>": IMAGE}]))
    pipeline.ingest(store, [str(folder)])
    day_checks.check_day(store, date(2026, 3, 1))
    return store


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def status_of(url: str) -> tuple[int, str]:
    """Status and text of a GET without any login."""
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:  # noqa: S310  our own server
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


@pytest.fixture
def api_server(hostile: Store, database_url: str) -> Iterator[str]:
    """Airflow's api-server with our plugin and one kept report; its address."""
    with hostile.loading() as connection:
        report.keep(connection, report.build(connection), "a-run")
    home = Path(tempfile.mkdtemp(prefix="conn-etl-ui-"))
    (home / "passwords.json").write_text(json.dumps({"admin": PASSWORD}))
    port = free_port()
    clean = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")}
    environment = {
        **clean,
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__DAGS_FOLDER": str(ROOT / "dags"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": "admin:admin",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(home / "passwords.json"),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home / 'airflow.db'}",
        "AIRFLOW__API_AUTH__JWT_SECRET": "a-secret-that-is-long-enough-for-a-test-of-an-hour-or-more-here",
        "AIRFLOW__API__SECRET_KEY": "another-secret",
        "AIRFLOW__API__BASE_URL": f"http://127.0.0.1:{port}",
        "AIRFLOW_CONN_CONN_POSTGRES": as_json(database_url),
        "PYTHONPATH": str(ROOT),
    }
    command = [sys.executable, "-m", "airflow"]
    with (home / "server.log").open("w") as log:
        subprocess.run([*command, "db", "migrate"], env=environment, check=True, stdout=log, stderr=log)
        arguments = ["api-server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
        with subprocess.Popen([*command, *arguments], env=environment, stdout=log, stderr=log) as server:
            try:
                _wait(f"http://127.0.0.1:{port}/api/v2/monitor/health", server, home / "server.log")
                yield f"http://127.0.0.1:{port}"
            finally:
                server.terminate()
                server.wait(30)
    shutil.rmtree(home)


def _wait(url: str, server: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        assert server.poll() is None, log.read_text()[-4_000:]
        try:
            if status_of(url)[0] == 200:
                return
        except OSError:
            pass
        time.sleep(0.3)
    raise TimeoutError(log.read_text()[-4_000:])

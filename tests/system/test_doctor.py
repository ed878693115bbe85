"""`conn-etl doctor` finds each planted fault, and names the cure that the runbook has for it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy.engine import make_url

from etl import pipeline
from etl.database import embedded, engine, schema
from etl.database.store import Store
from etl.monitoring import doctor, environment
from etl.settings import Settings
from tests.dags.conftest import ask
from tests.logs import START, flow, tsv, write

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
pytestmark = [pytest.mark.system, pytest.mark.timeout(300)]

Planted = tuple[str, Settings]
"""URL and settings of a system with one fault in it."""
Plant = Callable[["Ground"], Planted]


class Ground:
    """Where faults are planted: a migrated database, an empty one, a folder."""

    def __init__(self, url: str, empty: str, folder: Path) -> None:
        self.url, self.empty, self.folder = url, empty, folder


@pytest.fixture
def ground(database_url: str, empty_database_url: str, tmp_path: Path) -> Ground:
    return Ground(database_url, empty_database_url, tmp_path)


def server_away(_ground: Ground) -> Planted:
    return "postgresql://me@127.0.0.1:9/flows", Settings()


def no_database(ground: Ground) -> Planted:
    return str(make_url(ground.url).set(database="nowhere")), Settings()


def never_migrated(ground: Ground) -> Planted:
    return ground.empty, Settings()


def old_schema(ground: Ground) -> Planted:
    ask(ground.url, "UPDATE etl.alembic_version SET version_num = '0001'")
    return ground.url, Settings()


def no_rights(ground: Ground) -> Planted:
    ask(ground.url, "DROP ROLE IF EXISTS doctor_test")
    ask(ground.url, "CREATE ROLE doctor_test LOGIN")
    return str(make_url(ground.url).set(username="doctor_test")), Settings()


def wrong_zone(ground: Ground) -> Planted:
    for hour in range(8, 12):
        first = START + (hour - 7) * 3_600  # the names are an hour behind the rows
        rows = [
            flow(i, ts=f"{first + i * 35}.000000", uid=f"C{hour}x{i}", duration="1.0") for i in range(103)
        ]
        write(ground.folder / "2026-03-01" / f"conn.{hour:02}:00:00-{hour + 1:02}:00:00.log", tsv(rows))
    pipeline.ingest(Store.open(ground.url, Settings()), [str(ground.folder)])
    return ground.url, Settings()


def full_disk(ground: Ground) -> Planted:
    return ground.url, Settings(low_disk=1 << 60)


def no_log_folder(ground: Ground) -> Planted:
    return ground.url, Settings(log_dir=str(ground.folder / "gone"))


def no_notifier(ground: Ground) -> Planted:
    return ground.url, Settings(notifier={"class": "airflow.providers.nobody.Notifier"})


def nobody_loads(ground: Ground) -> Planted:
    ask(
        ground.url,
        "INSERT INTO etl.file (path, size, mtime, first_seen) VALUES ('/conn.log', 1, now(), now() - interval '5h')",
    )
    return ground.url, Settings()


FAULTS: dict[Plant, tuple[str, str, str]] = {
    server_away: ("error", "the database cannot be reached", "start it"),
    no_database: ("error", "does not exist", "create the database"),
    never_migrated: ("error", "no conn-etl schema yet", "conn-etl migrate"),
    old_schema: ("error", "has schema version 0001", "conn-etl migrate"),
    no_rights: ("error", "may not load", "GRANT conn_loader TO doctor_test"),
    wrong_zone: ("warning", "end 1 hours after their files' windows", "CONN_ETL_ZONE"),
    full_disk: ("warning", "MiB free on the server's disk", "free some"),
    no_log_folder: ("error", "gone is not there", "CONN_ETL_LOG_DIR"),
    no_notifier: ("error", "airflow.providers.nobody.Notifier cannot be imported", "CONN_ETL_NOTIFIER"),
    nobody_loads: ("warning", "1 files wait since", "conn_ingest is not paused"),
}


@pytest.mark.parametrize("plant", FAULTS, ids=lambda plant: plant.__name__)
def test_a_planted_fault_is_found(plant: Plant, ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment, "_pools", lambda: iter(()))  # four seconds, and a fault of its own below
    level, what, cure = FAULTS[plant]
    healthy = {finding.what for finding in examine(ground.url, Settings())}
    found = examine(*plant(ground))
    news = [finding for finding in found if finding.what not in healthy and finding.level != "ok"]
    assert [f for f in news if f.level == level and what in f.what and cure in f.cure], news


def examine(url: str, settings: Settings) -> list[environment.Finding]:
    return doctor.examine(Store.open(url, settings))


@pytest.fixture
def small_server() -> Iterator[str]:
    """A server with as few locks as it takes."""
    home = Path(tempfile.mkdtemp(prefix="conn-etl-"))
    home.chmod(0o755)
    embedded.start(
        home, settings={"fsync": "off", "max_connections": "20", "max_locks_per_transaction": "10"}
    )
    yield embedded.url(home)
    embedded.stop(home)
    shutil.rmtree(home)


def test_too_few_locks_for_the_days_there_are(small_server: str) -> None:
    schema.migrate(engine.connect_engine(engine.parse_url(small_server), Settings()))
    for day in range(1, 29):
        ask(small_server, f"SELECT etl.ensure_partition('2026-02-{day:02}')")
    found = [f for f in doctor.examine(Store.open(small_server, Settings())) if f.level == "warning"]
    assert [f for f in found if "max_locks_per_transaction = 10" in f.what and "or more" in f.cure], found


def test_a_missing_pool_by_the_command_itself(database_url: str, tmp_path: Path) -> None:
    pools = json.loads((ROOT / "dags" / "pools.json").read_text())
    del pools["conn_backfill"]
    (tmp_path / "pools.json").write_text(json.dumps(pools))
    env = {**os.environ, "AIRFLOW_HOME": str(tmp_path / "airflow"), "CONN_ETL_DATABASE_URL": database_url}
    for call in (["db", "migrate"], ["pools", "import", str(tmp_path / "pools.json")]):
        subprocess.run([str(BIN / "airflow"), *call], env=env, check=True, capture_output=True)
    done = subprocess.run(
        [str(BIN / "conn-etl"), "doctor", "--json"], env=env, capture_output=True, check=False
    )
    assert done.returncode == 2
    (error,) = [f for f in json.loads(done.stdout)["findings"] if f["level"] == "error"]
    assert error["what"] == "Airflow pool conn_backfill is missing"
    shell = {**env, "PATH": f"{BIN}:{os.environ['PATH']}"}  # the cure is a command that works from any folder
    subprocess.run(["sh", "-c", error["cure"]], cwd=tmp_path, env=shell, check=True, capture_output=True)
    cured = subprocess.run(
        [str(BIN / "conn-etl"), "doctor", "--json"], env=env, capture_output=True, check=False
    )
    assert [f for f in json.loads(cured.stdout)["findings"] if f["level"] == "error"] == []


def test_a_setting_that_cannot_be_is_named_and_not_repeated(database_url: str) -> None:
    env = {**os.environ, "CONN_ETL_DATABASE_URL": database_url, "CONN_ETL_ZONE": "Mars/Olympus"}
    done = subprocess.run(
        [str(BIN / "conn-etl"), "doctor"], env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "CONN_ETL_ZONE" in done.stderr
    assert "correct the environment" in done.stderr

"""The archive on a folder and on S3: killed in each of its steps, it shows the old or the new day, and never half.

``KILLS=20`` repeats each kill so often; once is for every day. What was killed is counted at the end. The day changes
before each kill by an unload, since a load would cost ten times as much.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from pathlib import Path

import boto3
import pytest
from moto.server import ThreadedMotoServer
from pyarrow.fs import FileSelector, FileType

from etl import pipeline
from etl.archive import check, cleanup, export, table
from etl.archive.restore import restore
from etl.database.store import Store
from etl.history import maintenance
from etl.settings import Settings
from tests.logs import flow, flows, tsv, write
from tests.system import archive_victim

pytestmark = [
    pytest.mark.system,
    # the server's and the drivers' own
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
DAY = date(2026, 3, 1)
KILLS = int(os.environ.get("KILLS", "1"))
AWS = {
    "AWS_ACCESS_KEY_ID": "somebody",
    "AWS_SECRET_ACCESS_KEY": "sesame",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
}
Killed = Callable[[str, str, str], int]


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    """URL of an S3 server that lives as long as this file's tests."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(params=["folder", "s3"])
def archive_url(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Where the archive of a test lies."""
    if request.param == "folder":
        return str(tmp_path / "archive")
    for name, value in {**AWS, "AWS_ENDPOINT_URL": request.getfixturevalue("endpoint")}.items():
        monkeypatch.setenv(name, value)
    bucket = f"archive-{abs(hash(request.node.name))}"
    boto3.client("s3").create_bucket(Bucket=bucket)
    return f"s3://{bucket}/years"


@pytest.fixture(scope="module")
def kill(request: pytest.FixtureRequest) -> Iterator[Killed]:
    """Start an export that dies in a step; gives its exit code, and says at the end how many there were."""
    killed: Counter[str] = Counter()
    with subprocess.Popen(
        [sys.executable, "-m", "tests.system.archive_victim"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as parent:
        assert parent.stdin
        assert parent.stdout

        def kill(url: str, archive: str, step: str) -> int:
            environment = {
                name: os.environ[name] for name in (*AWS, "AWS_ENDPOINT_URL") if name in os.environ
            }
            json.dump(
                {"url": url, "archive": archive, "step": step, "environment": environment}, parent.stdin
            )
            print(file=parent.stdin, flush=True)
            killed[f"{step} on {'S3' if environment else 'a folder'}"] += 1
            return int(parent.stdout.readline())

        yield kill
    with request.config.pluginmanager.get_plugin("capturemanager").global_and_fixture_disabled():
        print("\nkilled in the middle of " + ", ".join(f"{step}: {times}" for step, times in killed.items()))


@pytest.fixture
def store(database_url: str, archive_url: str) -> Store:
    return Store.open(
        database_url, Settings(attempts=1, archive_url=archive_url, archive_catalog=archive_victim.PATIENT)
    )


def load(store: Store, folder: Path, first: int, count: int) -> None:
    """Bring rows of the day."""
    log = write(folder / f"conn.{first}.log", tsv(flows(count, first)))
    assert pipeline.ingest(store, [str(log)]).total("rows_loaded") == count


def opened(store: Store) -> table.Archive:
    with store.loading() as connection:
        return table.open_archive(store, connection)


def visible(store: Store) -> int:
    """Rows that any engine on the table sees, counted in the files."""
    return int(opened(store).table.scan(selected_fields=("etl_line",)).to_arrow().num_rows)


def files_there(store: Store) -> set[str]:
    archive = opened(store)
    selector = FileSelector(f"{table.path_of(archive.table.location())}/data", recursive=True)
    return {info.path for info in archive.files.get_file_info(selector) if info.type == FileType.File}


def files_needed(store: Store) -> set[str]:
    days = opened(store).day_files().values()
    return {table.path_of(file.file_path) for files in days for file in files}


@pytest.mark.timeout(300 + 60 * KILLS)
@pytest.mark.parametrize("step", archive_victim.STEPS)
def test_killed_in_a_step_it_shows_the_old_or_the_new_day_and_the_next_run_is_right(
    store: Store, archive_url: str, database_url: str, tmp_path: Path, step: str, kill: Killed
) -> None:
    logs = [write(tmp_path / f"conn.{n}.log", tsv(flows(100, 100 * n))) for n in range(KILLS + 10)]
    pipeline.ingest(store, [str(tmp_path)])
    maintenance.seal(store)
    assert [day.day for day in export.export(store)] == [DAY]
    rows = 100 * len(logs)
    for log in logs[:KILLS]:
        pipeline.unload(store, [str(log)])
        before, rows = rows, rows - 100
        assert kill(database_url, archive_url, step) == -9
        assert visible(store) == (rows if step == "record" else before)
        assert [day.day for day in export.export(store)] == [DAY]
        assert visible(store) == rows
        assert list(export.export(store)) == []
    impatient = Store(
        url=store.url,
        engine=store.engine,
        settings=store.settings.model_copy(update={"archive_grace": timedelta(seconds=-5)}),
    )
    cleanup.cleanup(impatient)
    assert files_there(store) == files_needed(store)
    assert check.verify(store) == []


def test_a_day_goes_there_and_comes_back(store: Store, tmp_path: Path) -> None:
    load(store, tmp_path, 0, 500)
    load(store, tmp_path, 86_400, 3)
    maintenance.seal(store)
    list(export.export(store))
    maintenance.drop(store, {DAY: "a test"})
    assert restore(store, DAY, keep=timedelta(days=1)).rows == 500
    assert check.verify(store) == []
    maintenance.drop(store, {DAY: "a test"})
    late = pipeline.ingest(store, [str(write(tmp_path / "late.log", tsv([flow(700)])))])
    assert late.total("rows_quarantined") == 1

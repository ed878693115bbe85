"""The rows of the embedded server moved to a newer major version of PostgreSQL, by the commands of docs/runbook.md.

From Debian's PostgreSQL 15 to the embedded one; where Debian's is not installed, from the embedded one to itself.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg2
import pytest

from etl.database import embedded
from etl.database.embedded.binaries import packaged
from tests.chaos.oracle import difference
from tests.conftest import DEBIAN_BINARIES, DEBIAN_SETTINGS
from tests.dags.conftest import ask
from tests.logs import flow, flows, tsv, write

BIN = Path(sys.executable).parent
PAGE = (Path(__file__).resolve().parents[2] / "docs" / "runbook.md").read_text()
BACKUP = PAGE.split("## Back up and restore")[1].split("## ")[0]
COMMANDS = [
    line[2:]
    for block in re.findall(r"```console\n(.*?)```", BACKUP, re.DOTALL)
    for line in block.splitlines()
]
OLDER = DEBIAN_BINARIES if DEBIAN_BINARIES.is_dir() else None
Shell = Callable[..., "subprocess.CompletedProcess[str]"]
pytestmark = [pytest.mark.system, pytest.mark.timeout(600)]


@pytest.fixture
def home() -> Iterator[Path]:
    """An embedded server of the older version; stopped at the end, whatever runs there by then."""
    folder = Path(tempfile.mkdtemp(prefix="conn-etl-major-"))
    folder.chmod(0o755)
    embedded.start(folder, binaries=OLDER, settings=DEBIAN_SETTINGS if OLDER else {})
    yield folder
    embedded.stop(folder)
    shutil.rmtree(folder)


@pytest.fixture
def shell(home: Path, tmp_path: Path) -> Shell:
    """Run a line as a person would, in the old environment or the new one: with that server's programs."""
    url = embedded.url(home)
    env = {k: v for k, v in os.environ.items() if not k.startswith(("PG", "CONN_ETL", "AIRFLOW"))} | {
        "CONN_ETL_HOME": str(home),
    }

    def run(line: str, programs: Path | None = None) -> subprocess.CompletedProcess[str]:
        named = {"CONN_ETL_DATABASE_URL": url, "RESTORED_URL": url} if "_URL" in line else {}
        named["PATH"] = f"{BIN}:{programs or packaged()}:{os.environ['PATH']}"
        return subprocess.run(
            ["sh", "-c", line], cwd=tmp_path, env=env | named, capture_output=True, text=True, check=False
        )

    return run


def version(home: Path) -> int:
    (row,) = ask(embedded.url(home), "SHOW server_version_num")
    return int(row[0]) // 10_000


def load(url: str, *paths: Path) -> int:
    """Load by the command; returns the rows."""
    call = [str(BIN / "conn-etl"), "ingest", "--json", "--no-check", *map(str, paths)]
    done = subprocess.run(
        call, env={**os.environ, "CONN_ETL_DATABASE_URL": url}, capture_output=True, check=True
    )
    return int(json.loads(done.stdout)["rows_loaded"])


def test_rows_ledger_and_quarantine_move_to_the_new_version(home: Path, shell: Shell, tmp_path: Path) -> None:
    url = embedded.url(home)
    older = version(home)
    subprocess.run(
        [str(BIN / "conn-etl"), "migrate"], env={**os.environ, "CONN_ETL_DATABASE_URL": url}, check=True
    )
    log = write(tmp_path / "conn.log", tsv([*flows(500), flow(500, orig_pkts="many")]))
    assert load(url, log) == 500

    (dump,) = [line for line in COMMANDS if line.startswith("pg_dump")]
    assert (done := shell(dump, OLDER)).returncode == 0, done.stderr
    embedded.stop(home)
    if OLDER:
        refused = shell("conn-etl up")
        assert refused.returncode == 2
        assert re.search(r"is of PostgreSQL 15, and this conn-etl brings PostgreSQL 18", refused.stderr)
        assert "docs/runbook.md" in refused.stderr
    (home / "postgres").rename(home / "postgres-before")

    assert (done := shell("conn-etl up")).returncode == 0, done.stderr
    assert version(home) >= older + 3 * bool(OLDER)
    for line in COMMANDS[COMMANDS.index(dump) + 1 :]:
        if "CREATE DATABASE" not in line:  # conn-etl up made it
            assert (done := shell(line)).returncode == 0, (line, done.stdout, done.stderr)
    assert "The tables match the ledger." in done.stdout

    assert difference(url, [log]) is None
    assert ask(url, "SELECT path, state, rows_loaded, rows_quarantined FROM etl.file") == [
        (str(log), "published", 500, 1)
    ]
    assert load(url, log) == 0
    assert load(url, write(tmp_path / "next.log", tsv(flows(7, 1_000)))) == 7
    with psycopg2.connect(embedded.reader_url(home)) as reader, reader.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM zeek.conn")
        assert cursor.fetchall() == [(507,)]

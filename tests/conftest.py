"""What all tests share: a real PostgreSQL, a fresh database for each test that asks, no network, odd time zones.

The server is the embedded PostgreSQL 18; with ``CONN_ETL_TEST_SERVER=debian`` it is Debian's PostgreSQL 15 at default
settings. The server's zone and this process's are two different ones, and neither is UTC: a test that passes here
does not lean on either.
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import tempfile
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hypothesis
import psycopg2
import pytest
from psycopg2 import sql

from tests.chromium import browser as browser  # noqa: PLC0414  a fixture of all folders
from tests.chromium import open_page as open_page  # noqa: PLC0414
from tests.commands import Commands

os.environ["TZ"] = "America/St_Johns"
time.tzset()

# how long an example takes is the machine's affair
hypothesis.settings.register_profile("conn-etl", deadline=None)
hypothesis.settings.load_profile("conn-etl")

SERVER_ZONE = "Asia/Kolkata"
TEMPLATE = "conn_template"
DEBIAN_BINARIES = Path("/usr/lib/postgresql/15/bin")
DEBIAN_SETTINGS = {  # back to PostgreSQL's own defaults: a plain server must do
    "max_locks_per_transaction": "64",
    "shared_buffers": "128MB",
    "wal_level": "replica",
    "max_wal_senders": "10",
    "max_wal_size": "1GB",
    "work_mem": "4MB",
    "jit": "on",
}
SHARED = Path(__file__).resolve().parents[2] / "shared"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark by what a test asks for and skip what this checkout cannot offer."""
    for item in items:
        if {"server_url", "database_url"} & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.integration)
        if item.path.is_relative_to(Path(__file__).parent / "dags"):
            item.add_marker(pytest.mark.xdist_group("airflow"))  # one worker, and so one Airflow
        if item.get_closest_marker("realdata") and not (SHARED / "data" / "real-hourly").is_dir():
            item.add_marker(pytest.mark.skip(reason="the real hourly logs are not beside this checkout"))


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """How many golden cases (folders under tests/data/conn, one defect or oddity each) really ran."""
    cases = {path.name for path in (Path(__file__).parent / "data" / "conn").glob("*") if path.is_dir()}
    names = {
        name
        for report in terminalreporter.stats.get("passed", [])
        for name in re.findall(r"[\w.-]+", report.nodeid)
    }
    if cases:
        terminalreporter.write_line(f"golden cases passed: {len(cases & names)} of {len(cases)}")


@pytest.fixture(autouse=True, scope="session")
def _no_network() -> Iterator[None]:
    """Only sockets and loopback: a test that asks the world for anything fails at once and says what it asked for."""
    real_connect, real_connect_ex = socket.socket.connect, socket.socket.connect_ex

    def check(self: socket.socket, address: Any) -> None:
        if self.family in {socket.AF_INET, socket.AF_INET6}:
            host = str(address[0])
            if not (host.startswith("127.") or host in {"::1", "localhost", ""}):
                raise RuntimeError(f"a test tried to reach {address}")

    def connect(self: socket.socket, address: Any) -> None:
        check(self, address)
        real_connect(self, address)

    def connect_ex(self: socket.socket, address: Any) -> int:
        check(self, address)
        return real_connect_ex(self, address)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", connect)
        patch.setattr(socket.socket, "connect_ex", connect_ex)
        yield


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No setting of the developer's own shell reaches a test."""
    for name in [name for name in os.environ if name.startswith(("CONN_ETL_", "AIRFLOW", "PG"))]:
        if name != "CONN_ETL_TEST_SERVER":
            monkeypatch.delenv(name)


@pytest.fixture(scope="session")
def commands() -> Iterator[Commands]:
    """Runs ``conn-etl`` without the seconds of its start."""
    started = Commands()
    yield started
    started.stop()


@pytest.fixture(scope="session")
def server_home() -> Iterator[Path]:
    """A short folder that the server's user can enter too (pytest's own temporary folders are for root alone)."""
    home = Path(tempfile.mkdtemp(prefix="conn-etl-"))
    home.chmod(0o755)
    yield home
    shutil.rmtree(home)


@pytest.fixture(scope="session")
def server_url(server_home: Path) -> Iterator[str]:
    """URL of a running server's database ``postgres``, as superuser; one server for each worker of the test run."""
    from etl.database import embedded

    debian = os.environ.get("CONN_ETL_TEST_SERVER") == "debian"
    settings = {"timezone": SERVER_ZONE, "shared_buffers": "128MB", "fsync": "off"}
    embedded.start(
        server_home,
        binaries=DEBIAN_BINARIES if debian else None,
        settings={**DEBIAN_SETTINGS, **settings} if debian else settings,
    )
    try:
        yield embedded.url(server_home, "postgres")
    finally:
        embedded.stop(server_home)


@pytest.fixture(scope="session")
def template_database(server_url: str, server_home: Path) -> str:
    """Name of a database that was migrated once; copying it takes a tenth of a second."""
    from etl.database import embedded, engine, schema
    from etl.settings import Settings

    _statement(server_url, sql.SQL("CREATE DATABASE {}").format(sql.Identifier(TEMPLATE)))
    target = engine.connect_engine(engine.parse_url(embedded.url(server_home, TEMPLATE)), Settings())
    schema.migrate(target)
    target.dispose()
    return TEMPLATE


@pytest.fixture
def empty_database_url(server_url: str, server_home: Path) -> Iterator[str]:
    """URL of a database without any schema of ours."""
    yield from _database(server_url, server_home, "template1")


@pytest.fixture
def database_url(server_url: str, server_home: Path, template_database: str) -> Iterator[str]:
    """URL (libpq form) of a fresh, migrated database, dropped after the test even when sessions are still on it."""
    yield from _database(server_url, server_home, template_database)


@pytest.fixture
def second_database_url(server_url: str, server_home: Path, template_database: str) -> Iterator[str]:
    """Another one, to compare with."""
    yield from _database(server_url, server_home, template_database)


def _database(server_url: str, server_home: Path, template: str) -> Iterator[str]:
    from etl.database import embedded

    name = f"test_{uuid.uuid4().hex[:12]}"
    parts = {
        "name": sql.Identifier(name),
        "template": sql.Identifier(template),
        "zone": sql.Literal(SERVER_ZONE),
    }
    _statement(server_url, sql.SQL("CREATE DATABASE {name} TEMPLATE {template}").format(**parts))
    yield embedded.url(server_home, name)
    _statement(server_url, sql.SQL("DROP DATABASE {name} WITH (FORCE)").format(**parts))


def _statement(url: str, command: sql.Composed) -> None:
    connection = psycopg2.connect(url)
    try:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(command)
    finally:
        connection.close()

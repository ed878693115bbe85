"""What ``conn-etl doctor`` says of databases with one fault; what wants a server of its own is elsewhere."""

from __future__ import annotations

import sys
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg2
import pytest
from psycopg2 import sql
from sqlalchemy.engine import make_url

from etl.database import embedded
from etl.database.store import Store
from etl.monitoring import doctor
from etl.settings import Settings
from tests.integration.conftest import Ask

Run = Callable[..., None]


@pytest.fixture(autouse=True)
def _no_airflow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))


@pytest.fixture
def administrator(server_url: str) -> Iterator[Run]:
    """Run statements as the server's superuser; names are put in for {}."""
    connection = psycopg2.connect(server_url)
    connection.autocommit = True

    def run(statement: str, *names: str) -> None:
        with connection.cursor() as cursor:
            cursor.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))

    yield run
    connection.close()


@pytest.fixture
def user(database_url: str, administrator: Run) -> Iterator[str]:
    """A user who may load and no more."""
    name = f"doctor_{uuid.uuid4().hex[:8]}"
    administrator("CREATE ROLE {} LOGIN IN ROLE conn_loader", name)
    yield str(make_url(database_url).set(username=name))
    administrator("DROP ROLE {}", name)


def found(url: str, **settings: object) -> list[tuple[str, str, str]]:
    store = Store.open(url, Settings.model_validate(settings))
    try:
        return [(finding.level, finding.what, finding.cure) for finding in doctor.examine(store)]
    finally:
        store.engine.dispose()


def test_a_user_who_may_load_is_told_of_nothing_but_what_is_well(user: str) -> None:
    said = found(user)
    assert {level for level, _, _ in said} == {"ok"}, said
    assert [what for _, what, _ in said if what.endswith(f"connected as {make_url(user).username}")]
    assert ("ok", "the server's disk cannot be seen from here", "") in said


def test_a_user_who_may_not_load_is_told_what_to_grant(user: str, administrator: Run) -> None:
    name = str(make_url(user).username)
    administrator("REVOKE conn_loader FROM {}", name)
    assert (
        "error",
        f"{name} may not load: it is no member of conn_loader",
        f"GRANT conn_loader TO {name}, or connect as another user",
    ) in found(user)


def test_a_superuser_is_told_to_be_less(database_url: str) -> None:
    assert ("warning", "connected as a superuser", "load as a member of conn_loader") in found(database_url)


def test_a_database_of_another_encoding_is_an_error(server_home: Path, administrator: Run) -> None:
    name = f"test_{uuid.uuid4().hex[:12]}"
    administrator("CREATE DATABASE {} ENCODING 'SQL_ASCII' LOCALE 'C' TEMPLATE template0", name)
    try:
        said = found(embedded.url(server_home, name))
    finally:
        administrator("DROP DATABASE {} WITH (FORCE)", name)
    assert [
        cure
        for level, what, cure in said
        if level == "error" and "encoding is SQL_ASCII" in what and "ENCODING 'UTF8'" in cure
    ]
    assert [cure for level, _, cure in said if level == "error" and "conn-etl migrate" in cure]  # and goes on


def test_room_on_the_disk_by_the_bound_of_the_settings(database_url: str) -> None:
    (enough,) = [
        what for level, what, _ in found(database_url, low_disk=0) if "disk" in what and level == "ok"
    ]
    assert enough.endswith("GiB free on the server's disk")
    (short,) = [row for row in found(database_url, low_disk=1 << 60) if "disk" in row[1]]
    assert short[0] == "warning"
    assert short[1].endswith("MiB free on the server's disk")
    assert short[2] == "free some"


def test_files_that_nobody_loads_are_a_warning_with_the_time_of_the_first(
    database_url: str, ask: Ask
) -> None:
    ask(
        "INSERT INTO etl.file (path, size, mtime, first_seen) VALUES"
        " ('/a.log', 1, now(), '2026-03-01 08:00+00'), ('/b.log', 1, now(), now())"
    )
    (waiting,) = [row for row in found(database_url) if "wait" in row[1]]
    assert waiting[:2] == ("warning", "1 files wait since 2026-03-01 08:00 UTC")
    assert "conn-etl ingest" in waiting[2]


def test_a_database_that_is_away_ends_the_examination_and_not_the_command(tmp_path: Path) -> None:
    said = found("postgresql://nobody@127.0.0.1:1/flows", log_dir=str(tmp_path / "gone"))
    assert [level for level, _, _ in said] == ["error", "error"]
    assert "is not there" in said[0][1]
    assert "cannot be reached" in said[1][1]

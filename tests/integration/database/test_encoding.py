"""Text stays what it was: every session speaks UTF8, and a database that cannot hold all of it is refused."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import psycopg2
import pytest
from psycopg2 import sql
from sqlalchemy.engine import make_url

from etl.database import engine, schema
from etl.database.store import Store
from etl.errors import EnvironmentProblem
from etl.monitoring import doctor
from etl.quality import gx
from etl.settings import Settings
from tests.integration.conftest import Ask, Command
from tests.logs import flow, json_lines, write

NOTES = ("Zürich", "東京", "naïve ☃", "\U0001f512")
FOREIGN = ("LATIN1", "SQL_ASCII", "EUC_JP", "WIN1252")


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return write(
        tmp_path / "conn.log", json_lines([{**flow(n), "note": note} for n, note in enumerate(NOTES)])
    )


def _notes(ask: Ask) -> list[str]:
    return [note for (note,) in ask("SELECT extra ->> 'note' FROM zeek.conn ORDER BY etl_line")]


@pytest.mark.parametrize("foreign", FOREIGN)
def test_text_is_kept_whatever_the_environment_prefers(
    command: Command, ask: Ask, log: Path, foreign: str
) -> None:
    assert command("ingest", log, PGCLIENTENCODING=foreign).returncode == 0
    assert _notes(ask) == list(NOTES)


@pytest.mark.parametrize("place", ["ROLE postgres", "DATABASE {}", "ROLE postgres IN DATABASE {}"])
def test_text_is_kept_whatever_role_and_database_prefer(
    command: Command, ask: Ask, log: Path, database_url: str, place: str
) -> None:
    where = place.format(make_url(database_url).database)
    ask(f"ALTER {where} SET client_encoding = 'LATIN1'")
    try:
        assert command("ingest", log).returncode == 0
        shown = command("query", "SELECT extra ->> 'note' AS note FROM zeek.conn", "--all", "--json").stdout
    finally:
        ask(f"ALTER {where} RESET client_encoding")
    assert _notes(ask) == list(NOTES)
    assert all(note in shown for note in NOTES)


def test_a_url_that_asks_for_another_encoding_is_not_obeyed(database_url: str) -> None:
    store = Store.open(
        f"{database_url}&client_encoding=LATIN1&options=-cclient_encoding%3DLATIN1", Settings()
    )
    with store.session() as connection:
        assert connection.exec_driver_sql("SHOW client_encoding").scalar() == "UTF8"


def test_sessions_of_great_expectations_speak_utf8_too(store: Store, ask: Ask, database_url: str) -> None:
    database = make_url(database_url).database
    ask(f"ALTER DATABASE {database} SET client_encoding = 'LATIN1'")
    with store.loading() as connection:
        address = engine.url_as(connection, store.url, store.settings, "conn-etl gate")
    source = gx._add_source(gx._context(), address)
    for made in (source.get_engine(), source.get_execution_engine().engine):
        with made.connect() as connection:
            shown = [
                connection.exec_driver_sql(f"SHOW {name}").scalar()
                for name in ("client_encoding", "timezone", "role", "application_name", "tcp_user_timeout")
            ]
        assert shown[:4] == ["UTF8", "UTC", "conn_loader", "conn-etl gate"]
        made.dispose()


@pytest.fixture(params=["LATIN1", "SQL_ASCII"])
def foreign_url(server_url: str, request: pytest.FixtureRequest) -> Iterator[str]:
    """URL of an empty database in another encoding."""
    name = f"foreign_{uuid.uuid4().hex[:8]}"
    connection = psycopg2.connect(server_url)
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute(
            sql.SQL("CREATE DATABASE {} ENCODING {} LOCALE 'C' TEMPLATE template0").format(
                sql.Identifier(name), sql.Literal(request.param)
            )
        )
        yield make_url(server_url).set(database=name).render_as_string(hide_password=False)
        cursor.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))
    connection.close()


def test_a_database_in_another_encoding_is_refused_with_the_cure(
    foreign_url: str, command: Command, log: Path
) -> None:
    store = Store.open(foreign_url, Settings())
    with pytest.raises(EnvironmentProblem, match="ENCODING 'UTF8'"):
        schema.migrate(store.engine)
    for verb in (("migrate",), ("ingest", log), ("verify",)):
        done = command(*verb, CONN_ETL_DATABASE_URL=foreign_url)
        assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
        assert "the database's encoding is" in done.stderr
    assert [f for f in doctor.examine(store) if f.level == "error" and "encoding" in f.what]

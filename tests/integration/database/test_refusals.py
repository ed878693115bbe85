"""A database that cannot be worked with is refused for good, in one line, with the cure; what passes is not."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from etl import pipeline
from etl.database import schema
from etl.database.driver_errors import translated
from etl.database.store import Store
from etl.errors import EnvironmentProblem, PermanentError, TransientError
from etl.settings import Settings
from tests.integration.conftest import Ask
from tests.passwords import PasswordServer, password_server

PASSWORD = "p@ss/word"


@pytest.fixture(scope="module")
def server() -> Iterator[PasswordServer]:
    with password_server(PASSWORD) as running:
        yield running


WRONG = [
    (lambda url: url.replace("p%40ss%2Fword", ""), "~/.pgpass"),
    (lambda url: url.replace("%40", "@"), "%40"),
    (lambda url: url.replace("p%40ss", "other"), "check user and password"),
    (lambda url: url.replace("/conn_etl", "/nothing_here"), "create the database"),
    (lambda url: f"{url}?nonsense=1", "remove it from the URL"),
    (lambda url: f"{url}?sslmode=sometimes", "correct it in the URL"),
    (lambda url: f"{url}?sslmode=require", "set up SSL"),
    (lambda url: f"{url}?sslmode=verify-full", "set up SSL"),
    (lambda url: f"{url}?connect_timeout=soon", "correct it in the URL"),
    (lambda url: f"{url}?options=-cnonsense%3D1", "check the options"),
    (lambda url: f"{url}?options=-crole%3Dnobody_there", "check its name"),
]  # fmt: skip


@pytest.mark.parametrize("number", range(len(WRONG)))
def test_a_wrong_address_is_permanent_and_has_its_cure(server: PasswordServer, number: int) -> None:
    change, cure = WRONG[number]
    with (
        pytest.raises(PermanentError) as caught,
        Store.open(change(server.by_tcp(PASSWORD)), Settings()).session(),
    ):
        pass
    assert cure in str(caught.value)
    assert "ss/word" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_server_that_is_not_there_is_transient(server: PasswordServer) -> None:
    url = server.by_tcp(PASSWORD).replace(":5432", ":1")
    with pytest.raises(TransientError, match="start it"), Store.open(url, Settings()).session():
        pass


def test_a_session_that_only_reads_for_a_moment_is_transient(store: Store) -> None:
    with store.session() as connection:
        connection.exec_driver_sql("SET default_transaction_read_only = on")
        connection.commit()
        with pytest.raises(TransientError, match="failover"), translated():
            connection.exec_driver_sql("CREATE TABLE mine (a int)")


@pytest.mark.parametrize("name", ["etl", "zeek"])
def test_a_schema_of_another_application_is_not_touched(
    empty_database_url: str, server_url: str, name: str
) -> None:
    assert server_url
    store = Store.open(empty_database_url, Settings(attempts=1))
    with store.engine.begin() as connection:
        connection.exec_driver_sql(f"CREATE SCHEMA {name}")
        connection.exec_driver_sql(f"CREATE TABLE {name}.file (precious int)")
    with pytest.raises(EnvironmentProblem, match=f"the schema {name} is taken by another application"):
        store.migrate()
    with pytest.raises(EnvironmentProblem, match="taken by another application"):
        pipeline.begin(store, "mine", "command", {})
    with store.engine.begin() as connection:
        tables = connection.exec_driver_sql(
            "SELECT relname FROM pg_class WHERE relnamespace IN (SELECT oid FROM pg_namespace WHERE nspname IN "
            "('etl', 'zeek'))"
        )
        assert tables.scalars().all() == ["file"]


def test_a_schema_of_a_newer_program_is_refused_by_migrate_too(store: Store, ask: Ask) -> None:
    ask("UPDATE etl.alembic_version SET version_num = '9999'")
    with pytest.raises(EnvironmentProblem, match="or a newer one"):
        schema.migrate(store.engine)

"""A question only reads, whatever login the program has: here that of a superuser, the worst case."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Iterator
from datetime import timedelta

import psycopg2
import pytest
from sqlalchemy.engine import make_url

from etl.database.store import Store
from etl.errors import Busy, ConnEtlError, EnvironmentProblem, Misuse
from etl.query import ask
from etl.settings import Settings
from tests.integration.conftest import Ask, Command

ATTACKS = {
    "password hashes": "SELECT rolname, rolpassword FROM pg_authid",
    "password hashes by another view": "SELECT usename, passwd FROM pg_shadow",
    "a file": "SELECT pg_read_file('/etc/passwd')",
    "bytes of a file": "SELECT pg_read_binary_file('/etc/passwd')",
    "a folder": "SELECT pg_ls_dir('/')",
    "the server's log": "SELECT pg_current_logfile()",
    "a table": "CREATE TABLE zeek.mine (a int)",
    "a table by SELECT": "SELECT 1 AS a INTO zeek.mine",
    "a temporary table": "CREATE TEMPORARY TABLE mine (a int)",
    "a program": "COPY zeek.conn_state TO PROGRAM 'id'",
    "a file to write": "COPY zeek.conn_state TO '/tmp/mine'",
    "a large object": "SELECT lo_create(0)",
    "a large object with content": "SELECT lo_from_bytea(0, 'x')",
    "a large object to a file": "SELECT lo_export(1, '/tmp/mine')",
    "a large object from a file": "SELECT lo_import('/etc/passwd')",
    "another role": "SET ROLE conn_owner",
    "no role": "RESET ROLE",
    "another user": "SET SESSION AUTHORIZATION postgres",
    "its own user": "RESET SESSION AUTHORIZATION",
    "another role by function": "SELECT set_config('role', 'conn_owner', false)",
    "a loader by function": "SELECT set_config('role', 'conn_loader', false)",
    "a superuser by function": "SELECT set_config('role', 'postgres', false)",
    "another user by function": "SELECT set_config('session_authorization', 'postgres', false)",
    "to write by function": "SELECT set_config('transaction_read_only', 'off', false)",
    "a block": "DO $$ BEGIN RESET ROLE; EXECUTE 'CREATE TABLE zeek.mine (a int)'; END $$",
    "two statements": "SELECT 1; CREATE TABLE zeek.mine (a int)",
    "an end of the transaction": "SELECT 1; COMMIT; CREATE TABLE zeek.mine (a int)",
    "an end of the wrapping": "SELECT 1) AS a; CREATE TABLE zeek.mine (a int); SELECT * FROM (SELECT 1",
    "rows that go": "WITH gone AS (DELETE FROM zeek.conn_state RETURNING *) SELECT * FROM gone",
    "rows that change": "UPDATE zeek.conn_state SET meaning = 'mine'",
    "a number that goes": "SELECT nextval('etl.batch_id_seq')",
    "a setting": "SELECT pg_reload_conf()",
    "a session that ends": "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'postgres'",
    "a partition": "SELECT etl.ensure_partition(DATE '2026-03-01')",
    "rows through XML": "SELECT query_to_xml('DELETE FROM zeek.conn_state', true, false, '')",
    "a role through XML": "SELECT query_to_xml('SET ROLE conn_owner', true, false, '')",
    "hashes through XML": "SELECT query_to_xml('SELECT rolpassword FROM pg_authid', true, false, '')",
    "a table through XML": "SELECT query_to_xml('CREATE TABLE zeek.mine (a int)', true, false, '')",
    "rows locked": "SELECT * FROM etl.file FOR UPDATE",
    "a batch held": "SELECT pg_advisory_lock(7101, 1)",
    "a batch held in passing": "SELECT pg_try_advisory_lock(7101, 1)",
    "a statistic": "SELECT pg_stat_reset()",
    "a slot": "SELECT pg_create_physical_replication_slot('mine')",
}


def _asked(store: Store, sql: str, seconds: float = 20, **values: str) -> list[tuple[object, ...]]:
    with store.reading() as connection, ask.reading(connection, timedelta(seconds=seconds)):
        ask.unbounded(connection, sql, values)
        return [tuple(row) for row in ask.ask(connection, sql, values).rows]


@pytest.fixture
def unchanged(ask: Ask) -> Iterator[None]:
    """What an attack would have changed is as it was."""
    state = (
        "SELECT to_regclass('zeek.mine'), (SELECT last_value FROM etl.batch_id_seq), "
        "(SELECT md5(string_agg(state::text, ',' ORDER BY state::text)) FROM zeek.conn_state AS state), "
        "(SELECT count(*) FROM pg_largeobject_metadata), (SELECT count(*) FROM pg_replication_slots)"
    )
    before = ask(state)
    yield
    assert ask(state) == before


@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize("sql", ATTACKS.values(), ids=ATTACKS.keys())
def test_what_a_superuser_could_do_a_question_cannot(store: Store, sql: str) -> None:
    with pytest.raises(ConnEtlError):
        _asked(store, sql)


def test_dblink_takes_a_question_nowhere(store: Store, ask: Ask) -> None:
    if not ask("SELECT 1 FROM pg_available_extensions WHERE name = 'dblink'"):
        pytest.skip("this server has no dblink")
    ask("CREATE EXTENSION dblink")
    with pytest.raises(ConnEtlError, match="password"):
        _asked(store, "SELECT * FROM dblink('user=postgres', 'SELECT 1') AS x (a int)")


@pytest.mark.usefixtures("unchanged")
def test_a_value_cannot_end_the_literal_that_it_stands_in(store: Store) -> None:
    evil = "; CREATE TABLE zeek.mine (a int) --"
    with pytest.raises(ConnEtlError):
        _asked(store, "SELECT ':word'", word=evil)
    assert _asked(store, "SELECT :word", word=evil) == [(evil,)]


def test_the_login_itself_is_a_reader_whatever_the_question_sets(store: Store) -> None:
    sql = (
        "SELECT session_user::text, current_user::text, set_config('role', 'none', false), "
        "current_setting('default_transaction_read_only'), current_setting('transaction_read_only')"
    )
    assert _asked(store, sql) == [("reader", "conn_reader", "none", "on", "on")]
    after = "SELECT set_config('role', 'none', false), pg_has_role(session_user, 'conn_loader', 'MEMBER')"
    assert _asked(store, after) == [("none", False)]


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT pg_sleep(30)",
        "SELECT set_config('statement_timeout', '0', false), pg_sleep(30)",
        "SELECT set_config('statement_timeout', '0', false), pg_sleep(0.01) FROM generate_series(1, 100000)",
        "SELECT count(*) FROM generate_series(1, 100000000000)",
    ],
)
def test_a_question_ends_in_time_whatever_it_sets(store: Store, sql: str) -> None:
    began = time.monotonic()
    with pytest.raises(Busy, match="took longer than 1 seconds"):
        _asked(store, sql, seconds=1)
    assert time.monotonic() - began < 8


@pytest.fixture
def no_reader(ask: Ask) -> Iterator[None]:
    """A server whose login ``reader`` may do more."""
    ask("GRANT conn_loader TO reader")
    yield
    ask("REVOKE conn_loader FROM reader")


@pytest.mark.usefixtures("no_reader")
def test_without_a_reader_it_says_how_to_make_one(command: Command) -> None:
    done = command("query", "SELECT 1")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert "postgres is more (postgres (superuser))" in done.stderr
    assert "CREATE ROLE reader LOGIN PASSWORD '…' IN ROLE conn_reader" in done.stderr
    assert "CONN_ETL_READER_URL" in done.stderr


@pytest.mark.usefixtures("no_reader")
@pytest.mark.parametrize(
    ("rights", "fits"),
    [
        ("IN ROLE conn_reader", True),
        ("IN ROLE conn_reader, pg_monitor", True),
        ("IN ROLE conn_loader", False),
        ("IN ROLE conn_owner", False),
        ("IN ROLE conn_reader, pg_read_server_files", False),
        ("IN ROLE conn_reader, pg_read_all_data", False),
        ("CREATEROLE IN ROLE conn_reader", False),
        ("CREATEDB IN ROLE conn_reader", False),
        ("REPLICATION IN ROLE conn_reader", False),
        ("SUPERUSER", False),
        ("IN ROLE postgres", False),
    ],
)
def test_a_login_of_the_setting_has_to_be_a_reader(
    ask: Ask, database_url: str, rights: str, *, fits: bool
) -> None:
    name = f"asker_{uuid.uuid4().hex[:8]}"
    ask(f"CREATE ROLE {name} LOGIN {rights}")
    url = make_url(database_url).set(username=name).render_as_string(hide_password=False)
    chosen = Store.open(database_url, Settings.model_validate({"reader_url": url}))
    try:
        if fits:
            assert _asked(chosen, "SELECT session_user::text") == [(name,)]
        else:
            with pytest.raises(EnvironmentProblem, match="can only read"):
                _asked(chosen, "SELECT 1")
    finally:
        ask(f"DROP ROLE {name}")


def test_a_small_question_is_answered_at_once(store: Store) -> None:
    _asked(store, "SELECT 1")
    began = time.monotonic()
    for _ in range(10):
        _asked(store, "SELECT 1")
    assert (time.monotonic() - began) / 10 < 2


def test_the_command_prints_nothing_that_a_reader_may_not_see(command: Command) -> None:
    for sql in (ATTACKS["password hashes"], ATTACKS["a file"], ATTACKS["a program"], ATTACKS["a table"]):
        done = command("query", sql, "--json")
        assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1), sql
    assert json.loads(command("query", "SELECT 1 AS one", "--json").stdout)["rows"] == [{"one": 1}]


def test_a_reader_cannot_be_had_by_a_wrong_address(store: Store) -> None:
    settings = Settings.model_validate({"reader_url": "postgresql://me:a@b@host/db"})
    with pytest.raises(EnvironmentProblem, match="%40"), Store.open(str(store.url), settings).reading():
        pass


def test_misuse_is_what_a_statement_beyond_reading_is(store: Store) -> None:
    with pytest.raises(Misuse, match="permission denied"):
        _asked(store, "SELECT rolpassword FROM pg_authid")


def test_the_embedded_login_has_no_more_than_it_needs(database_url: str) -> None:
    connection = psycopg2.connect(str(make_url(database_url).set(username="reader").render_as_string()))
    with connection, connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM zeek.conn")
    connection.close()

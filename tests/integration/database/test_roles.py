"""Least privilege: what each role can do is enough for its work, and what it must not do is refused by the server."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg2
import psycopg2.errors
import pytest
from sqlalchemy.engine import make_url

from etl import pipeline
from etl.database import schema
from etl.database.store import Store
from etl.errors import ConnEtlError, EnvironmentProblem
from etl.monitoring import doctor, verify
from etl.resources import resource_dir
from etl.settings import Settings
from tests.logs import flow, flows, tsv, write

Login = Callable[..., str]

LOADER_MUST_NOT = (
    "CREATE TABLE zeek.mine (a int)",
    "CREATE VIEW zeek.mine AS SELECT 1",
    "ALTER TABLE zeek.conn ADD COLUMN mine int",
    "ALTER TABLE zeek.conn DETACH PARTITION zeek.conn_20260301",
    "DROP TABLE zeek.conn",
    "DROP TABLE zeek.conn_20260301",
    "TRUNCATE zeek.conn",
    "TRUNCATE zeek.conn_20260301",
    "UPDATE zeek.conn SET src_bytes = 0",
    "SELECT * FROM zeek.conn_20260301",
    "INSERT INTO zeek.conn_state VALUES ('XX', 'mine')",
    "DELETE FROM zeek.history_flag",
    "CREATE INDEX ON zeek.conn (src_bytes)",
    "COMMENT ON TABLE zeek.conn IS 'mine'",
    "DELETE FROM etl.file",
    "TRUNCATE etl.file CASCADE",
    "DROP TABLE etl.file CASCADE",
    "ALTER TABLE etl.file DROP CONSTRAINT file_equation",
    "ALTER TABLE etl.file DISABLE TRIGGER ALL",
    "DELETE FROM etl.run",
    "UPDATE etl.alembic_version SET version_num = '0000'",
    "UPDATE etl.unknown_column SET type = 'mine'",
    "DROP FUNCTION etl.ensure_partition",
    "CREATE OR REPLACE FUNCTION etl.ensure_partition(day date) RETURNS boolean LANGUAGE sql AS 'SELECT true'",
    "CREATE SCHEMA mine",
    "DROP SCHEMA zeek CASCADE",
    "SET ROLE conn_owner",
    "CREATE ROLE mine",
    "GRANT conn_owner TO current_user",
    "SELECT * FROM secret.thing",
    "SELECT rolpassword FROM pg_authid",
    "SELECT pg_read_file('/etc/hostname')",
    "COPY zeek.conn_state TO '/tmp/mine'",
    "COPY zeek.conn_state TO PROGRAM 'cat'",
    "SELECT etl.ensure_partition(DATE '1889-01-01')",
)
DISTURBING = (
    "CREATE TEMPORARY TABLE mine (a int)",
    "SELECT pg_advisory_lock(7101, 1)",
    "SELECT pg_advisory_xact_lock(7103, 1)",
    "SELECT pg_try_advisory_lock_shared(7100)",
    "SELECT lo_create(0)",
    "SELECT lo_creat(-1)",
    "SELECT lo_from_bytea(0, 'x')",
    "SELECT lo_import('/etc/passwd')",
    "CREATE TABLE public.mine (a int)",
)
"""What holds up loads, or fills the disk with what no ledger knows."""
READER_MUST_NOT = (
    "INSERT INTO etl.run (run_id, kind) VALUES ('mine', 'command')",
    "UPDATE etl.file SET state = 'failed'",
    "DELETE FROM zeek.conn",
    "UPDATE zeek.conn SET src_bytes = 0",
    "DELETE FROM etl.quarantine",
    "CREATE TABLE etl.stage_1 (a int)",
    "CREATE TABLE zeek.mine (a int)",
    "SELECT etl.ensure_partition(DATE '2026-03-02')",
    "SELECT nextval('etl.batch_id_seq')",
    "BEGIN; LOCK TABLE zeek.conn IN ACCESS EXCLUSIVE MODE",
    "SET ROLE conn_loader",
    "SELECT * FROM secret.thing",
    *DISTURBING,
)
STRANGER_MUST_NOT = (
    *DISTURBING,
    "SELECT * FROM zeek.conn",
    "SELECT * FROM etl.file",
    "SELECT * FROM etl.quarantine",
    "SELECT etl.ensure_partition(DATE '2026-03-02')",
)


def _run(url: str, *statements: str) -> list[Any]:
    connection = psycopg2.connect(url)
    connection.autocommit = True
    try:
        with connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
            return cursor.fetchall() if cursor.description else []
    finally:
        connection.close()


@pytest.fixture
def login(database_url: str) -> Iterator[Login]:
    """Make a login user that is a member of one role, and return the database's URL for it."""
    made: list[str] = []

    def make(role: str | None, options: str = "") -> str:
        name = f"user_{uuid.uuid4().hex[:8]}"
        made.append(name)
        _run(
            database_url,
            f"CREATE ROLE {name} LOGIN {options}",
            *([f"GRANT {role} TO {name}"] if role else []),
        )
        return make_url(database_url).set(username=name).render_as_string(hide_password=False)

    yield make
    for name in made:
        _run(
            database_url,
            f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{name}'",
            f"REASSIGN OWNED BY {name} TO postgres",
            f"DROP OWNED BY {name} CASCADE",
            f"DROP ROLE {name}",
        )


def _store(url: str) -> Store:
    return Store.open(url, Settings(attempts=1))


@pytest.fixture
def loaded(database_url: str, tmp_path: Path) -> Path:
    """A folder of logs that the superuser loaded, beside a table of somebody else's."""
    write(tmp_path / "conn.log", tsv([*flows(10), flow(10, id_resp_h="8.8.8.999")]))
    _store(database_url).migrate()  # rights on a database itself are not copied from its template
    pipeline.ingest(_store(database_url), [str(tmp_path)])
    _run(database_url, "CREATE SCHEMA secret", "CREATE TABLE secret.thing (a int)")
    return tmp_path


@pytest.mark.parametrize("options", ["INHERIT", "NOINHERIT"])
def test_a_loader_can_do_all_the_work(login: Login, tmp_path: Path, options: str) -> None:
    store = _store(login("conn_loader", options))
    log = write(
        tmp_path / "conn.log", tsv([*flows(10), flow(10, id_resp_h="8.8.8.999"), flow(11, conn_state="REG")])
    )
    summary = pipeline.ingest(store, [str(log)])
    assert [summary.total(term) for term in pipeline.TERMS] == [12, 10, 0, 2]
    assert pipeline.ingest(store, [str(log)], replace=True).total("rows_loaded") == 10
    assert pipeline.unload(store, [str(log)]).rows == 10
    with store.loading() as connection:
        assert verify.faults(connection) == []


def test_one_loader_drops_the_staging_that_another_left(
    login: Login, database_url: str, tmp_path: Path
) -> None:
    first, second = _store(login("conn_loader")), _store(login("conn_loader"))
    log = write(tmp_path / "conn.log", tsv(flows(10)))
    pipeline.begin(first, "first", "command", {})
    (batch,) = pipeline.discover(
        first, "first", [str(write(tmp_path / "2026-03-01" / "conn.08:00:00-09:00:00.log", log.read_bytes()))]
    )
    pipeline.stage(first, batch)
    staging = "SELECT count(*) FROM pg_class WHERE relname LIKE 'stage\\_%' AND relkind = 'r'"
    assert _run(database_url, staging) > [(0,)]
    assert pipeline.ingest(second, [str(tmp_path)]).total("rows_loaded") == 10
    assert _run(database_url, staging) == [(0,)]


@pytest.mark.usefixtures("loaded")
def test_a_loader_is_refused_what_is_not_its_work(login: Login) -> None:
    url = login("conn_loader")
    for statement in LOADER_MUST_NOT:
        _refused(url, statement)


@pytest.mark.usefixtures("loaded")
def test_a_reader_reads_and_nothing_else(login: Login) -> None:
    url = login("conn_reader")
    assert _run(url, "SELECT count(*) FROM zeek.conn") == [(10,)]
    for table in (
        "etl.file",
        "etl.quarantine",
        "etl.expectation_result",
        "etl.run",
        "zeek.conn_state",
        "zeek.history_flag",
    ):
        assert _run(url, f"SELECT count(*) >= 0 FROM {table}") == [(True,)]
    for statement in READER_MUST_NOT:
        _refused(url, statement)


@pytest.mark.usefixtures("loaded")
def test_whoever_is_in_no_role_sees_nothing(login: Login) -> None:
    url = login(None)
    for statement in STRANGER_MUST_NOT:
        _refused(url, statement)


def _refused(url: str, statement: str) -> None:
    try:
        _run(url, statement)
    except (psycopg2.errors.InsufficientPrivilege, psycopg2.errors.DatetimeFieldOverflow):
        return
    pytest.fail(f"allowed: {statement}")


@pytest.mark.usefixtures("loaded")
def test_a_loader_cannot_bend_the_owners_function(login: Login) -> None:
    """A function or type that shadows a built-in one must not run with the owner's rights."""
    url = login("conn_loader")
    shadow = "CREATE FUNCTION {}.to_char(date, text) RETURNS text LANGUAGE sql AS $$SELECT 'evil'$$"
    _run(
        url,
        "SET ROLE conn_loader",
        shadow.format("etl"),
        shadow.format("pg_temp"),
        "SET search_path = pg_temp, etl, pg_catalog",
        "SELECT etl.ensure_partition(DATE '2026-05-05')",
    )
    names = _run(
        url, "SELECT relname FROM pg_class WHERE relnamespace = 'zeek'::regnamespace AND relispartition"
    )
    assert ("conn_20260505",) in names
    assert ("conn_evil",) not in names


def test_migrations_run_as_the_owner_beside_a_loaders_staging(
    login: Login, database_url: str, tmp_path: Path
) -> None:
    loader = _store(login("conn_loader"))
    pipeline.begin(loader, "one", "dag", {})
    log = write(tmp_path / "2026-03-01" / "conn.08:00:00-09:00:00.log", tsv(flows(3)))
    (batch,) = pipeline.discover(loader, "one", [str(log)])
    pipeline.stage(loader, batch)
    schema.migrate(_store(_owning(database_url, login("conn_owner"))).engine)
    owners = _run(
        database_url,
        "SELECT DISTINCT relowner::regrole::text FROM pg_class WHERE relnamespace IN ('etl'::regnamespace, "
        "'zeek'::regnamespace) AND relname NOT LIKE 'stage\\_%'",
    )
    assert owners == [("conn_owner",)]


def _owning(database_url: str, login_url: str) -> str:
    """The database's URL for this login, which owns it from now on."""
    url, user = make_url(database_url), make_url(login_url).username
    assert user is not None
    _run(database_url, f'ALTER DATABASE "{url.database}" OWNER TO {user}')
    return url.set(username=user).render_as_string(hide_password=False)


def test_an_owner_without_further_rights_migrates_a_database_of_its_own(
    login: Login, empty_database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    url = _owning(empty_database_url, login("conn_owner"))
    with caplog.at_level(logging.WARNING):
        assert schema.migrate(_store(url).engine) == schema.newest_version()
    what, cure = schema.OPEN_FUNCTIONS
    assert f"{what}; {cure}" in caplog.text
    assert (what, cure) in {(finding.what, finding.cure) for finding in doctor.examine(_store(url))}
    _run(empty_database_url, (resource_dir("sql") / "roles.sql").read_text())
    assert what not in {finding.what for finding in doctor.examine(_store(url))}


@pytest.mark.parametrize("role", ["conn_loader", "conn_reader", None])
def test_who_may_not_migrate_is_told_whom_to_ask(
    login: Login, empty_database_url: str, role: str | None
) -> None:
    user = make_url(login(role)).username
    assert user is not None
    url = make_url(empty_database_url).set(username=user).render_as_string(hide_password=False)
    with pytest.raises(EnvironmentProblem, match="owner"):
        schema.migrate(_store(url).engine)


def test_a_reader_that_ingests_is_told_what_it_needs(login: Login, loaded: Path, database_url: str) -> None:
    more = write(loaded / "more.log", tsv(flows(5, 100)))
    with pytest.raises(ConnEtlError, match="conn_loader"):
        pipeline.ingest(_store(login("conn_reader")), [str(more)])
    assert _run(database_url, "SELECT count(*) FROM zeek.conn") == [(10,)]

"""Below the stages: engine, sessions at UTC, driver errors translated, named statements run."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import URL, Connection, Engine, make_url

from etl import errors
from etl.database.statements import statement, statement_on
from etl.settings import Settings

COPY_BYTES = 1 << 20
"""Sent at a time: the driver's own 8 KiB take Python's lock from the reading thread thousands of times a second."""

_TRANSIENT = {
    "40P01": "deadlock with another session",
    "40001": "another session changed the same rows",
    "55P03": "a lock was not to be had in time",
    "57014": "the statement took longer than statement_timeout",
    "53200": "the server ran out of memory or lock space",
    "53300": "the server has no connection left",
}
_ABOUT_VALUES = frozenset({"21", "22", "23", "54", "P0", "XX"})
"""Classes of errors that lie in what a statement was given: values, constraints, sizes."""
_ADVICE = {
    "28P01": "check user and password in CONN_ETL_DATABASE_URL",
    "28000": "check the user in CONN_ETL_DATABASE_URL",
    "3D000": "create the database, then run `conn-etl migrate`",
    "42501": "connect as a member of conn_loader (to ingest) or as the owner (to migrate)",
    "42P01": "run `conn-etl migrate`",
    "3F000": "run `conn-etl migrate`",
}


def parse_url(text: str) -> URL:
    """A libpq URI as an SQLAlchemy URL with the driver psycopg2.

    Raises:
        EnvironmentProblem: it is not a PostgreSQL URI. The text itself is never repeated: it may hold a password.
    """
    try:
        url = make_url(text.strip())
        url.get_backend_name()
    except (sa.exc.ArgumentError, ValueError):
        url = None
    if url is None or url.get_backend_name() not in {"postgresql", "postgres"}:
        raise errors.EnvironmentProblem(
            "CONN_ETL_DATABASE_URL is not a PostgreSQL URI",
            hint="write it as postgresql://user:password@host:5432/database",
        )
    return url.set(drivername="postgresql+psycopg2")


def connect_engine(url: URL, settings: Settings) -> Engine:
    """An engine whose sessions run at UTC, notice a vanished client within seconds and never wait without end."""
    return sa.create_engine(
        url.difference_update_query(["options"]),
        poolclass=sa.pool.NullPool,
        connect_args={
            "options": _flags(url, settings),
            "application_name": "conn-etl",
            "connect_timeout": 10,
            "keepalives_idle": 30,
            "keepalives_interval": 10,
            "keepalives_count": 3,
        },
    )


def _flags(url: URL, settings: Settings, **more: str) -> str:
    options = {
        "timezone": "UTC",
        "client_connection_check_interval": "5s",
        "idle_in_transaction_session_timeout": "30min",
        "lock_timeout": f"{settings.lock_timeout.total_seconds():.0f}s",
        "statement_timeout": f"{settings.statement_timeout.total_seconds():.0f}s",
        **more,
    }
    flags = " ".join(f"-c {name}={value}" for name, value in options.items())
    given = url.query.get("options")
    return f"{flags} {given}" if given else flags


def url_as(connection: Connection, url: URL, settings: Settings, name: str) -> URL:
    """The URL of further sessions (Great Expectations makes its own) like this one: same role, zone and timeouts."""
    role = execute(connection, "session.role").scalar_one()
    more = {} if role == "none" else {"role": str(role)}
    return url.update_query_dict({"options": _flags(url, settings, **more), "application_name": name})


@contextmanager
def translated() -> Iterator[None]:
    """Turn the driver's errors into ours, cause kept: transient ones may be tried again, permanent ones say why.

    Raises:
        TransientError: DatabaseAway, Busy, DiskFull.
        PermanentError: EnvironmentProblem, or the plain class for what should not happen.
    """
    try:
        yield
    except sa.exc.DBAPIError as error:
        raise translate(error) from error


def translate(error: sa.exc.DBAPIError) -> errors.ConnEtlError:
    """The error that says what a driver's error means for a caller."""
    code = getattr(error.orig, "pgcode", None) or ""
    text = str(error.orig or error).strip().partition("\n")[0]
    if code in _TRANSIENT:
        return errors.Busy(f"{_TRANSIENT[code]} ({text})")
    if code.startswith("53"):
        return errors.DiskFull(
            f"the database server has no room: {text}", hint="free disk space on the server"
        )
    if code in _ADVICE:
        return errors.EnvironmentProblem(text, hint=_ADVICE[code])
    for fragment, advice in (("authentication failed", "28P01"), ("does not exist", "3D000")):
        if not code and fragment in text:
            return errors.EnvironmentProblem(text, hint=_ADVICE[advice])
    if not code or code.startswith(("08", "57P")) or isinstance(error, sa.exc.InterfaceError):
        return errors.DatabaseAway(
            f"the database cannot be reached: {text}",
            hint="start it (`conn-etl up` for the embedded one) or wait",
        )
    refused = errors.DatabaseRefused if code[:2] in _ABOUT_VALUES else errors.PermanentError
    return refused(f"the database refused: {text} [{code}]")


def translate_wrapped(error: BaseException) -> errors.ConnEtlError | None:
    """The same for an error of a library that uses the database: it keeps ours as its cause, or only the text.

    None where no error of the driver is behind it.
    """
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, sa.exc.DBAPIError):
            return translate(seen)
        seen = seen.__cause__ or seen.__context__
    return translate_text(str(error))


def translate_text(message: str) -> errors.ConnEtlError | None:
    """A lost connection or another passing trouble of which only SQLAlchemy's message is left; None for others."""
    import psycopg2

    if not (found := re.search(r"\(psycopg2\.(?:errors\.)?(\w+)\) ([^\n]*)", message)):
        return None
    kind: type[Exception] = getattr(psycopg2.errors, found[1], getattr(psycopg2, found[1], psycopg2.Error))
    if issubclass(kind, psycopg2.errors.QueryCanceled):
        return errors.Busy(f"{_TRANSIENT['57014']} ({found[2]})")
    if issubclass(kind, (psycopg2.OperationalError, psycopg2.InterfaceError)):
        return errors.DatabaseAway(f"the database cannot be reached: {found[2]}", hint="start it, or wait")
    return None


@contextmanager
def session(engine: Engine) -> Iterator[Connection]:
    """A connection with errors translated; the caller opens its transactions with ``connection.begin()``."""
    with translated(), engine.connect() as connection:
        yield connection


@contextmanager
def loader_session(engine: Engine) -> Iterator[Connection]:
    """A session that acts as conn_loader, if the user may.

    Then every loader can drop the staging tables of every other one, and a superuser has no more rights than needed.
    """
    with session(engine) as connection:
        execute(connection, "session.act_as_loader")
        connection.commit()
        yield connection


def label(connection: Connection, step: str, batch_id: int) -> None:
    """Show in pg_stat_activity what this session is at."""
    execute(connection, "session.label", name=f"conn-etl {step} {batch_id}")
    connection.commit()


def free_bytes(connection: Connection) -> int | None:
    """Free space where the server keeps its data; None where that is another machine or may not be known."""
    disk = disk_of(connection)
    return None if disk is None else disk.free


def disk_of(connection: Connection) -> shutil._ntuple_diskusage | None:
    """Total, used and free bytes where the server keeps its data; None as for ``free_bytes``."""
    try:
        with connection.begin_nested() if connection.in_transaction() else connection.begin():
            folder = execute(connection, "doctor.data_directory").scalar_one()
        return shutil.disk_usage(folder)
    except (sa.exc.DBAPIError, OSError):
        return None


def execute(connection: Connection, name: str, /, **parameters: Any) -> sa.CursorResult[Any]:
    """Run one named statement."""
    return connection.execute(statement(name), parameters)


def execute_on(
    connection: Connection, name: str, relations: Mapping[str, str], /, **parameters: Any
) -> sa.CursorResult[Any]:
    """Run one named statement on relations: see ``statements.statement_on``."""
    return connection.execute(statement_on(name, relations), parameters)


def copy_in(connection: Connection, table: str, columns: tuple[str, ...], csv: bytes) -> int:
    """COPY one piece of CSV (NULL is the empty unquoted cell) into a table and return the rows taken.

    ``table`` is a name of ours, never one from a log.
    """
    from io import BytesIO

    from psycopg2 import sql

    command = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT csv)").format(
        sql.Identifier(*table.split(".")), sql.SQL(", ").join(map(sql.Identifier, columns))
    )
    driver = connection.connection.driver_connection
    assert driver is not None
    try:
        with driver.cursor() as cursor:
            cursor.copy_expert(command, BytesIO(csv), COPY_BYTES)
            return int(cursor.rowcount)
    except driver.Error as error:
        raise sa.exc.DBAPIError(None, None, error) from error

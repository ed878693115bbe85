"""How sessions are opened: UTF8, UTC, bounded waits, keepalives; direct, or through a pool in session mode.

Settings are made by SQL once a session is there, not by libpq's ``options``: PgBouncer refuses those. Nothing is set
before it is certain that the session is ours alone.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql.psycopg2 import PGDialect_psycopg2
from sqlalchemy.engine import URL, Connection, Engine, make_url

from etl import errors
from etl.database import citus, pooler
from etl.database.driver_errors import translated
from etl.database.statements import compiled, execute
from etl.settings import Settings

_CLIENT: Mapping[str, str] = {
    "application_name": "conn-etl",
    "connect_timeout": "10",
    "keepalives_idle": "30",
    "keepalives_interval": "10",
    "keepalives_count": "3",
    "tcp_user_timeout": "60000",
}
"""What libpq gets where the URL says nothing else: a server that vanished is given up after a minute."""

_SERVER: Mapping[str, str] = {
    "timezone": "UTC",
    "client_connection_check_interval": "5s",
    "idle_in_transaction_session_timeout": "30min",
    "tcp_keepalives_idle": "30",
    "tcp_keepalives_interval": "10",
    "tcp_keepalives_count": "3",
    "tcp_user_timeout": "60000",
}
"""What each session is set to: a client that vanished without a word frees its locks after a minute."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Address:
    """A database and what each session on it is set to; hashable."""

    url: URL
    parameters: tuple[tuple[str, str], ...]
    """Names and values for set_config."""

    def connect_args(self) -> dict[str, Any]:
        """What ``psycopg2.connect`` takes; holds the password."""
        arguments: dict[str, Any] = _dialect().create_connect_args(self.url)[1]
        # goes above PGCLIENTENCODING and above what the role or the database prefers
        return {**_CLIENT, **arguments, "client_encoding": "UTF8"}

    def setting(self, **parameters: str) -> Address:
        """The same database, with further parameters for its sessions."""
        return replace(self, parameters=tuple((dict(self.parameters) | parameters).items()))

    def prepare(self, driver_connection: Any) -> None:
        """Set the parameters of a session that was just opened.

        Raises:
            EnvironmentProblem: it is one of a pooler that gives it to other clients between transactions.
        """
        driver_connection.autocommit = True
        if not self._set(driver_connection, driver_connection.info.backend_pid):
            pooler.require_session_mode(driver_connection, self.connect_args())
            self._set(driver_connection, None)
        driver_connection.autocommit = False

    def _set(self, driver_connection: Any, pid: int | None) -> bool:
        """Whether they were set: only if the backend is the one that libpq knows, where a pid is given."""
        names, values = zip(*self.parameters, strict=True)
        with closing(driver_connection.cursor()) as cursor:
            cursor.execute(
                compiled("session.prepare"), {"names": list(names), "settings": list(values), "pid": pid}
            )
            return bool(cursor.rowcount)

    def prepare_sessions_of(self, engine: Engine) -> None:
        """Prepare each session that an engine opens from now on; those that it has are closed."""
        engine.dispose()
        sa.event.listen(engine, "connect", lambda connection, _record: self.prepare(connection))

    def engine(self) -> Engine:
        """An engine that keeps no session open."""
        made = sa.create_engine(
            self.url.set(query={}), poolclass=sa.pool.NullPool, connect_args=self.connect_args()
        )
        self.prepare_sessions_of(made)
        return made


def _dialect() -> Any:
    dialect: Any = PGDialect_psycopg2
    return dialect()


def parse_url(text: str) -> URL:
    """A libpq URI as an SQLAlchemy URL with the driver psycopg2.

    Raises:
        EnvironmentProblem: it is not a PostgreSQL URI. The text itself is never repeated: it may hold a password.
    """
    if _has_bare_at(text):
        raise errors.EnvironmentProblem(
            "the database's URL has more than one @: a password with an @ in it has to be escaped",
            hint="write %40 for @, %2F for / and %3A for : in user and password",
        )
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


def _has_bare_at(text: str) -> bool:
    """Whether an @ stands behind the one that ends user and password: host and errors would show what follows it."""
    place = re.sub(r"^[^:/@]*(@[^:/@]*)?(:[^@]*)?@", "", text.strip().partition("://")[2])
    base, _, query = place.partition("?")
    return "@" in base or any("@" in option.partition("=")[0] for option in query.split("&"))


def address_of(url: URL, settings: Settings) -> Address:
    """A database as the settings want its sessions: no statement and no wait for a lock is without end."""
    limits = {
        "lock_timeout": f"{settings.lock_timeout.total_seconds() * 1000:.0f}",
        "statement_timeout": f"{settings.statement_timeout.total_seconds() * 1000:.0f}",
    }
    return Address(url=url, parameters=tuple({**_SERVER, **limits}.items()))


def connect_engine(url: URL, settings: Settings) -> Engine:
    """An engine whose sessions run at UTC, notice a vanished client within a minute and never wait without end."""
    return address_of(url, settings).engine()


def url_as(connection: Connection, url: URL, settings: Settings, name: str) -> Address:
    """Where further sessions (Great Expectations makes its own) are opened like this one: same role and limits."""
    role = str(execute(connection, "session.role").scalar_one())
    named = address_of(url.update_query_dict({"application_name": name}), settings)
    return named if role == "none" else named.setting(role=role)


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
    """Free space where the server keeps its data, on Citus the least of its servers; None where it is not known."""
    disk, workers = disk_of(connection), _free_on_workers(connection)
    return min((free for free in (workers, disk and disk.free) if free is not None), default=None)


def _free_on_workers(connection: Connection) -> int | None:
    """Of a cluster the worker with the least; None elsewhere, and where it may not be asked."""
    try:
        with connection.begin_nested() if connection.in_transaction() else connection.begin():
            return citus.free_bytes(connection)
    except sa.exc.DBAPIError:
        return None


def disk_of(connection: Connection) -> shutil._ntuple_diskusage | None:
    """Total, used and free bytes where the server keeps its data; None as for ``free_bytes``."""
    try:
        with connection.begin_nested() if connection.in_transaction() else connection.begin():
            folder = execute(connection, "doctor.data_directory").scalar_one()
        return shutil.disk_usage(folder)
    except (sa.exc.DBAPIError, OSError):
        return None

"""``conn-etl doctor``: what keeps loads from working, each with its cure."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy.engine import Connection

from etl.database import schema
from etl.database.engine import free_bytes
from etl.database.statements import execute
from etl.database.store import Store
from etl.errors import ConnEtlError
from etl.monitoring import environment
from etl.monitoring.environment import Finding
from etl.monitoring.time_zones import wrong_zones
from etl.settings import Settings

OLDEST, NEWEST = 15, 18
"""Major versions of PostgreSQL that are tested."""
UNBOUNDED = 8
"""Questions without a time bound that a server should bear at once."""


def examine(store: Store) -> list[Finding]:
    """All findings, good ones too; a database that is away ends the examination there."""
    found = list(environment.look(store.settings))
    try:
        with store.session() as connection:
            for look in (_rights, _server, _schema, _locks, _disk, _zones, _waiting):
                found += look(connection, store.settings)
        found.append(_questions(store))
    except ConnEtlError as error:
        found.append(Finding(level="error", what=str(error.args[0]), cure=error.hint or ""))
    return found


def _questions(store: Store) -> Finding:
    """Whether ``conn-etl query`` has a login that can only read."""
    try:
        with store.reading():
            return Finding(level="ok", what="questions have a login that can only read")
    except ConnEtlError as error:
        return Finding(level="warning", what=str(error.args[0]), cure=error.hint or "")


def _server(connection: Connection, _settings: Settings) -> Iterator[Finding]:
    server = execute(connection, "doctor.server").one()
    major = server.version // 10_000
    if OLDEST <= major <= NEWEST:
        yield Finding(level="ok", what=f"PostgreSQL {major}, connected as {server.username}")
    else:
        yield Finding(
            level="warning", what=f"PostgreSQL {major} is untested", cure=f"use {OLDEST} to {NEWEST}"
        )
    days = execute(connection, "doctor.partitions").one()
    if days.slots < UNBOUNDED * days.relations:
        yield Finding(
            level="warning",
            what=f"{days.leaves:,} daily partitions with max_locks_per_transaction = {server.max_locks}: {UNBOUNDED} "
            "questions without a time bound at once run out of shared memory",
            cure=f"set it to {-(-UNBOUNDED * days.relations // days.sessions):,} or more",
        )
    if server.superuser:
        yield Finding(
            level="warning", what="connected as a superuser", cure="load as a member of conn_loader"
        )


def _locks(connection: Connection, _settings: Settings) -> Iterator[Finding]:
    """Whether readers can hold the advisory locks that loads wait for."""
    if execute(connection, "doctor.open_functions").scalar_one():
        what, cure = schema.OPEN_FUNCTIONS
        yield Finding(level="warning", what=what, cure=cure)


def _schema(connection: Connection, _settings: Settings) -> Iterator[Finding]:
    for role in execute(connection, "doctor.roles"):
        if not role.there:
            yield Finding(level="error", what=f"role {role.name} is missing", cure="run `conn-etl migrate`")
    wrong = list(_refusals(connection))
    yield from wrong
    if not wrong:
        yield Finding(level="ok", what=f"schema version {schema.newest_version()}")


def _refusals(connection: Connection) -> Iterator[Finding]:
    """Why loads would refuse to work on this database."""
    for require in (schema.require_utf8, schema.require_version):
        try:
            require(connection)
        except ConnEtlError as error:
            yield Finding(level="error", what=str(error.args[0]), cure=error.hint or "")


def _zones(connection: Connection, _settings: Settings) -> Iterator[Finding]:
    """A wrong time zone moves all windows of a sensor by the same whole number of quarter hours."""
    if not execute(connection, "doctor.has_ledger").scalar_one():
        return
    for found in wrong_zones(connection):
        side = "after" if found.quarters > 0 else "before"
        sensor = f"sensor {found.sensor}" if found.sensor else "these logs"
        yield Finding(
            level="warning",
            what=f"rows of {sensor} end {abs(found.quarters) / 4:g} hours {side} their files' windows "
            f"({found.outside} of {found.windows} windows): their names are in another time zone than the settings say",
            cure="set the sensor's zone in CONN_ETL_SENSORS, or CONN_ETL_ZONE, and run ingest over the files again",
        )


def _disk(connection: Connection, settings: Settings) -> Iterator[Finding]:
    free = free_bytes(connection)
    if free is None:
        yield Finding(level="ok", what="the server's disk cannot be seen from here")
    elif free < settings.low_disk:
        yield Finding(level="warning", what=f"{free >> 20:,} MiB free on the server's disk", cure="free some")
    else:
        yield Finding(level="ok", what=f"{free >> 30:,} GiB free on the server's disk")


def _waiting(connection: Connection, settings: Settings) -> Iterator[Finding]:
    """Files that a scan has found and that nobody loads: a DAG that is paused, workers that are away."""
    if not execute(connection, "doctor.has_ledger").scalar_one():
        return
    waiting = execute(connection, "doctor.waiting", longest=settings.max_lag).one()
    if waiting.files:
        yield Finding(
            level="warning",
            what=f"{waiting.files:,} files wait since {waiting.since:%Y-%m-%d %H:%M} UTC",
            cure="see that conn_ingest is not paused and its workers run, or load them with `conn-etl ingest`",
        )


def _rights(connection: Connection, _settings: Settings) -> Iterator[Finding]:
    server = execute(connection, "doctor.server").one()
    for role in execute(connection, "doctor.roles").all():
        if role.name == "conn_loader" and role.there and not role.member:
            yield Finding(
                level="error",
                what=f"{server.username} may not load: it is no member of conn_loader",
                cure=f"GRANT conn_loader TO {server.username}, or connect as another user",
            )

"""The schema: made and changed by Alembic, which runs the files in ``sql/migrations/``; never by hand.

Around the migrations: ``sql/roles.sql`` before them; after them ``sql/functions/``, the dictionary's texts,
``sql/views/`` and ``sql/grants.sql``, which are run again each time.
"""

from __future__ import annotations

import logging
from pathlib import Path

import sqlalchemy as sa
from psycopg2 import sql
from sqlalchemy.engine import Connection, Engine

from etl import errors, fields
from etl.database import citus
from etl.database.engine import session
from etl.database.statements import execute
from etl.resources import resource_dir

log = logging.getLogger(__name__)

OPEN_FUNCTIONS = (
    "every login may take the advisory locks that loads wait for: only a superuser can revoke that",
    "run sql/roles.sql once as a superuser: psql -f sql/roles.sql, in this database",
)
"""What `migrate` leaves open where it is not run by a superuser, and the cure."""
_NEWER = "install the conn-etl that made it, or a newer one"


def versions() -> list[str]:
    """The versions that this code knows, the oldest first: the numbers of the files in ``sql/migrations``."""
    return sorted(path.name.partition("_")[0] for path in _migrations().glob("*.sql"))


def newest_version() -> str:
    """The version that this code needs."""
    return versions()[-1]


def _migrations() -> Path:
    return resource_dir("sql") / "migrations"


def current_version(connection: Connection) -> str | None:
    """The version of the database; None before the first migration."""
    if not sa.inspect(connection).has_table("alembic_version", schema="etl"):
        return None
    return execute(connection, "session.schema_version").scalar_one_or_none()


def require_utf8(connection: Connection) -> None:
    """Refuse a database that cannot hold every text.

    Raises:
        EnvironmentProblem: its encoding is not UTF8.
    """
    encoding = execute(connection, "session.encoding").scalar_one()
    if encoding != "UTF8":
        raise errors.EnvironmentProblem(
            f"the database's encoding is {encoding}, which cannot hold the text of every log",
            hint="make another one: CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0",
        )


def _require_ours(connection: Connection) -> None:
    """Refuse schemas of our names that another application made: ours belong to conn_owner from the first."""
    if taken := execute(connection, "session.taken_schemas").scalars().all():
        raise errors.EnvironmentProblem(
            f"the schema {' and '.join(taken)} is taken by another application",
            hint="give conn-etl a separate database, or rename that schema",
        )


def require_current(connection: Connection) -> None:
    """Refuse to work on the schema of another version, on somebody else's, or in another encoding than UTF8.

    Raises:
        EnvironmentProblem: with what to do.
    """
    require_utf8(connection)
    require_version(connection)


def require_version(connection: Connection) -> None:
    """Refuse the schema of another version, and schemas of our names that are somebody else's.

    Raises:
        EnvironmentProblem: with what to do.
    """
    found, needed = current_version(connection), newest_version()
    if found is None:
        _require_ours(connection)
    connection.rollback()
    if found == needed:
        return
    if found is None:
        raise errors.EnvironmentProblem(
            "the database has no conn-etl schema yet", hint="run `conn-etl migrate`"
        )
    raise errors.EnvironmentProblem(
        f"the database has schema version {found}, this code needs {needed}",
        hint="run `conn-etl migrate`" if found in versions() else _NEWER,
    )


def migrate(engine: Engine, *, version: str = "head", distribute: bool = False) -> str:
    """Bring the database to a version, in one transaction, as conn_owner; a second call changes nothing.

    The roles are made, and committed, before: Citus connects to its workers as one of them.

    Args:
        engine: of the database.
        version: of ``sql/migrations``.
        distribute: spread ``zeek.conn`` over the workers of a Citus cluster.

    Returns:
        The version it has now.

    Raises:
        EnvironmentProblem: the user may neither make roles nor act as conn_owner; the database is not UTF8; its
            schemas are another application's, or of a newer conn-etl; there is no cluster to distribute over.
    """
    logging.getLogger("alembic").setLevel(logging.WARNING)
    with session(engine) as connection:
        with connection.begin():
            require_utf8(connection)
            _require_ours(connection)
            if distribute:
                citus.require(connection)
            execute(connection, "locks.migration")
            _run_file(connection, "roles.sql")
        with connection.begin():
            execute(connection, "locks.migration")
            return _migrate(connection, version, distribute=distribute)


def _migrate(connection: Connection, version: str, *, distribute: bool) -> str:
    """The caller's transaction, in which the roles are there."""
    execute(connection, "session.act_as_owner_here")
    execute(connection, "session.make_schema")
    if (found := current_version(connection)) is not None and found not in versions():
        raise errors.EnvironmentProblem(f"the database has schema version {found}", hint=_NEWER)
    _upgrade(connection, version)
    if version == "head":
        _run_folder(connection, "functions")
        _describe(connection)
        _run_folder(connection, "views")
        _run_file(connection, "grants.sql")
        _warn_of_open_functions(connection)
        if distribute:
            citus.distribute(connection)
        citus.adapt(connection)
    return str(current_version(connection))


def _upgrade(connection: Connection, version: str) -> None:
    from alembic import command  # each command looks at the version, and few migrate
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_migrations()))
    config.attributes["connection"] = connection
    command.upgrade(config, version)


def _warn_of_open_functions(connection: Connection) -> None:
    if execute(connection, "doctor.open_functions").scalar_one():
        log.warning("%s; %s", *OPEN_FUNCTIONS)


def _run_folder(connection: Connection, name: str) -> None:
    for file in sorted((resource_dir("sql") / name).glob("*.sql")):
        _run_file(connection, f"{name}/{file.name}")


def _run_file(connection: Connection, name: str) -> None:
    text = (resource_dir("sql") / name).read_text(encoding="utf-8")
    connection.exec_driver_sql(text, execution_options={"no_parameters": True})


def _describe(connection: Connection) -> None:
    """Fill the lookup tables and comment the columns from the one truth in ``fields``."""
    lookups: dict[str, list[tuple[str, ...]]] = {
        "conn_state": [(state.code, state.meaning) for state in fields.CONN_STATES],
        "history_flag": [(flag.letter, flag.meaning, flag.since) for flag in fields.HISTORY_FLAGS],
        "transport_protocol": [(name,) for name in fields.PROTOCOLS],
    }
    driver = connection.connection.driver_connection
    assert driver is not None
    with driver.cursor() as cursor:
        for table, rows in lookups.items():
            cursor.execute(sql.SQL("DELETE FROM zeek.{}").format(sql.Identifier(table)))
            marks = sql.SQL(", ").join(sql.Placeholder() * len(rows[0]))
            cursor.executemany(
                sql.SQL("INSERT INTO zeek.{} VALUES ({})").format(sql.Identifier(table), marks), rows
            )
        for field in fields.FIELDS:
            unit = f" [{field.unit}]" if field.unit else ""
            comment = sql.SQL("COMMENT ON COLUMN zeek.conn.{} IS {}").format(
                sql.Identifier(field.standard),
                sql.Literal(f"{field.zeek}{unit}: {field.doc}"),
            )
            cursor.execute(comment)

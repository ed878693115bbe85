"""Citus: one PostgreSQL over several servers. Where its SQL differs, this module says which engine it is.

Rows of ``zeek.conn`` lie on the workers, by ``event_uid``; the ledger, staging and quarantine stay on the coordinator,
to which all sessions of conn-etl go: advisory locks are each server's own.
"""

from __future__ import annotations

from sqlalchemy.engine import Connection

from etl.database.statements import execute, statement
from etl.errors import EnvironmentProblem

LOOKUPS = ("conn_state", "history_flag", "transport_protocol")
"""Tables of the schema zeek that every worker has a copy of."""


def is_installed(connection: Connection) -> bool:
    """Whether the database has the extension citus; the caller's transaction."""
    return bool(execute(connection, "citus.is_installed").scalar_one())


def is_distributed(connection: Connection) -> bool:
    """Whether the rows of ``zeek.conn`` lie on workers; the caller's transaction."""
    return is_installed(connection) and bool(execute(connection, "citus.is_distributed").scalar_one())


def require(connection: Connection) -> None:
    """Refuse a database that cannot be distributed; the caller's transaction.

    Raises:
        EnvironmentProblem: the extension is missing, or the cluster has no worker.
    """
    if not is_installed(connection):
        raise EnvironmentProblem(
            "the database has no extension citus",
            hint="CREATE EXTENSION citus on the coordinator, and add workers",
        )
    if not execute(connection, "citus.workers").scalar_one():
        raise EnvironmentProblem(
            "the cluster has no worker", hint="SELECT citus_add_node('host', 5432) on the coordinator"
        )


def distribute(connection: Connection) -> None:
    """Put ``zeek.conn`` on the workers and a copy of the lookup tables on each, if it is not there yet.

    The caller's transaction, as the tables' owner.
    """
    if is_distributed(connection):
        return
    execute(connection, "citus.one_by_one")
    for table in LOOKUPS:
        execute(connection, "citus.copy_everywhere", table=f"zeek.{table}")
    execute(connection, "citus.distribute")


def adapt(connection: Connection) -> None:
    """After a migration of a distributed database: functions as Citus takes them; the caller's transaction."""
    if is_distributed(connection):
        driver_sql = statement("citus.functions_in_plpgsql").text
        connection.exec_driver_sql(driver_sql, execution_options={"no_parameters": True})


def free_bytes(connection: Connection) -> int | None:
    """Free space on the worker that has the least; None where nothing is distributed."""
    if not is_distributed(connection):
        return None
    free: int | None = execute(connection, "citus.free_bytes").scalar_one()
    return free

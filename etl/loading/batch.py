"""Staging: one batch of files as typed rows in ``etl.stage_<batch>``, its rejects and its bad rows beside it.

The three tables are UNLOGGED: crash recovery empties them, and whoever finds less than the ledger says stages again.
"""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from etl.database.engine import execute, log_of
from etl.loading.ledger import BatchFile

REJECT = ("etl_file_id", "etl_line", "raw", "raw_cut", "format", "field", "reason", "rule")
"""Columns of the table of rejects."""
_BESIDE = {
    "_reject": f"SELECT {', '.join(REJECT)} FROM etl.quarantine",  # noqa: S608  names of our own
    "_bad": "SELECT etl_file_id, etl_line, reason AS suite, rule FROM etl.quarantine",
}
_SUFFIXES = ("", *_BESIDE)


def table(batch_id: int) -> str:
    """The staging table of a batch."""
    return f"etl.stage_{int(batch_id)}"


def create(connection: Connection, batch_id: int) -> None:
    """Make the batch's staging tables, empty, whatever was there before; they have no constraint at all."""
    drop(connection, batch_id)
    rows = f"SELECT * FROM zeek.{log_of(connection).name}"  # noqa: S608  the same
    for suffix, columns in {"": rows, **_BESIDE}.items():
        connection.exec_driver_sql(
            f"CREATE UNLOGGED TABLE {table(batch_id)}{suffix} AS {columns} WITH NO DATA"
        )
    bind(connection, batch_id)


def drop(connection: Connection, batch_id: int) -> None:
    """Drop the batch's staging tables, if there are any."""
    names = ", ".join(f"{table(batch_id)}{suffix}" for suffix in _SUFFIXES)
    connection.exec_driver_sql(
        "DROP VIEW IF EXISTS pg_temp.staged, pg_temp.staged_reject, pg_temp.staged_bad"
    )
    # CASCADE: temporary views of a session that ended with its server stay in the catalog, and hold the tables
    connection.exec_driver_sql(f"DROP TABLE IF EXISTS {names} CASCADE")


def bind(connection: Connection, batch_id: int) -> bool:
    """Let the statements in ``sql/`` see the batch's tables as pg_temp.staged…; False where they are missing."""
    exists = sa.text("SELECT to_regclass(:name) IS NOT NULL")
    if not all(connection.scalar(exists, {"name": table(batch_id) + suffix}) for suffix in _SUFFIXES):
        return False
    for suffix in _SUFFIXES:
        connection.exec_driver_sql(
            f"CREATE OR REPLACE TEMPORARY VIEW staged{suffix} AS SELECT * FROM {table(batch_id)}{suffix}"  # noqa: S608
        )
    return True


def intact(connection: Connection, batch_id: int, files: Sequence[BatchFile]) -> bool:
    """Whether staging holds exactly what the ledger says was staged for these files."""
    if any(file.state != "staged" for file in files) or not bind(connection, batch_id):
        return False
    found = {row.etl_file_id: (row.staged, row.rejected) for row in execute(connection, "staging.counts")}
    return all(
        found.get(file.etl_file_id, (0, 0)) == (file.rows_staged or 0, file.rows_rejected or 0)
        for file in files
    )


def judged(connection: Connection, batch_id: int, files: Sequence[BatchFile]) -> bool:
    """Whether the gate ran over this staging and its bad rows are all there."""
    if any(file.rows_failed is None for file in files) or not bind(connection, batch_id):
        return False
    bad = _bad(connection)
    return all(bad.get(file.etl_file_id, 0) == file.rows_failed for file in files)


def note_bad(connection: Connection, files: Sequence[BatchFile]) -> None:
    """Write into the ledger how many rows of each file broke a critical rule."""
    bad = _bad(connection)
    for file in files:
        execute(connection, "ledger.validated", id=file.etl_file_id, rows_failed=bad.get(file.etl_file_id, 0))


def _bad(connection: Connection) -> dict[int, int]:
    return {row.etl_file_id: row.bad for row in execute(connection, "staging.bad_counts")}

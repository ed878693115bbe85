"""Staging: one batch of files as typed rows in ``etl.stage_<batch>``, its rejects and its bad rows beside it.

The three tables are UNLOGGED: crash recovery empties them, and whoever finds less than the ledger says stages again.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from etl.database.engine import execute, execute_on
from etl.loading.ledger import BatchFile
from etl.models import FileState

REJECT = ("etl_file_id", "etl_line", "raw", "raw_cut", "format", "field", "reason", "rule")
"""Columns of the table of rejects, in the order of its CSV."""


def table(batch_id: int) -> str:
    """The staging table of a batch."""
    return f"etl.{_name(batch_id)}"


def create(connection: Connection, batch_id: int) -> None:
    """Make the batch's staging tables, empty, whatever was there before; they have no constraint at all."""
    drop(connection, batch_id)
    _run(connection, "create", batch_id)
    bind(connection, batch_id)


def create_part(connection: Connection, batch_id: int, number: int) -> str:
    """Make a further table for rows of the batch, which counts as part of the first; returns its name."""
    part = f"{_name(batch_id)}_part{number}"
    execute_on(connection, "staging.create_part", {"stage_batch": _name(batch_id), "stage_part": part})
    return f"etl.{part}"


def drop(connection: Connection, batch_id: int) -> None:
    """Drop the batch's staging tables, if there are any."""
    _run(connection, "drop", batch_id)


def bind(connection: Connection, batch_id: int) -> bool:
    """Let the statements in ``sql/`` see the batch's tables as pg_temp.staged…; False where they are missing."""
    if not _run(connection, "there", batch_id).scalar_one():
        return False
    _run(connection, "bind", batch_id)
    return True


def _name(batch_id: int) -> str:
    return f"stage_{int(batch_id)}"


def _run(connection: Connection, name: str, batch_id: int) -> sa.CursorResult[Any]:
    return execute_on(connection, f"staging.{name}", {"stage_batch": _name(batch_id)})


def intact(connection: Connection, batch_id: int, files: Sequence[BatchFile]) -> bool:
    """Whether staging holds exactly what the ledger says was staged for these files."""
    if any(file.state is not FileState.STAGED for file in files) or not bind(connection, batch_id):
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

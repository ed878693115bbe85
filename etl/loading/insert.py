"""Inserting the good rows of a batch: plainly where all are new, else without those that are in the table already.

What came in plainly is known without asking the rows: it is what staging counted, less the bad rows.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import Any, Protocol

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from etl.database.locks import lock_digests
from etl.database.statements import execute
from etl.loading.undo import Redo

log = logging.getLogger(__name__)

UNIQUE_VIOLATION = "23505"


class Miscounted(Exception):
    """The table took another number of rows than staging had counted."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Inserted:
    """Rows of one file that are in ``zeek.conn``, and the span of their times."""

    rows_loaded: int
    min_timestamp: datetime
    max_timestamp: datetime

    @classmethod
    def of(cls, row: Any) -> Inserted:
        """From a row of SQL with these columns."""
        return cls(
            rows_loaded=row.rows_loaded, min_timestamp=row.min_timestamp, max_timestamp=row.max_timestamp
        )


@dataclass(kw_only=True, slots=True)
class Counts:
    """Terms of the equation, each by file id."""

    loaded: Mapping[int, Inserted] = field(default_factory=dict)
    duplicate: Mapping[int, int] = field(default_factory=dict)
    quarantined: Mapping[int, int] = field(default_factory=dict)


class Insert(Protocol):
    """How the rows of a publish transaction come into the table."""

    def lock_digests(self, connection: Connection, digests: Sequence[bytes], redo: Redo) -> None:
        """Take the locks that decide who brings which bytes."""
        ...

    def insert(self, connection: Connection, chosen: Collection[int], days: Sequence[date]) -> Counts:
        """Bring in the rows of ``pg_temp.good``, those of the chosen files on these days; returns loaded, duplicate."""
        ...


class PlainInsert:
    """All of it in the publish transaction, under its locks."""

    def lock_digests(self, connection: Connection, digests: Sequence[bytes], redo: Redo) -> None:
        """Wait for the locks, in their order."""
        lock_digests(connection, [*digests, *redo.digests])

    def insert(self, connection: Connection, chosen: Collection[int], days: Sequence[date]) -> Counts:
        """Nothing where no file has a good row."""
        return insert_good(connection, days) if chosen and days else Counts()


def insert_good(connection: Connection, days: Sequence[date]) -> Counts:
    """Insert the rows of ``pg_temp.good``, all of them on these days; leaves ``pg_temp.leftover`` behind."""
    execute(connection, "publish.target")
    try:
        with connection.begin_nested():
            rows = execute(connection, "publish.insert_all").rowcount
            loaded = loaded_of(connection, rows)
        execute(connection, "publish.no_leftover")
        return Counts(loaded=loaded)
    except Miscounted as error:
        log.warning("the rows are counted as they come in: %s", error)
    except sa.exc.IntegrityError as error:
        if getattr(error.orig, "pgcode", None) != UNIQUE_VIOLATION:
            raise
    added = execute(connection, "publish.insert_new")
    loaded = {row.etl_file_id: Inserted.of(row) for row in added}
    execute(connection, "publish.leftover", first_day=days[0], last_day=days[-1])
    duplicate = {row.etl_file_id: row.rows_duplicate for row in execute(connection, "publish.duplicates")}
    execute(connection, "undo.note_duplicates")
    return Counts(loaded=loaded, duplicate=duplicate)


def loaded_of(connection: Connection, rows: int) -> dict[int, Inserted]:
    """What plain inserts of ``rows`` rows in all brought of each file; their hours are marked as changed.

    Raises:
        Miscounted: staging counted another number of good rows.
    """
    counted = list(execute(connection, "publish.loaded"))
    if (expected := sum(row.rows_loaded for row in counted)) != rows:
        raise Miscounted(f"{rows:,} rows came in, {expected:,} were counted in staging")
    loaded = {row.etl_file_id: Inserted.of(row) for row in counted}
    if unsure := [row.etl_file_id for row in counted if row.unsure]:
        for row in execute(connection, "publish.good_spans", ids=unsure):
            loaded[row.etl_file_id] = replace(
                loaded[row.etl_file_id], min_timestamp=row.min_timestamp, max_timestamp=row.max_timestamp
            )
    return loaded

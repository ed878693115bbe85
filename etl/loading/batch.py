"""A batch of files, and its staging: rows in ``etl.stage_<batch>``; rejects, bad rows, bytes and counts beside it.

The six tables are UNLOGGED: crash recovery empties them, and a step that finds less than the ledger says stages again.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Self

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from etl.database import locks
from etl.database.statements import execute, execute_on
from etl.loading import ledger
from etl.loading.ledger import BatchFile
from etl.models import FileState

log = logging.getLogger(__name__)

REJECT = ("etl_file_id", "etl_line", "raw", "raw_cut", "format_digest", "field", "reason", "rule")
"""Columns of the table of rejects, in the order of its CSV."""
RAW = ("etl_file_id", "etl_line", "raw", "raw_cut", "format_digest")
"""Columns of the table of bytes, in the order of its CSV."""
LOCK_NOT_AVAILABLE = "55P03"


@dataclass(frozen=True, kw_only=True, slots=True)
class Batch:
    """A batch that this session works on: it holds the batch's lock (see ``held``)."""

    batch_id: int
    connection: Connection
    """Outside a transaction, but inside ``bound``."""
    files: Sequence[BatchFile] = ()
    """Its open files, or those of them that a piece of work is about, as the ledger has them."""

    @property
    def table(self) -> str:
        """The staging table of the rows."""
        return f"etl.{_name(self.batch_id)}"

    @property
    def ids(self) -> list[int]:
        """etl_file_id of its files."""
        return [file.etl_file_id for file in self.files]

    def read(self) -> Self:
        """The same batch with all its open files as the ledger has them now."""
        with self.connection.begin():
            return replace(self, files=tuple(ledger.batch_files(self.connection, self.batch_id)))

    def only(self, files: Sequence[BatchFile]) -> Self:
        """The same batch, for work on these files alone."""
        return replace(self, files=tuple(files))

    def on(self, connection: Connection) -> Self:
        """The same batch for another session, which works for the one that holds the lock."""
        return replace(self, connection=connection)

    @contextmanager
    def bound(self) -> Iterator[Connection]:
        """One transaction in which the statements in ``sql/`` see the batch's staging as pg_temp.staged….

        Goes on in the transaction that the connection is in, if it is in one.
        """
        with self.connection.get_transaction() or self.connection.begin():
            self.bind()
            yield self.connection

    def bind(self) -> None:
        """Bind the views in the transaction that the connection is in."""
        _run(self.connection, "bind", self.batch_id, batch=self.batch_id)

    def create(self) -> None:
        """Make the staging tables, empty, whatever was there before; they have no constraint at all.

        Raises:
            Busy: a reader holds the old ones (after ``lock_timeout``).
        """
        with self.connection.begin():
            self.create_tables()

    def create_tables(self) -> None:
        """The same in the transaction that the connection is in."""
        _run(self.connection, "drop", self.batch_id)
        _run(self.connection, "create", self.batch_id)

    def create_part(self, number: int) -> str:
        """Make a further table for rows of the batch, which counts as part of the first; returns its name."""
        part = f"{_name(self.batch_id)}_part{number}"
        names = {"stage_batch": _name(self.batch_id), "stage_part": part}
        execute_on(self.connection, "staging.create_part", names)
        return f"etl.{part}"

    def is_whole(self) -> bool:
        """Whether staging holds exactly what the ledger says was staged for these files."""
        if any(file.state is not FileState.STAGED for file in self.files) or not self._exists():
            return False
        with self.bound() as connection:
            counts = {r.etl_file_id: (r.staged, r.rejected) for r in execute(connection, "staging.counts")}
        expected = {f.etl_file_id: (f.rows_staged or 0, f.rows_rejected or 0) for f in self.files}
        return counts == {i: lines for i, lines in expected.items() if lines != (0, 0)}

    def is_judged(self) -> bool:
        """Whether the gate ran over this staging and its bad rows are all there."""
        if any(file.rows_failed is None for file in self.files) or not self._exists():
            return False
        with self.bound() as connection:
            bad = _bad_counts(connection)
        return all(bad.get(file.etl_file_id, 0) == file.rows_failed for file in self.files)

    def record_bad(self) -> None:
        """Write into the ledger how many rows of each file broke a critical rule; inside ``bound``."""
        bad = _bad_counts(self.connection)
        failed = [bad.get(i, 0) for i in self.ids]
        execute(self.connection, "ledger.validated", ids=self.ids, failed=failed)

    def drop(self) -> bool:
        """Drop the staging tables without waiting; False where a reader holds one, so that a later run does it."""
        return drop_unless_read(self.connection, self.batch_id)

    def _exists(self) -> bool:
        with self.connection.begin():
            return bool(_run(self.connection, "there", self.batch_id).scalar_one())


@contextmanager
def held(connection: Connection, batch_id: int) -> Iterator[Batch]:
    """The batch with its open files, under its lock.

    Raises:
        Busy: another process works on it (after ``lock_timeout``).
    """
    with locks.batch(connection, batch_id):
        yield Batch(batch_id=batch_id, connection=connection).read()


def drop_leftover(connection: Connection, batch_id: int) -> bool:
    """Drop the staging of a batch that no process works on, without waiting for a reader; whether it is gone."""
    with connection.begin():
        if not locks.batch_is_idle(connection, batch_id):
            return False
        return _drop_now(connection, batch_id)


def drop_unless_read(connection: Connection, batch_id: int) -> bool:
    """The same for the process that works on the batch."""
    with connection.begin():
        return _drop_now(connection, batch_id)


def _drop_now(connection: Connection, batch_id: int) -> bool:
    try:
        with connection.begin_nested():
            execute(connection, "staging.hardly_wait")
            _run(connection, "drop", batch_id)
    except sa.exc.OperationalError as error:
        if getattr(error.orig, "pgcode", None) != LOCK_NOT_AVAILABLE:
            raise
        log.info("staging of batch %s is being read, by a dump perhaps; a later run drops it", batch_id)
        return False
    return True


def forget_views(connection: Connection) -> None:
    """Drop this session's temporary views of staging, so that its tables can be dropped."""
    execute(connection, "staging.forget_views")


def _name(batch_id: int) -> str:
    return f"stage_{int(batch_id)}"


def _run(connection: Connection, name: str, batch_id: int, **parameters: Any) -> sa.CursorResult[Any]:
    return execute_on(connection, f"staging.{name}", {"stage_batch": _name(batch_id)}, **parameters)


def _bad_counts(connection: Connection) -> dict[int, int]:
    return {row.etl_file_id: row.bad for row in execute(connection, "staging.bad_counts")}

"""Speculative publishing: while a batch is still being staged and judged, its first parts are inserted already.

It is for the usual case, that every row is new and every file good. In every other case its transaction is rolled back,
and publish does all of it in its own order, which knows every case. Bad rows alone do not end it: they are few, and
deleted again.

A day that is not there yet is filled outside ``zeek.conn`` and gets its unique index at the end: half the price.

The setting ``speculative_publish`` turns it off; ``NotSpeculating`` stands in its place then.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from datetime import date
from typing import Protocol, Self

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from etl.database.driver_errors import translated
from etl.database.engine import label
from etl.database.locks import buckets_of
from etl.database.statements import execute, execute_on
from etl.errors import ConnEtlError
from etl.loading.batch import Batch
from etl.loading.insert import Counts, Miscounted, loaded_of
from etl.loading.ledger import BatchFile
from etl.loading.publish import ConflictsUnread, PublishPlan, publish_once
from etl.loading.stage import Part
from etl.loading.undo import Redo

log = logging.getLogger(__name__)


class SpeculationAborted(Exception):
    """Publishing has to be done in its ordinary order; the text says why."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Bounds:
    """What rows may bring that no gate has judged yet."""

    first_day: date
    last_day: date
    new_days: int


class Ahead(Protocol):
    """What staging and publishing do with a publish that runs ahead of them. A context: it ends with the batch."""

    def __enter__(self) -> Self:
        """Cost nothing until there is a part to insert."""
        ...

    def __exit__(self, *_: object) -> None:
        """Roll back what was not published."""
        ...

    def begin(self, batch: Batch) -> None:
        """Hear which files are about to be staged."""
        ...

    def take(self, part: Part) -> None:
        """Insert a part that is committed, while the next ones are staged and judged."""
        ...

    def publish(self, batch: Batch, plan: PublishPlan) -> bool:
        """Whether the batch is published with this; if not, nothing is left of it, locks included."""
        ...


class NotSpeculating:
    """Nothing is published ahead of its time."""

    def __enter__(self) -> Self:
        """Nothing to begin."""
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing to end."""

    def begin(self, batch: Batch) -> None:
        """Nothing to prepare."""

    def take(self, part: Part) -> None:
        """Leave it to publish."""

    def publish(self, batch: Batch, plan: PublishPlan) -> bool:  # noqa: ARG002  what the protocol hands over
        """It has to be done in the ordinary way."""
        return False


@dataclass(kw_only=True, slots=True)
class SpeculativePublish:
    """Inserts the parts that it takes, in a second thread and session; it also is the ``Insert`` of publish."""

    loading: Callable[[], AbstractContextManager[Connection]]
    """Opens a session that may load."""
    bounds: Bounds
    _batch: Batch | None = None
    _rows: int = 0
    """Inserted so far."""
    _files: frozenset[int] = frozenset()
    """Those that the rows are of, by id; known in the end."""
    _own_days: set[date] = field(default_factory=set)
    """Days that are made in this transaction."""
    _connection: Connection | None = None
    _jobs: list[Future[None]] = field(default_factory=list)
    _pool: ThreadPoolExecutor = field(
        default_factory=lambda: ThreadPoolExecutor(1, thread_name_prefix="publish")
    )
    _session: ExitStack = field(default_factory=ExitStack)

    def __enter__(self) -> Self:
        """Cost nothing until there is a part to insert."""
        return self

    def __exit__(self, *_: object) -> None:
        """Roll back what was not published."""
        self._pool.shutdown(cancel_futures=True)
        self._session.close()

    def begin(self, batch: Batch) -> None:
        """Work for this batch, unless it replaces rows, or is staged for the second time: what was inserted goes."""
        again = self._batch is not None
        if again:
            self._give_up()
        replacing = any(file.before or file.replaces for file in batch.files)
        self._batch = None if again or replacing else batch

    def take(self, part: Part) -> None:
        """Insert a part that is committed; not the only one, since a small batch is quick without."""
        if self._batch is not None and (self._jobs or not part.is_last):
            self._jobs.append(self._pool.submit(self._insert, part))

    def publish(self, batch: Batch, plan: PublishPlan) -> bool:
        """Wait for the inserts, and publish in their transaction what they are part of."""
        if not self._jobs:
            return False
        try:
            for job in self._jobs:
                job.result()
            self._require_all(batch.files)
            assert self._connection is not None
            with translated():
                publish_once(batch.on(self._connection), plan, self)
        except (SpeculationAborted, ConflictsUnread, ConnEtlError) as why:
            log.info("batch %s is published in the ordinary order: %s", batch.batch_id, why)
            return False
        finally:
            self._give_up()
        return True

    def _give_up(self) -> None:
        """Roll back what was not published, so that its locks are free."""
        self._jobs = []
        self.__exit__()

    def _require_all(self, files: Sequence[BatchFile]) -> None:
        staged = {file.etl_file_id: file.rows_staged for file in files if file.rows_staged}
        if sum(staged.values()) != self._rows:
            raise SpeculationAborted("a file of the batch could not be read")
        self._files = frozenset(staged)

    def _insert(self, part: Part) -> None:
        with translated():
            if self._connection is None:
                assert self._batch is not None
                self._connection = self._session.enter_context(self.loading())
                label(self._connection, "publish", self._batch.batch_id)
                self._connection.begin()
            days = sorted(part.days)
            self._prepare(self._connection, days)
            for _ in self._routes(self._connection, part.table, days):
                self._rows += execute(self._connection, "publish.insert_all").rowcount

    def _prepare(self, connection: Connection, days: Sequence[date]) -> None:
        """Have the days' tables and locks; nothing is waited for, since locks come in no order here."""
        if days and not self.bounds.first_day <= days[0] <= days[-1] <= self.bounds.last_day:
            raise SpeculationAborted("rows out of range")
        if not execute(connection, "locks.try_days", days=days).scalar_one():
            raise SpeculationAborted("another session publishes to one of these days")
        if execute(connection, "publish.retired", days=days).first():
            raise SpeculationAborted("retention dropped one of these days")
        for row in execute(connection, "speculative.new_days", days=days):
            if not row.free or not execute(connection, "speculative.begin_day", day=row.day).scalar_one():
                raise SpeculationAborted("another session makes one of these days")
            self._own_days.add(row.day)
        if len(self._own_days) > self.bounds.new_days:
            raise SpeculationAborted("too many new days")

    def _routes(self, connection: Connection, part: str, days: Sequence[date]) -> Iterator[None]:
        """Let publish.insert_all see some rows of a part and where they go, one target after the other."""
        rows = {"etl.stage_part": part}
        own = [day for day in days if day in self._own_days]
        if len(own) < len(days):
            execute_on(connection, "speculative.rows_of_other_days", rows, days=own)
            execute(connection, "publish.target")
            yield
        for day in own:
            execute_on(connection, "speculative.rows_of_day", rows, day=day)
            execute_on(connection, "speculative.target_day", {"leaf": f"conn_{day:%Y%m%d}"})
            yield

    # --- the Insert of the publish transaction -----------------------------------------------------------------------

    def lock_digests(self, connection: Connection, digests: Sequence[bytes], redo: Redo) -> None:
        """The digests' locks, which others take before those of days: no waiting here either.

        Raises:
            SpeculationAborted: another session holds one, or the batch replaces rows.
        """
        if redo.files:
            raise SpeculationAborted("it replaces rows")
        if not execute(connection, "locks.try_digests", buckets=buckets_of(digests)).scalar_one():
            raise SpeculationAborted("another session publishes the same bytes, perhaps")

    def insert(self, connection: Connection, chosen: Collection[int], days: Sequence[date]) -> Counts:  # noqa: ARG002
        """Make what was inserted what publish would have inserted: all but the bad rows.

        Raises:
            SpeculationAborted: a file is not published after all, or a row of a new day is there twice.
        """
        if not self._files <= set(chosen):
            raise SpeculationAborted("a file of the batch is not published")
        try:
            for day in sorted(self._own_days):
                execute(connection, "speculative.finish_day", day=day)
        except sa.exc.IntegrityError as error:
            raise SpeculationAborted("a row is there twice") from error
        execute(connection, "publish.no_leftover")
        try:
            return Counts(loaded=loaded_of(connection, self._rows - _delete_bad(connection)))
        except Miscounted as error:
            raise SpeculationAborted(str(error)) from error


def _delete_bad(connection: Connection) -> int:
    """Delete the bad rows from the table; returns how many they are."""
    span = execute(connection, "speculative.bad_span").one()
    if not span.bad:
        return 0
    deleted = execute(connection, "speculative.delete_bad", first=span.first, last=span.last).rowcount
    if deleted != span.bad:
        raise SpeculationAborted("bad rows are not where they were inserted")
    return int(span.bad)

"""A head start on publishing: while a batch is still being staged and judged, its first parts are inserted already.

It is a bet on the usual case, that every row is new and every file good, made in a transaction that nobody sees. When
the bet is lost, for whatever reason, that transaction is rolled back and publish does all of it in its own order,
which knows every case. Bad rows alone do not lose it: they are few, and deleted again.

A day that is not there yet is filled outside ``zeek.conn`` and gets its unique index at the end: half the price.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import Any, Self

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from etl.database.engine import execute, execute_on, label, translated
from etl.database.locks import buckets_of
from etl.errors import ConnEtlError
from etl.loading.ledger import BatchFile
from etl.loading.stage import Part

log = logging.getLogger(__name__)


class Lost(Exception):
    """The bet is lost; the text says by what."""


@dataclass(kw_only=True, slots=True)
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

    def add(self, row: Any) -> None:
        """Count further rows of the file."""
        self.rows_loaded += row.rows_loaded
        self.min_timestamp = min(self.min_timestamp, row.min_timestamp)
        self.max_timestamp = max(self.max_timestamp, row.max_timestamp)

    def begins_or_ends_with(self, row: Any) -> bool:
        """Whether some of its rows are at an end of the span."""
        return bool(row.min_timestamp == self.min_timestamp or row.max_timestamp == self.max_timestamp)


@dataclass(frozen=True, kw_only=True, slots=True)
class Bounds:
    """What rows may bring that no gate has judged yet."""

    first_day: date
    last_day: date
    new_days: int


@dataclass(kw_only=True, slots=True)
class HeadStart:
    """Inserts the parts that ``take`` is given, in a thread and a session of its own. A context: it ends both."""

    loading: Callable[[], AbstractContextManager[Connection]]
    """Opens a session that may load."""
    batch_id: int
    bounds: Bounds
    _inserted: dict[int, Inserted] = field(default_factory=dict)
    """By file id."""
    _own_days: set[date] = field(default_factory=set)
    """Days that are made in this transaction."""
    _connection: Connection | None = None
    _held: Part | None = None
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

    def take(self, part: Part) -> None:
        """Insert a part that is committed; the first waits for a second, since a small batch is quick without."""
        self._submit_held()
        self._held = part

    def take_last(self) -> None:
        """Insert the part that is left, while the gate reads them all."""
        if self._jobs:
            self._submit_held()
        self._held = None

    def _submit_held(self) -> None:
        if self._held is not None:
            self._jobs.append(self._pool.submit(self._insert, self._held))

    def won(self, files: Sequence[BatchFile]) -> Connection | None:
        """Wait, and return the connection in whose open transaction all staged rows of these files are inserted.

        None when the bet is lost, or none was made; then nothing is left of it, locks included.
        """
        try:
            for job in self._jobs:
                job.result()
            if self._jobs:
                self._require_all(files)
        except (Lost, ConnEtlError) as why:
            log.info("batch %s has no head start: %s", self.batch_id, why)
            self.__exit__()
            return None
        return self._connection

    def _require_all(self, files: Sequence[BatchFile]) -> None:
        staged = {file.etl_file_id: file.rows_staged for file in files if file.rows_staged}
        if staged != {i: found.rows_loaded for i, found in self._inserted.items()}:
            raise Lost("a file of the batch could not be read")

    def _insert(self, part: Part) -> None:
        with translated():
            if self._connection is None:
                self._connection = self._session.enter_context(self.loading())
                label(self._connection, "publish", self.batch_id)
                self._connection.begin()
            days = sorted(part.days)
            self._prepare(self._connection, days)
            for _ in self._routes(self._connection, part.table, days):
                for row in execute(self._connection, "publish.insert_all"):
                    if known := self._inserted.get(row.etl_file_id):
                        known.add(row)
                    else:
                        self._inserted[row.etl_file_id] = Inserted.of(row)

    def _prepare(self, connection: Connection, days: Sequence[date]) -> None:
        """Have the days' tables and locks; nothing is waited for, since locks come in no order here."""
        if days and not self.bounds.first_day <= days[0] <= days[-1] <= self.bounds.last_day:
            raise Lost("rows out of range")
        if not execute(connection, "locks.try_days", days=days).scalar_one():
            raise Lost("another session publishes to one of these days")
        if execute(connection, "publish.retired", days=days).first():
            raise Lost("retention dropped one of these days")
        for row in execute(connection, "headstart.new_days", days=days):
            if not row.free or not execute(connection, "headstart.begin_day", day=row.day).scalar_one():
                raise Lost("another session makes one of these days")
            self._own_days.add(row.day)
        if len(self._own_days) > self.bounds.new_days:
            raise Lost("too many new days")

    def _routes(self, connection: Connection, part: str, days: Sequence[date]) -> Iterator[None]:
        """Let publish.insert_all see some rows of a part and where they go, one target after the other."""
        source = {"etl.stage_part": part}
        own = [day for day in days if day in self._own_days]
        if len(own) < len(days):
            execute_on(connection, "headstart.rows_of_other_days", source, days=own)
            execute(connection, "publish.target")
            yield
        for day in own:
            execute_on(connection, "headstart.rows_of_day", source, day=day)
            execute_on(connection, "headstart.target_day", {"leaf": f"conn_{day:%Y%m%d}"})
            yield

    def finish(
        self, connection: Connection, files: Sequence[BatchFile], chosen: Collection[int]
    ) -> Mapping[int, Inserted]:
        """Make what was inserted what publish would have inserted, and return that by file: all but the bad rows.

        Raises:
            Lost: a file is not published after all, or a row of a new day is there twice.
        """
        if not self._inserted.keys() <= set(chosen):
            raise Lost("a file of the batch is not published")
        try:
            for day in sorted(self._own_days):
                execute(connection, "headstart.finish_day", day=day)
        except sa.exc.IntegrityError as error:
            raise Lost("a row is there twice") from error
        bad = {file.etl_file_id: file.rows_failed for file in files if file.rows_failed}
        return self._without(connection, bad) if bad else self._inserted

    def _without(self, connection: Connection, bad: Mapping[int, int]) -> dict[int, Inserted]:
        """Delete the bad rows, and return what is left; nothing for a file without a good row."""
        first = min(found.min_timestamp for found in self._inserted.values())
        last = max(found.max_timestamp for found in self._inserted.values())
        deleted = execute(connection, "headstart.delete_bad", first=first, last=last)
        gone = {row.etl_file_id: row for row in deleted}
        if {i: row.rows_deleted for i, row in gone.items()} != bad:
            raise Lost("bad rows are not where they were inserted")
        unsure = [i for i, row in gone.items() if self._inserted[i].begins_or_ends_with(row)]
        left = {i: found for i, found in self._inserted.items() if i not in unsure}
        for i in left.keys() & gone.keys():
            left[i] = replace(left[i], rows_loaded=left[i].rows_loaded - gone[i].rows_deleted)
        if unsure:
            counted = execute(connection, "headstart.left", ids=unsure)
            left |= {row.etl_file_id: Inserted.of(row) for row in counted}
        return left


def lock_digests(connection: Connection, digests: Collection[bytes]) -> None:
    """The digests' locks, which others take before those of days: no waiting here either.

    Raises:
        Lost: another session holds one.
    """
    if not execute(connection, "locks.try_digests", buckets=buckets_of(digests)).scalar_one():
        raise Lost("another session publishes the same bytes, perhaps")

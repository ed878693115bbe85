"""Advisory locks; ``sql/statements/locks.sql`` has the table of their keys, in the order in which they are taken.

Under a digest's lock nobody else decides who brings these bytes; under a day's lock nobody else changes its rows.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from etl.database.statements import execute
from etl.errors import Busy

log = logging.getLogger(__name__)

BUCKETS = 64
"""Digests share this many locks: a batch of thousands of files must not fill the server's lock table."""


BATCH, DIGESTS, DAYS, MAINTENANCE, ARCHIVE = 7101, 7102, 7103, 7105, 7107
"""First keys, as sql/statements/locks.sql lists them."""
NOTICE_AFTER = timedelta(seconds=5)
"""A session that waits longer says for whom."""
_EPOCH = date(1970, 1, 1)
_LOCK_NOT_AVAILABLE = "55P03"


@dataclass(frozen=True, slots=True)
class Holders:
    """The sessions that hold a lock; ``keys`` are second keys, none where the lock has only one key."""

    kind: int
    keys: Sequence[int] = ()

    def named(self, connection: Connection) -> str:
        """Process, name and client of each, for a person."""
        rows = execute(connection, "locks.holders", kind=self.kind, keys=list(self.keys))
        return (
            "; ".join(f"{row.name} (pid {row.pid}, client {row.client})" for row in rows) or "another session"
        )


class Patience:
    """A wait for other processes, asked again and again: it says once for whom, and it ends."""

    def __init__(self, limit: timedelta) -> None:
        self._limit, self._began, self._told = limit, time.monotonic(), False

    def check(self, connection: Connection, what: str, holders: Holders) -> None:
        """Say whom this waits for once ``NOTICE_AFTER`` has passed.

        Raises:
            Busy: the limit has passed.
        """
        waited = timedelta(seconds=time.monotonic() - self._began)
        if waited >= self._limit:
            raise Busy(
                f"{what} after {waited.total_seconds():.0f} seconds: {holders.named(connection)}",
                hint="wait for that process or end it, then try again",
            )
        if waited >= NOTICE_AFTER and not self._told:
            self._told = True
            log.warning("%s, waiting: %s", what, holders.named(connection))


def _wait_for(connection: Connection, name: str, holders: Holders, **key: Any) -> None:
    """Take a lock, and say for whom this waits; the session's own ``lock_timeout`` is how long in all.

    Raises:
        Busy: with who holds it.
    """
    if _taken(connection, name, NOTICE_AFTER, **key):
        return
    log.warning("waiting for %s of %s", name, holders.named(connection))
    if not _taken(connection, name, None, **key):
        raise Busy(
            f"another session holds the lock on {name}: {holders.named(connection)}",
            hint="wait for that process or end it, then try again",
        )


def _taken(connection: Connection, name: str, limit: timedelta | None, **key: Any) -> bool:
    """Whether a lock was to be had in time; the transaction goes on where it was not. No limit: the session's own."""
    try:
        with connection.begin_nested():
            before = execute(connection, "session.lock_timeout").scalar_one()
            if limit is not None:
                execute(connection, "session.set_lock_timeout", limit=f"{limit.total_seconds() * 1000:.0f}")
            execute(connection, f"locks.{name}", **key)
            if limit is not None:
                execute(connection, "session.set_lock_timeout", limit=before)
    except sa.exc.DBAPIError as error:
        if getattr(error.orig, "pgcode", None) != _LOCK_NOT_AVAILABLE:
            raise
        return False
    return True


@contextmanager
def batch(connection: Connection, batch_id: int) -> Iterator[None]:
    """Hold a batch while working on it: a zombie and its retry, or two commands, exclude each other.

    Raises:
        Busy: another process works on the batch (after ``lock_timeout``).
    """
    with _held(connection, "batch", Holders(BATCH, [_key(batch_id)]), batch=_key(batch_id)):
        yield


@contextmanager
def maintenance(connection: Connection) -> Iterator[None]:
    """Hold the lock of the one process that keeps history in shape.

    Raises:
        Busy: another process maintains the database (after ``lock_timeout``).
    """
    with _held(connection, "maintenance", Holders(MAINTENANCE)):
        yield


@contextmanager
def archive(connection: Connection) -> Iterator[None]:
    """Hold the lock of the one process that works on the archive.

    Raises:
        Busy: another process works on it (after ``lock_timeout``).
    """
    with _held(connection, "archive", Holders(ARCHIVE)):
        yield


@contextmanager
def _held(connection: Connection, name: str, holders: Holders, **key: Any) -> Iterator[None]:
    """Hold a lock of the session: it outlives commits, and goes with the backend when the process is killed."""
    _wait_for(connection, name, holders, **key)
    connection.commit()
    try:
        yield
    finally:
        if not connection.invalidated and not connection.closed:
            connection.rollback()
            execute(connection, f"locks.release_{name}", **key)
            connection.commit()


def batch_is_idle(connection: Connection, batch_id: int) -> bool:
    """Whether no process works on the batch; if so, none will until this transaction ends."""
    return bool(execute(connection, "locks.try_batch", batch=_key(batch_id)).scalar_one())


def loading(files: Iterable[Any]) -> Holders:
    """Who works on these files of the ledger."""
    return Holders(BATCH, sorted({_key(file.batch_id) for file in files if file.batch_id is not None}))


def _key(batch_id: int) -> int:
    return batch_id % 2**31


def buckets_of(digests: Iterable[bytes]) -> list[int]:
    """The locks of these digests, in the order in which they are taken."""
    return sorted({digest[0] % BUCKETS for digest in digests})


def lock_digests(connection: Connection, digests: Iterable[bytes]) -> None:
    """Lock what decides which of several files with the same bytes is the first."""
    buckets = buckets_of(digests)
    if not _all_taken(connection, "try_digests", buckets=buckets):
        for bucket in buckets:
            _wait_for(connection, "digests", Holders(DIGESTS, [bucket]), buckets=[bucket])


def lock_days(connection: Connection, days: Iterable[date]) -> None:
    """Lock UTC days; where one has to be waited for, one statement each: a single one does not promise an order."""
    ascending = sorted(set(days))
    if not _all_taken(connection, "try_days", days=ascending):
        for day in ascending:
            _wait_for(connection, "days", Holders(DAYS, [(day - _EPOCH).days]), days=[day])


def _all_taken(connection: Connection, name: str, **keys: Any) -> bool:
    """Whether all of these locks were free and are held now; else none is: who waits must hold none out of order."""
    savepoint = connection.begin_nested()
    if execute(connection, f"locks.{name}", **keys).scalar_one():
        savepoint.commit()
        return True
    savepoint.rollback()
    return False

"""Advisory locks; ``sql/statements/locks.sql`` has the table of their keys, in the order in which they are taken.

Under a digest's lock nobody else decides who brings these bytes; under a day's lock nobody else changes its rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import date
from typing import Any

from sqlalchemy.engine import Connection

from etl.database.statements import execute

BUCKETS = 64
"""Digests share this many locks: a batch of thousands of files must not fill the server's lock table."""


@contextmanager
def batch(connection: Connection, batch_id: int) -> Iterator[None]:
    """Hold a batch while working on it: a zombie and its retry, or two commands, exclude each other.

    Raises:
        Busy: another process works on the batch (after ``lock_timeout``).
    """
    with _held(connection, "batch", batch=_key(batch_id)):
        yield


@contextmanager
def maintenance(connection: Connection) -> Iterator[None]:
    """Hold the lock of the one process that keeps history in shape.

    Raises:
        Busy: another process maintains the database (after ``lock_timeout``).
    """
    with _held(connection, "maintenance"):
        yield


@contextmanager
def _held(connection: Connection, name: str, **key: Any) -> Iterator[None]:
    """Hold a lock of the session: it outlives commits, and goes with the backend when the process is killed."""
    execute(connection, f"locks.{name}", **key)
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


def _key(batch_id: int) -> int:
    return batch_id % 2**31


def buckets_of(digests: Iterable[bytes]) -> list[int]:
    """The locks of these digests, in the order in which they are taken."""
    return sorted({digest[0] % BUCKETS for digest in digests})


def lock_digests(connection: Connection, digests: Iterable[bytes]) -> None:
    """Lock what decides which of several files with the same bytes is the first."""
    for bucket in buckets_of(digests):
        execute(connection, "locks.digests", buckets=[bucket])


def lock_days(connection: Connection, days: Iterable[date]) -> None:
    """Lock UTC days, one statement each: a single one does not promise an order."""
    for day in sorted(set(days)):
        execute(connection, "locks.days", days=[day])

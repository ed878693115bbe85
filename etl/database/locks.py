"""The locks of whoever changes ``zeek.conn``: digests, then days, each ascending, held until the transaction ends.

Under a digest's lock nobody else decides who brings these bytes; under a day's lock nobody else changes its rows.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

from sqlalchemy.engine import Connection

from etl.database.engine import execute

BUCKETS = 64
"""Digests share this many locks: a batch of thousands of files must not fill the server's lock table."""


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

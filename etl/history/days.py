"""Days of ``zeek.conn``: made before their first row comes, sealed when closed, dropped by retention.

Sealing and dropping act as conn_owner outside of transactions, with statements that wait for others instead of making
others wait: ``CREATE INDEX CONCURRENTLY``, and ``DETACH … CONCURRENTLY`` before the drop. Each step can be interrupted
anywhere and done again. Rows still come into a sealed day; into a retired one none comes any more: from the moment
that it stands in ``etl.retired_day`` its rows go to quarantine as ``expired``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy.engine import Connection

from etl.database import citus
from etl.database.locks import lock_days
from etl.database.statements import execute, execute_on
from etl.errors import Misuse
from etl.history import rollups

INDEXES = ("src", "dst", "uid")
"""Indexes of a sealed day; docs/decisions says why these and why not earlier."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Day:
    """One UTC day; ``state`` is open, sealed, being dropped or dropped."""

    day: date
    state: str
    rows: int
    """The planner's estimate; exact once dropped."""
    bytes: int
    sealed_at: datetime | None
    dropped_at: datetime | None
    reason: str


def leaf(day: date) -> str:
    """The partition of a day, in the schema zeek."""
    return f"conn_{day:%Y%m%d}"


def listed(connection: Connection) -> list[Day]:
    """All days that have or had a partition."""
    with connection.begin():
        return [Day(**row) for row in execute(connection, "partitions.listed").mappings()]


def ensure(connection: Connection, days: Sequence[date]) -> list[date]:
    """Make the partitions of these days; returns those that were missing.

    Raises:
        Misuse: retention dropped one of them.
    """
    with connection.begin():
        gone = {row.day for row in execute(connection, "publish.retired", days=list(days))}
    if gone:
        raise Misuse(f"retention dropped {min(gone)}", hint="its rows go to quarantine as expired")
    made = []
    for day in sorted(set(days)):
        with connection.begin():
            if execute(connection, "publish.ensure_partition", day=day).scalar_one():
                made.append(day)
    return made


def closed(connection: Connection, after: timedelta) -> list[date]:
    """Days that can be sealed: ended ``after`` ago, not sealed, with no file waiting that may bring rows."""
    with connection.begin():
        return [row.day for row in execute(connection, "partitions.closed", after=after)]


def seal(alone: Connection, day: date) -> None:
    """Give a day its further indexes, statistics and visibility map, and enter it as sealed.

    Beside loads: they go on, and this waits for them. ``alone``: acts as conn_owner, commits each statement.

    Raises:
        Misuse: the day has no partition.
    """
    if not _standing(alone, day).attached:
        raise Misuse(f"{day} has no partition", hint="see `conn-etl partitions list`")
    for row in list(execute(alone, "partitions.broken_indexes", leaf=leaf(day))):
        _run(alone, "drop_index", row.name)
    for index in INDEXES:
        _run(alone, f"index_{index}", leaf(day))
    _run(alone, "vacuum", leaf(day))
    execute(alone, "partitions.sealed", day=day)


def expiring(
    days: Sequence[Day], today: date, *, keep_days: int | None, keep_bytes: int | None
) -> dict[date, str]:
    """Days that retention wants gone, the oldest first, with the reason; the newest day always stays."""
    there = sorted((d for d in days if d.state in ("open", "sealed")), key=lambda d: d.day)
    found: dict[date, str] = {}
    if keep_days is not None:
        oldest = today - timedelta(days=keep_days)
        found |= {d.day: f"older than {keep_days} days" for d in there if d.day < oldest}
    if keep_bytes is not None:
        left = sum(d.bytes for d in there if d.day not in found)
        for d in there[:-1]:
            if left <= keep_bytes:
                break
            if d.day not in found:
                found[d.day] = f"zeek.conn was larger than {keep_bytes:,} bytes"
                left -= d.bytes
    return found


def unfinished(connection: Connection) -> list[date]:
    """Days whose way out was interrupted; ``retire`` goes on with them."""
    with connection.begin():
        return [row.day for row in execute(connection, "partitions.unfinished")]


def held_back(connection: Connection, days: Sequence[date], *, kept: bool = True) -> dict[date, str]:
    """Of these days those that the archive does not hold as they are now, with the reason; the caller's transaction.

    kept: also those that were restored not long ago.
    """
    rows = execute(connection, "archive.held_back", days=list(days), kept=kept)
    return {row.day: row.reason for row in rows}


def retire(connection: Connection, alone: Connection, day: date, reason: str, *, archived: bool) -> None:
    """Drop a day with all its rows; the ledger remembers how many were whose, its rollups stay.

    No load and no query waits for it. Both connections act as conn_owner; ``alone`` commits each statement.
    archived: only if the archive holds the day as it is under its lock.

    Raises:
        Misuse: the day has no partition, or is not in the archive as it is now.
    """
    now = _standing(alone, day)
    if now.dropped or not (now.there or now.retired):
        raise Misuse(f"{day} has no partition", hint="see `conn-etl partitions list`")
    with connection.begin():
        lock_days(connection, [day])
        if archived and not now.retired and (held := held_back(connection, [day], kept=False)):
            raise Misuse(f"{day} stays: {held[day]}", hint=f"`conn-etl archive export {day}`, then drop it")
        execute(connection, "partitions.retire", day=day, reason=reason)
    if now.pending:
        _run(alone, "finalize", leaf(day))
    elif now.attached:
        rollups.recompute(connection, day)
        rollups.refresh_top(connection, day)
        _run(alone, "detach_distributed" if citus.is_distributed(alone) else "detach", leaf(day))
    with connection.begin():
        _run(connection, "remember", leaf(day), day=day)
        execute(connection, "partitions.dropped", day=day, leaf=leaf(day))
        execute(connection, "partitions.forget_sealed", day=day)
        execute(connection, "partitions.forget_restored", day=day)
        execute(connection, "rollups.forget_day", day=day)
        _run(connection, "drop", leaf(day))


def _standing(connection: Connection, day: date) -> Any:
    return execute(connection, "partitions.standing", leaf=leaf(day), day=day).one()


def _run(connection: Connection, name: str, target: str, **parameters: Any) -> None:
    """Run a statement on one relation: ``leaf`` in its text stands for the name."""
    execute_on(connection, f"partitions.{name}", {"leaf": target}, **parameters)

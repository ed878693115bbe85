"""Rollups: what hours add up to, and what sealed days had.

``zeek.conn_hour`` has the sums of each hour; of each sealed day ``zeek.top_address`` has the top addresses and
``zeek.destination_day`` all that were called.

They stay right by marks. Each change of rows marks the hours in ``etl.touched_hour`` in the same transaction, and
``recompute`` works the marks off, one transaction an hour: it deletes the marks that it sees first and reads the rows
after that, so it counts every row whose mark it took. A publish that commits meanwhile leaves a separate mark.

The statements that insert or delete rows (``publish.insert_all``, ``publish.insert_new``, ``undo.delete_rows``) mark by
themselves; whatever else changes rows calls ``touch``.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from sqlalchemy.engine import Connection

from etl.database.statements import execute
from etl.history.one_by_one import OneByOne

TOP = 100
"""Addresses of a sealed day that are kept, by bytes and by connections each."""
HOUR = timedelta(hours=1)


@dataclass(frozen=True, kw_only=True, slots=True)
class Difference:
    """A rollup that is not what the rows say; ``when`` is an hour, or a day for top addresses."""

    when: datetime | date
    what: str


def touch(connection: Connection, moments: Iterable[datetime]) -> None:
    """Mark the hours of these ``"@timestamp"`` values, in the caller's transaction: the one that changes the rows."""
    execute(connection, "rollups.touch", moments=list(moments))


def touch_all(connection: Connection) -> None:
    """Mark every hour, so that the next ``recompute`` makes all rollups again."""
    with connection.begin():
        execute(connection, "rollups.touch_all")


def recompute(connection: Connection, day: date | None = None) -> int:
    """Recompute the marked hours (of one day, or of all days that are not retired), each in its own transaction.

    Only one process at a time may do this; publishes go on beside it. Returns the number of hours.
    """
    with connection.begin():
        hours = [row.hour for row in execute(connection, "rollups.due", day=day)]
    pieces = OneByOne()
    for hour in hours:
        with pieces.one(f"the hour {hour:%Y-%m-%d %H:%M} UTC"), connection.begin():
            execute(connection, "rollups.forget", hour=hour)
            execute(connection, "rollups.clear", hour=hour)
            execute(connection, "rollups.add", hour=hour, next_hour=hour + HOUR)
            execute(connection, "rollups.top_is_stale", day=hour.astimezone(UTC).date())
    pieces.raise_failures()
    return len(hours)


def refresh_tops(connection: Connection) -> int:
    """Make the top addresses and destinations of sealed days that changed again; returns the number of days."""
    with connection.begin():
        days = [row.day for row in execute(connection, "rollups.stale_tops")]
    pieces = OneByOne()
    for day in days:
        with pieces.one(f"top addresses of {day}"):
            refresh_top(connection, day)
    pieces.raise_failures()
    return len(days)


def refresh_top(connection: Connection, day: date) -> None:
    """Make the top addresses and destinations of one day again."""
    with connection.begin():
        execute(connection, "rollups.top_is_fresh", day=day)
        execute(connection, "rollups.clear_top", day=day)
        execute(connection, "rollups.add_top", day=day, most=TOP)
        execute(connection, "rollups.clear_destinations", day=day)
        execute(connection, "rollups.add_destinations", day=day)


def differences(connection: Connection) -> list[Difference]:
    """Compute all rollups again and compare, in the caller's one repeatable-read transaction; marked hours are due."""
    found = [
        Difference(
            when=row.hour,
            what=f"zeek.conn_hour lacks {row.missing} of the lines that the rows make, {row.surplus} are wrong",
        )
        for row in execute(connection, "rollups.differences")
    ]
    for day in [row.day for row in execute(connection, "rollups.checkable_tops")]:
        wrong = list(execute(connection, "rollups.top_sums", day=day))
        if wrong:
            found.append(Difference(when=day, what=f"zeek.top_address is wrong on {len(wrong)} addresses"))
        if count := execute(connection, "rollups.destination_differences", day=day).scalar_one():
            found.append(Difference(when=day, what=f"zeek.destination_day is wrong on {count} addresses"))
    return found

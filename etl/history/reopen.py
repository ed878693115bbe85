"""What a drop would take and how it can be undone; and a dropped day opened again, so that its rows can be loaded.

Opening a day forgets that retention took it: rows of the day load again instead of going to quarantine as ``expired``.
The rows themselves come from their logs, or from the archive (``etl.archive.restore``). What each file brought to the
day stays on its account (``etl.retired_file``) until the file is loaded again, so the ledger adds up all the time.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING

from sqlalchemy.engine import Connection

from etl.database.locks import lock_days
from etl.database.statements import execute
from etl.errors import Misuse
from etl.history import days as table_days
from etl.history import maintenance
from etl.loading.undo import Readable

if TYPE_CHECKING:
    from etl.database.store import Store


@dataclass(frozen=True, kw_only=True, slots=True)
class DayToDrop:
    """A day that a drop would take."""

    day: date
    reason: str
    rows: int
    bytes: int
    archived: bool
    """Whether the archive holds it as it is: then `archive restore` brings every row back."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Source:
    """A file whose rows went with the day."""

    path: str
    rows: int
    there: bool
    """Whether the path still holds the file that was loaded."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Reopened:
    """A dropped day that takes rows again."""

    day: date
    keep_until: datetime
    sources: list[Source]
    expired_lines: int
    """Lines in quarantine that came for dropped days, this one or others."""


def to_drop(store: Store, chosen: Mapping[date, str]) -> list[DayToDrop]:
    """What a drop of these days (with the reason of each) would take, and those whose drop was interrupted.

    Raises:
        Misuse: a day has no partition.
    """
    with store.loading() as connection:
        known = {day.day: day for day in table_days.listed(connection)}
        interrupted = dict.fromkeys(table_days.unfinished(connection), "interrupted")
        days = dict(sorted((interrupted | dict(chosen)).items()))
        for day in days:
            if day not in known or known[day].state == "dropped":
                what = "was dropped before" if day in known else "has no partition"
                raise Misuse(f"{day} {what}", hint="see `conn-etl partitions list`")
        with connection.begin():
            archived = {row.day for row in execute(connection, "partitions.archived", days=list(days))}
            return [
                DayToDrop(
                    day=day,
                    reason=reason,
                    rows=execute(connection, "partitions.rows_of", day=day).scalar_one(),
                    bytes=known[day].bytes,
                    archived=day in archived,
                )
                for day, reason in days.items()
            ]


def reopen(store: Store, day: date, *, keep: timedelta, readable: Readable) -> Reopened:
    """Let a dropped day take rows again, and retention leave it alone for a while. Acts as conn_owner.

    Its rollups are computed from its rows from now on.

    Raises:
        Misuse: the day was not dropped.
    """
    with maintenance.owning(store) as (connection, _), connection.begin():
        lock_days(connection, [day])
        sources = _sources(connection, day, readable)
        if not execute(connection, "archive.forget_retired_day", day=day).rowcount:
            raise Misuse(f"{day} was not dropped", hint="see `conn-etl partitions list`")
        execute(connection, "publish.ensure_partition", day=day)
        execute(connection, "archive.touch_day", since=f"{day} 00:00:00+00")
        execute(connection, "partitions.restored", day=day, keep=keep)
        (until,) = (row.keep_until for row in execute(connection, "partitions.kept") if row.day == day)
        lines = execute(connection, "partitions.expired_lines").scalar_one()
    return Reopened(day=day, keep_until=until, sources=sources, expired_lines=lines)


def is_archived(store: Store, day: date) -> bool:
    """Whether the archive holds the day as it was."""
    with store.loading() as connection, connection.begin():
        return bool(execute(connection, "partitions.archived", days=[day]).all())


def lost_for_good(store: Store, day: date, readable: Readable) -> int:
    """Rows of a dropped day whose logs are gone: its rollups still count them, and would not after ``reopen``."""
    with store.loading() as connection, connection.begin():
        return sum(source.rows for source in _sources(connection, day, readable) if not source.there)


def _sources(connection: Connection, day: date, readable: Readable) -> list[Source]:
    rows = list(execute(connection, "partitions.brought_by", day=day))
    return [
        Source(path=row.path, rows=row.rows, there=readable(row.path, row.size, row.mtime)) for row in rows
    ]

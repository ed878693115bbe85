"""Gaps and lag, from the ledger alone: what ``close`` asks at the end of every hourly run.

Windows are the rotation's, as file names state them. A gap counts only between a sensor's first and last window; hours
in which no file is expected are a setting. A sensor is behind when its next window is overdue: one of its own intervals
after the newest, quiet hours not counted. Nothing here grows with the length of a silence: a short gap is one for each
window, a long one is a single gap with the number of its windows.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from etl.database.statements import execute
from etl.settings import Settings

if TYPE_CHECKING:
    from etl.report.facts import Expected

OLD = timedelta(days=7)
"""A sensor that is further behind has ended, or its logs were loaded late on purpose."""
RECENT = timedelta(days=2)
"""Older gaps were reported by an earlier run."""
LISTED = 48
"""Windows of a gap that are listed one by one, two days of hourly logs; sql/views/completeness.sql has the same."""
DAY = timedelta(days=1)
HOUR = timedelta(hours=1)


@dataclass(frozen=True, kw_only=True, slots=True)
class Gap:
    """One window that no file covers, or a long silence of many."""

    sensor: str
    window_start: datetime
    window_end: datetime
    windows: int = 1
    """How many windows are missing, those within quiet hours left out."""

    def __str__(self) -> str:
        """For a person."""
        name = f"{self.sensor}: " if self.sensor else ""
        span = f"{self.window_start:%Y-%m-%d %H:%M} to {self.window_end:%Y-%m-%d %H:%M} UTC"
        if self.windows == 1:
            return f"{name}no log from {span}"
        length = self.window_end - self.window_start
        lasting = f"{length.days:,} days" if length >= 2 * DAY else f"{length // HOUR} hours"
        return f"{name}no logs from {span}, {lasting} ({self.windows:,} windows)"


@dataclass(frozen=True, kw_only=True, slots=True)
class Lag:
    """A sensor that is further behind than it should be."""

    sensor: str
    newest_window_end: datetime
    behind: timedelta

    def __str__(self) -> str:
        """For a person."""
        name = self.sensor or "the newest log"
        return f"{name} ends at {self.newest_window_end:%Y-%m-%d %H:%M} UTC, {self.behind} ago"


def gaps(connection: Connection, settings: Settings, *, since: datetime | None = None) -> list[Gap]:
    """Windows that are missing and end after ``since``, by sensor and time; quiet hours are left out."""
    with connection.begin():
        rows = execute(connection, "completeness.gaps", since=since, **quiet(settings))
        missing = [Gap(**row) for row in rows.mappings()]
    return [gap for gap in counted(missing, settings) if since is None or gap.window_end > since]


def quiet(settings: Settings) -> dict[str, list[Any]]:
    """Quiet hours as the statements take them: for all sensors, and those of sensors that have their own."""
    own = [(name, hours) for name, s in settings.sensors.items() if (hours := s.quiet_hours) is not None]
    return {
        "quiet": list(settings.quiet_hours),
        "own": [name for name, _ in own],
        "own_sensors": [name for name, hours in own for _ in hours],
        "own_hours": [hour for _, hours in own for hour in hours],
    }


def expected(connection: Connection, settings: Settings) -> Expected:
    """What the settings say of logs that do not come, as a report counts it."""
    from etl.report.facts import Expected  # it imports the questions, and a look for gaps needs none

    return Expected(quiet=quiet(settings), late=[str(lag) for lag in lagging(connection, settings)])


def counted(missing: Sequence[Gap], settings: Settings) -> list[Gap]:
    """Gaps at the intervals that sensors' settings name, where the view had to learn one, without quiet windows.

    Args:
        missing: as the view has them, by sensor and time; adjacent ones are one silence.
        settings: intervals and quiet hours.
    """
    found: list[Gap] = []
    for sensor, group in itertools.groupby(missing, key=lambda gap: gap.sensor):
        own = settings.sensors.get(sensor)
        interval = own.interval if own else None
        silent = quiet_hours(sensor, settings)
        for gap in _joined(group) if interval else group:
            found += _pieces(gap, interval, silent)
    return found


def quiet_hours(sensor: str, settings: Settings) -> Collection[int]:
    """Hours (UTC) in which no file of a sensor is expected."""
    own = settings.sensors.get(sensor)
    return settings.quiet_hours if own is None or own.quiet_hours is None else own.quiet_hours


def _joined(missing: Iterator[Gap]) -> Iterator[Gap]:
    """Adjacent gaps of one sensor as one."""
    last: Gap | None = None
    for gap in missing:
        if last is not None and last.window_end == gap.window_start:
            last = Gap(sensor=gap.sensor, window_start=last.window_start, window_end=gap.window_end)
            continue
        if last is not None:
            yield last
        last = gap
    if last is not None:
        yield last


def _pieces(gap: Gap, interval: timedelta | None, silent: Collection[int]) -> Iterator[Gap]:
    """A gap window by window, or as one where that would be more than ``LISTED``."""
    length = gap.window_end - gap.window_start
    windows = -(-length // interval) if interval else gap.windows
    if windows > LISTED:
        heard = math.ceil(windows * (awake(gap.window_start, gap.window_end, silent) / length))
        if heard:
            yield replace(gap, windows=heard)
        return
    interval = interval or length
    start = gap.window_start
    while start < gap.window_end:
        end = min(start + interval, gap.window_end)
        if awake(start, end, silent):
            yield Gap(sensor=gap.sensor, window_start=start, window_end=end)
        start = end


def awake(start: datetime, end: datetime, silent: Collection[int]) -> timedelta:
    """The time between two moments without the quiet hours, as long as the silence may be."""
    days = max((end - start) // DAY, 0)
    total = days * (24 - len(set(silent))) * HOUR
    at = start.astimezone(UTC) + days * DAY
    while at < end:
        next_hour = min(at.replace(minute=0, second=0, microsecond=0) + HOUR, end)
        total += next_hour - at if at.hour not in silent else timedelta(0)
        at = next_hour
    return total


def lagging(connection: Connection, settings: Settings) -> list[Lag]:
    """Sensors whose next log is late by more than ``settings.max_lag``, other than those whose logs are simply old."""
    with connection.begin():
        rows = list(execute(connection, "completeness.lagging", most=settings.max_lag, old=OLD))
    return [
        Lag(sensor=row.sensor, newest_window_end=row.newest_window_end, behind=row.behind)
        for row in rows
        if _overdue(row, settings) > settings.max_lag + _interval(row.sensor, row.length, settings)
    ]


def _interval(sensor: str, length: timedelta | None, settings: Settings) -> timedelta:
    own = settings.sensors.get(sensor)
    return (own and own.interval) or length or timedelta(0)


def _overdue(row: sa.Row[Any], settings: Settings) -> timedelta:
    """How long a sensor is behind, without its quiet hours."""
    end = row.newest_window_end
    return awake(end, end + row.behind, quiet_hours(row.sensor, settings))


def remarks(connection: Connection, settings: Settings) -> list[str]:
    """What an hourly run says at its end: recent gaps and sensors that are behind, a sentence each."""
    since = datetime.now(UTC) - RECENT
    return [
        str(found) for found in (*gaps(connection, settings, since=since), *lagging(connection, settings))
    ]

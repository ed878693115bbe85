"""Missing windows and lag, from the ledger alone: what ``close`` asks at the end of every hourly run.

Windows are the rotation's, told by file names. A hole counts only between a sensor's first and last window; hours in
which a sensor is known to be silent are a setting. A sensor is behind when its next window is overdue: one of its own
intervals after the newest, silent hours not counted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from etl.database.statements import execute
from etl.settings import Settings

OLD = timedelta(days=7)
"""A sensor that is further behind has ended, or its logs were loaded late on purpose."""
RECENT = timedelta(days=2)
"""Older holes were said often enough."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Hole:
    """A window that no file covers."""

    sensor: str
    window_start: datetime
    window_end: datetime

    def __str__(self) -> str:
        """For a person."""
        name = f"{self.sensor}: " if self.sensor else ""
        return f"{name}no log from {self.window_start:%Y-%m-%d %H:%M} to {self.window_end:%Y-%m-%d %H:%M} UTC"


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


def holes(connection: Connection, settings: Settings, *, since: datetime | None = None) -> list[Hole]:
    """Windows that are missing and end after ``since``, by sensor and time; quiet hours are left out."""
    with connection.begin():
        rows = execute(connection, "completeness.holes", since=since, **quiet(settings))
        found = _at_own_intervals([Hole(**row) for row in rows.mappings()], settings)
    return [hole for hole in found if since is None or hole.window_end > since]


def quiet(settings: Settings) -> dict[str, list[Any]]:
    """Quiet hours as the statements take them: for all sensors, and those of sensors that have their own."""
    own = [(name, hours) for name, s in settings.sensors.items() if (hours := s.quiet_hours) is not None]
    return {
        "quiet": list(settings.quiet_hours),
        "own": [name for name, _ in own],
        "own_sensors": [name for name, hours in own for _ in hours],
        "own_hours": [hour for _, hours in own for hour in hours],
    }


def _at_own_intervals(holes: Sequence[Hole], settings: Settings) -> list[Hole]:
    """Cut holes by the interval that a sensor's settings name, where the view had to learn one."""
    found: list[Hole] = []
    for hole in holes:
        own = settings.sensors.get(hole.sensor)
        length = own.interval if own and own.interval else hole.window_end - hole.window_start
        if length == hole.window_end - hole.window_start:
            found.append(hole)
            continue
        if found and found[-1].sensor == hole.sensor and found[-1].window_end == hole.window_start:
            last = found.pop()
            hole = Hole(sensor=hole.sensor, window_start=last.window_start, window_end=hole.window_end)  # noqa: PLW2901
        start = hole.window_start
        while start < hole.window_end:
            end = min(start + length, hole.window_end)
            found.append(Hole(sensor=hole.sensor, window_start=start, window_end=end))
            start = end
    return found


def lagging(connection: Connection, settings: Settings) -> list[Lag]:
    """Sensors whose next log is late by more than ``settings.max_lag``, other than those whose logs are simply old."""
    with connection.begin():
        rows = list(execute(connection, "completeness.lagging", most=settings.max_lag, old=OLD))
    return [
        Lag(sensor=row.sensor, newest_window_end=row.newest_window_end, behind=row.behind)
        for row in rows
        if _awake(row, settings) > settings.max_lag + _interval(row.sensor, row.length, settings)
    ]


def _interval(sensor: str, length: timedelta | None, settings: Settings) -> timedelta:
    own = settings.sensors.get(sensor)
    return (own and own.interval) or length or timedelta(0)


def _awake(row: sa.Row[Any], settings: Settings) -> timedelta:
    """How long a sensor is behind, without the hours in which it is known to be silent."""
    own = settings.sensors.get(row.sensor)
    silent = settings.quiet_hours if own is None or own.quiet_hours is None else own.quiet_hours
    at, end, awake = row.newest_window_end.astimezone(UTC), row.newest_window_end + row.behind, timedelta(0)
    while at < end:
        next_hour = min(at.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1), end)
        awake += next_hour - at if at.hour not in silent else timedelta(0)
        at = next_hour
    return awake


def remarks(connection: Connection, settings: Settings) -> list[str]:
    """What an hourly run says at its end: recent holes and sensors that are behind, a sentence each."""
    since = datetime.now(UTC) - RECENT
    return [
        str(found) for found in (*holes(connection, settings, since=since), *lagging(connection, settings))
    ]

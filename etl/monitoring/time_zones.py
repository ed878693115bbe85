"""Sensors whose time zone in the settings is wrong: their rows end outside their files' windows.

A wrong zone moves all windows of a sensor by the same whole number of quarter hours. A connection is logged when it has
ended, at most some minutes later (inactivity timeouts), so the last end in a file stands shortly before its window's.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy.engine import Connection

from etl.database.statements import execute

QUARTER = timedelta(minutes=15)
LATE = timedelta(seconds=10)
"""How much later than its window's end a row may end: rotation takes its time."""
LOGGED_WITHIN = timedelta(minutes=7)
FEWEST = 3
SHARE = 0.8


@dataclass(frozen=True, kw_only=True, slots=True)
class WrongZone:
    """A sensor, by how many quarter hours its rows end after (or before, if negative) their windows, and how sure."""

    sensor: str
    quarters: int
    outside: int
    windows: int


def wrong_zones(connection: Connection) -> Iterator[WrongZone]:
    """Look at the newest windows of each sensor, inside a transaction.

    Each window costs one question over a quarter of an hour of one day, its bounds as literals: with bounds that come
    from another table all days would be opened and locked.
    """
    shifts: dict[str, list[int]] = defaultdict(list)
    for window in execute(connection, "doctor.windows").all():
        values = {
            "id": window.etl_file_id,
            "first": window.max_timestamp - QUARTER,
            "last": window.max_timestamp,
        }
        ends = execute(connection, "doctor.last_end", **values).scalar_one()
        if ends is not None:
            outside = ends > window.window_end + LATE or ends < window.window_start
            shifts[window.sensor].append(_quarters(ends - window.window_end) if outside else 0)
    for sensor, found in sorted(shifts.items()):
        quarters, outside = Counter(found).most_common(1)[0]
        if quarters and len(found) >= FEWEST and outside >= SHARE * len(found):
            yield WrongZone(sensor=sensor, quarters=quarters, outside=outside, windows=len(found))


def _quarters(late: timedelta) -> int:
    """Whole quarter hours between a window's end and its rows'; 0 where it is no whole number."""
    quarters = math.ceil((late - LATE) / QUARTER)
    return quarters if quarters * QUARTER - late < LOGGED_WITHIN else 0

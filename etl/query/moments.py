"""Moments as a user gives them: how long ago, a day by name, or ISO 8601; UTC where no zone is named.

``24h``, ``7d``, ``now``, ``today``, ``yesterday``, ``2026-03-01``, ``2026-03-01T12:00+01:00``. A time zone may follow,
as in ``yesterday Europe/Berlin``. A day is the moment at which it begins.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, time, timedelta, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

HINT = "write it as 24h, 7d, yesterday, 2026-03-01 or 2026-03-01T12:00+01:00; a time zone may follow (Europe/Berlin)"

_AGO = re.compile(r"(?P<number>\d{1,9}) ?(?P<unit>s|min|m|h|d|w)(?: ago)?")
_UNITS = {"s": "seconds", "min": "minutes", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_DAYS = {"today": 0, "yesterday": 1}
_ZONED = re.compile(r"(?P<what>.+?) (?P<zone>[A-Za-z][\w+/-]*)")


def parse(text: str, now: datetime | None = None) -> datetime:
    """The moment that a text names, with its time zone. now: what ``24h`` and ``today`` are counted from.

    Raises:
        ValueError: it names none.
    """
    what, zone = _split(" ".join(text.split()))
    now = now or datetime.now(UTC)
    if what == "now":
        return now
    if ago := _AGO.fullmatch(what):
        return _before(now, int(ago["number"]), _UNITS[ago["unit"]])
    if what in _DAYS:
        day = now.astimezone(zone).date() - timedelta(days=_DAYS[what])
        return datetime.combine(day, time(), zone)
    return _iso(what, zone, zoned=what != " ".join(text.split()))


def _split(text: str) -> tuple[str, tzinfo]:
    """The text without the time zone that ends it, and that zone."""
    if (found := _ZONED.fullmatch(text)) and not _AGO.fullmatch(text):
        try:
            return found["what"], UTC if found["zone"] == "UTC" else ZoneInfo(found["zone"])
        except (ZoneInfoNotFoundError, OSError) as error:
            raise ValueError(f"{found['zone']} is not a time zone") from error
    return text, UTC


def _before(now: datetime, number: int, unit: str) -> datetime:
    try:
        return now - timedelta(**{unit: number})
    except OverflowError as error:
        raise ValueError("before the year 1") from error


def _iso(text: str, zone: tzinfo, *, zoned: bool) -> datetime:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        return moment.replace(tzinfo=zone)
    if zoned:
        raise ValueError("two time zones")
    return moment

"""The rotation's window that a path states, in UTC.

A name is written in the sensor's local time, and states the day, the hour, both, or neither;
``2024-04-19/conn.00:00:00-01:00:00.log.gz`` has the same name every day. An offset in the name, or the Z of UTC, counts
before the sensor's zone. Where the name states nothing, folders by date (``2026/03/01``, ``year=2026/month=03/day=01``,
with an hour below or not) do.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from functools import lru_cache
from typing import NamedTuple

Window = tuple[datetime | None, datetime | None]
"""Start and end in UTC; None where the path does not state it."""

LONGEST = timedelta(days=366)
"""A longer window, or one that begins later than this from now, is a name that means something else."""
_FIRST = datetime(1970, 1, 1, tzinfo=UTC)

DATE = r"\d{4}[-_]?\d{2}[-_]?\d{2}"
TREE = (
    r"(?i:(?:year=|y=)?\d{4}/(?:month=|m=)?\d{1,2}/(?:day=|d=)?\d{1,2}(?:/(?:(?:hour|hr|h)=\d{1,2}|\d{2}))?"
    rf"|[a-z_]+={DATE}(?:/(?:hour|hr|h)=\d{{1,2}})?)"
)
"""Folders by date; the last one may be the hour."""
_OFFSET = (
    r"(?:(?:[Zz]|(?i:UTC|GMT))(?![A-Za-z])|\+(?:0\d|1[0-4])(?::?[0-5]\d)?(?!\d)"
    # a minus may also separate: an offset ends the name, or a second date follows
    rf"|-(?:0\d|1[0-4]):?[0-5]\d(?:(?=[-_]+{DATE})|(?![-_:\d]|\.\d)))"
)
_FRACTION = r"(?:\.\d{1,9}(?=[Zz+-]))?"
_START = r"(?P<start>\d{2}(?P<mark>[:.]|(?P<underscore>_))\d{2}(?P=mark)\d{2})"
_END = r"(?P<end>\d{2}(?P=mark)\d{2}(?P=mark)\d{2})"
_HOURS = re.compile(
    rf"(?<!\d)(?:(?P<day>{DATE})[-_T.])?{_START}{_FRACTION}(?P<zone>{_OFFSET})?"
    rf"(?:-{{1,2}}|(?(underscore)(?!)|_{{1,2}})){_END}{_FRACTION}(?P<end_zone>{_OFFSET})?(?!\d)"
)
"""Two times of day, with a day before them or in the folder's name."""
_MOMENT = (
    rf"(?:{DATE}[-_T]\d{{2}}[-:._]\d{{2}}[-:._]\d{{2}}"
    rf"|{DATE}T\d{{2}}(?::?\d{{2}}(?::?\d{{2}})?)?|\d{{8}}[-_]?\d{{6}})"
)
_MOMENTS = re.compile(
    rf"(?<!\d)(?P<start>{_MOMENT}){_FRACTION}(?P<zone>{_OFFSET})?"
    rf"(?:[-_.]+(?:to[-_]+)?(?P<end>{_MOMENT}){_FRACTION}(?P<end_zone>{_OFFSET})?)?(?!\d)"
)
"""A start with its day, and perhaps an end with its own."""
_SHORT = re.compile(r"(?<!\d)(?P<day>\d{2}-\d{2}-\d{2})_(?P<start>\d{2}\.\d{2}\.\d{2})(?!\d)")
"""Zeek's old default, ``conn-24-01-01_00.00.00.log``."""
_FOLDERS = re.compile(
    r"(?i)(?:\A|/)(?:"
    r"(?:year=|y=)?(?P<year>\d{4})/(?:month=|m=)?(?P<month>\d{1,2})/(?:day=|d=)?(?P<date>\d{1,2})"
    rf"|(?P<key>[a-z_]+=)?(?P<day>{DATE})"
    r")(?:/(?:(?:hour|hr|h)=(?P<keyed_hour>\d{1,2})|(?P<hour>\d{2})))?(?=/|\Z)"
)


class _Folders(NamedTuple):
    """What the folders above a log state; ``whole`` when they are by date and bound the log without its name."""

    day: str
    hour: int | None
    whole: bool


def window(path: str, zone: tzinfo = UTC, interval: timedelta | None = None) -> Window:
    """The rotation window that a path states.

    Args:
        path: with its folders, which may be the day.
        zone: the sensor's; an offset in the name (``+0000``, ``Z``) comes before it.
        interval: how often the sensor rotates, for names that have no end.
    """
    try:
        start, end = _stated(path, zone, interval)
    except (OverflowError, ValueError):  # the end of the year 9999, an offset of 99 hours
        return None, None
    return (start, end) if start is None or _is_plausible(start, end) else (None, None)


def _is_plausible(start: datetime, end: datetime | None) -> bool:
    """Whether gaps may be counted from it: one absurd name would make years of them."""
    if end is not None and end - start > LONGEST:
        return False
    return start >= _FIRST and start - datetime.now(UTC) < LONGEST


def _stated(path: str, zone: tzinfo, interval: timedelta | None) -> Window:
    above, _, name = path.rpartition("/")  # pathlib takes ten times as long
    name = name.replace("%3A", ":").replace("%2B", "+")
    folders = _folders(above)
    if found := _HOURS.search(name):
        day = found["day"] or (folders.day if folders else None)
        return _of_hours(day, found, _zone(found, zone)) if day else (None, None)
    if found := _MOMENTS.search(name):
        chosen = _zone(found, zone)
        start = _moment(found["start"], chosen)
        if found["end"]:
            end = _end(start, found["end"], _zone_of(found["end_zone"]) or chosen)
            return (start, end) if end else (None, None)
        return _lasting(start, interval)
    if found := _SHORT.search(name):
        return _lasting(_moment(f"20{found['day']}{found['start']}", zone), interval)
    return _of_folders(folders, zone) if folders else (None, None)


@lru_cache(maxsize=1024)
def _folders(above: str) -> _Folders | None:
    """The day of a log by its folders: the last folder's name, else the nearest folders by date."""
    found = max(_FOLDERS.finditer(above), key=re.Match.end, default=None)
    nearest = re.search(rf"(?<!\d){DATE}(?!\d)", above.rpartition("/")[2])
    if nearest and (found is None or found.end() < len(above)):
        return _Folders(day=nearest[0], hour=None, whole=False)
    if found is None:
        return None
    hour: str | None = found["keyed_hour"] or found["hour"]
    day = found["day"] or f"{found['year']}{int(found['month']):02}{int(found['date']):02}"
    return _Folders(
        day=day, hour=int(hour) if hour else None, whole=bool(hour or found["year"] or found["key"])
    )


def _of_folders(folders: _Folders, zone: tzinfo) -> Window:
    """The hour or the day that folders by date stand for; Zeek's own day folder has more than one log."""
    start = _local(f"{folders.day}{folders.hour or 0:02}0000")
    if not folders.whole or start is None:
        return None, None
    length = timedelta(days=1) if folders.hour is None else timedelta(hours=1)
    begin, end = (moment.replace(tzinfo=zone).astimezone(UTC) for moment in (start, start + length))
    return (begin, end) if begin < end else (None, None)


def _zone(found: re.Match[str], zone: tzinfo) -> tzinfo:
    """The offset that the name has itself, after the start or else after the end; else the sensor's zone."""
    return _zone_of(found["zone"]) or _zone_of(found["end_zone"]) or zone


def _zone_of(written: str | None) -> tzinfo | None:
    if not written:
        return None
    if written[0].isalpha():
        return UTC
    digits = written[1:].replace(":", "").ljust(4, "0")
    offset = timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))
    return timezone(-offset if written.startswith("-") else offset)


def _of_hours(day: str, found: re.Match[str], zone: tzinfo) -> Window:
    start = _moment(day + found["start"], zone)
    end_zone = _zone_of(found["end_zone"]) or zone
    if end := _end(start, day + found["end"], end_zone):
        return start, end
    tomorrow = _local(day + found["end"])
    # a later time that ends no window: clocks go forward, and the hour that it names is not there
    if start is None or tomorrow is None or found["end"] > found["start"]:
        return None, None
    return start, (tomorrow + timedelta(days=1)).replace(tzinfo=end_zone).astimezone(UTC)


def _end(start: datetime | None, written: str, zone: tzinfo) -> datetime | None:
    """The end of a window, None if it is not after its start.

    When clocks go back, the same hour begins and ends: it is the second one that ends.
    """
    ends = (_moment(written, zone, fold=fold) for fold in (0, 1))
    return next((end for end in ends if start and end and end > start), None)


def _lasting(start: datetime | None, interval: timedelta | None) -> Window:
    return start, start + interval if start and interval else None


def _moment(written: str, zone: tzinfo, *, fold: int = 0) -> datetime | None:
    """Local time as UTC; None for what is no date. An hour that comes twice is taken for the first."""
    local = _local(written)
    return local and local.replace(tzinfo=zone, fold=fold).astimezone(UTC)


@lru_cache(maxsize=1024)  # one log ends when the next one begins
def _local(written: str) -> datetime | None:
    """Year, month, day, hour, minute and second, whatever stands between; minutes and seconds may be left out."""
    digits = "".join(filter(str.isdigit, written)).ljust(14, "0")
    parts = (digits[:4], *(digits[at : at + 2] for at in range(4, 14, 2)))
    try:  # strptime takes ten times as long, and a listing has 100,000 names
        return datetime(*map(int, parts))  # type: ignore[arg-type]  # noqa: DTZ001  the caller knows the zone
    except ValueError:
        return None

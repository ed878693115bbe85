"""What a log's name tells: that it is another log, and the rotation's window.

Names only exclude; whether a file is a conn log is decided by its content. They are written in the sensor's local time,
and what stands in the name is the day, the hour, both, or neither; ``2024-04-19/conn.00:00:00-01:00:00.log.gz`` is
called the same every day.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, tzinfo

from etl.fields import LOG

Window = tuple[datetime | None, datetime | None]
"""Start and end in UTC; None where the name does not tell."""

NAMES = re.compile(
    r"""(?ix) ^ (?: conn-summary[._] | \.shadow\. | known_conns\b | open_conn\b | conn_long\b
      | (?P<log> capture_loss | cluster | conn | dhcp | dns | dpd | files | ftp | http | irc | kerberos | known_\w+
          | loaded_scripts | modbus | notice | ntlm | ntp | packet_filter | pe | radius | rdp | reporter | rfb | sip
          | smb_\w+ | smtp | snmp | socks | software | ssh | ssl | stats | stderr | stdout | syslog | telemetry
          | traceroute | tunnel | weird | x509 | analyzer | quic | ldap\w* | websocket ) [._-] )"""
)
"""Files as Zeek names them, by log; those without one are no log that rows come from."""

NEVER = frozenset({"current"})
"""Folders with logs that are still being written; dot files are never taken either."""

PACKED = (".gz", ".zst", ".bz2", ".xz")
"""Endings that packers add."""

DATE = r"\d{4}[-_]?\d{2}[-_]?\d{2}"
_DAY = r"(?P<{0}>\d{{4}}[-_]?\d{{2}}[-_]?\d{{2}})"
_CLOCK = r"(?P<{0}>\d{{2}}[-:.]\d{{2}}[-:.]\d{{2}})"
_ZONE = r"(?P<zone>[+-](?:0\d|1[0-4])[0-5]\d(?![-_\d]))?"
_HOURS = re.compile(
    rf"(?<!\d)(?:{_DAY.format('day')}[-_T.])?{_CLOCK.format('start')}-{_CLOCK.format('end')}(?!\d){_ZONE}".replace(
        "[-:.]", "[:.]"
    )
)
"""Two times of day, with a day before them or in the folder's name."""
_MOMENTS = re.compile(
    rf"(?<!\d){_DAY.format('day')}[-_T]{_CLOCK.format('start')}{_ZONE}"
    rf"(?:[-_]+{_DAY.format('last_day')}[-_T]{_CLOCK.format('end')})?(?!\d)"
)
"""A start with its day, and perhaps an end with its own."""
_SHORT = re.compile(r"(?<!\d)(?P<day>\d{2}-\d{2}-\d{2})_(?P<start>\d{2}\.\d{2}\.\d{2})(?!\d)")
"""Zeek's old default, ``conn-24-01-01_00.00.00.log``."""


def is_other(name: str) -> bool:
    """Whether a file's name says that it is another log than conn."""
    found = NAMES.match(name)
    return found is not None and (found["log"] or "").lower() != LOG


def window(path: str, zone: tzinfo = UTC, interval: timedelta | None = None) -> Window:
    """The rotation window that a path tells, in UTC.

    Args:
        path: with its folders: the last one may be the day.
        zone: the sensor's; an offset in the name (``+0000``) comes before it.
        interval: how often the sensor rotates, for names that have no end.
    """
    try:
        return _told(path, zone, interval)
    except (
        OverflowError,
        ValueError,
    ):  # the end of the year 9999, an offset of 99 hours: a name tells no such time
        return None, None


def _told(path: str, zone: tzinfo, interval: timedelta | None) -> Window:
    above, _, name = path.rpartition("/")  # pathlib takes ten times as long
    folder = above.rpartition("/")[2]
    if found := _HOURS.search(name):
        day = found["day"] or _folder_day(folder)
        return _of_hours(day, found, _zone(found, zone)) if day else (None, None)
    if found := _MOMENTS.search(name):
        chosen = _zone(found, zone)
        start = _moment(found["day"], found["start"], chosen)
        if found["end"]:
            end = _end(start, found["last_day"], found["end"], chosen)
            return (start, end) if end else (None, None)
        return _lasting(start, interval)
    if found := _SHORT.search(name):
        return _lasting(_moment(f"20{found['day']}", found["start"], zone), interval)
    return None, None


def _folder_day(folder: str) -> str | None:
    found = re.search(rf"(?<!\d){DATE}(?!\d)", folder)
    return found[0] if found else None


def _zone(found: re.Match[str], zone: tzinfo) -> tzinfo:
    """The offset that the name has itself, else the sensor's zone."""
    written = found["zone"]
    return datetime.strptime(written, "%z").tzinfo or zone if written else zone


def _of_hours(day: str, found: re.Match[str], zone: tzinfo) -> Window:
    start = _moment(day, found["start"], zone)
    if end := _end(start, day, found["end"], zone):
        return start, end
    tomorrow = _local(day, found["end"])
    # a later time that ends no window: clocks go forward, and the hour that it names is not there
    if start is None or tomorrow is None or found["end"] > found["start"]:
        return None, None
    return start, (tomorrow + timedelta(days=1)).replace(tzinfo=zone).astimezone(UTC)


def _end(start: datetime | None, day: str, clock: str, zone: tzinfo) -> datetime | None:
    """The end of a window, None if it is not after its start.

    When clocks go back, the same hour begins and ends: it is the second one that ends.
    """
    ends = (_moment(day, clock, zone, fold=fold) for fold in (0, 1))
    return next((end for end in ends if start and end and end > start), None)


def _lasting(start: datetime | None, interval: timedelta | None) -> Window:
    return start, start + interval if start and interval else None


def _moment(day: str, clock: str, zone: tzinfo, *, fold: int = 0) -> datetime | None:
    """Local time as UTC; None for what is no date. An hour that comes twice is taken for the first."""
    local = _local(day, clock)
    return local and local.replace(tzinfo=zone, fold=fold).astimezone(UTC)


def _local(day: str, clock: str) -> datetime | None:
    digits = "".join(filter(str.isdigit, day + clock))
    year, month, date = int(digits[:4]), int(digits[4:6]), int(digits[6:8])
    try:  # strptime takes ten times as long, and a listing has 100,000 names
        return datetime(  # noqa: DTZ001  the caller knows the zone
            year, month, date, int(digits[8:10]), int(digits[10:12]), int(digits[12:])
        )
    except ValueError:
        return None


def base(name: str) -> str:
    """A name without the ending of its packing: ``conn.log`` and ``conn.log.gz`` are one log."""
    return next((name.removesuffix(ending) for ending in PACKED if name.endswith(ending)), name)

"""Which sensor a path is of, by the patterns and the sensors in the settings.

A pattern is matched against the folders right above the file, from their end, so it does not matter from where a path
is given: ``{sensor}/{date}`` reads ``/data/north/2026-03-01/conn.log`` and ``s3://logs/north/2026-03-01/conn.log``
alike. ``/…`` at its end allows more folders below; ``*`` stands for one folder.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta, tzinfo
from functools import cached_property
from zoneinfo import ZoneInfo

from etl.source import archives
from etl.source.rotation import DATE, TREE, Window, window

_IS_DATE = re.compile(DATE)
_PARTS = {
    "{sensor}": r"(?P<sensor>[^/]+)",
    "{date}": rf"(?:{DATE}|{TREE})",
    "*": r"[^/]*",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Sensor:
    """How one sensor writes its logs."""

    zone: str | None = None
    interval: timedelta | None = None
    path: str | None = None


@dataclass(frozen=True, kw_only=True)
class Sensors:
    """What the settings say of paths and names; by default there are no sensors, and names are in UTC."""

    patterns: Sequence[str] = ("{date}/…",)
    zone: str = "UTC"
    known: Mapping[str, Sensor] = field(default_factory=dict)
    conn_streams: Collection[str] = ()
    """Further Zeek streams, by their names, whose files are read as conn logs."""

    def of(self, path: str) -> tuple[str, Window]:
        """The sensor ('' where no pattern names one) and the window in UTC of a path."""
        name = self._name(path)
        sensor = self.known.get(name, Sensor())
        return name, window(path, self._zones[sensor.zone or self.zone], sensor.interval)

    def _name(self, path: str) -> str:
        """The sensor of a path; a member of an archive is where it would be if the archive were unpacked in place."""
        if (within := archives.split(path)) is None:
            return self._name_of(path)
        archive, member = within
        name = self._name_of(f"{archive.rpartition('/')[0]}/{member}")
        return self._name_of(archive) if not name or _IS_DATE.fullmatch(name) else name

    def _name_of(self, path: str) -> str:
        for name, pattern in self._own:
            if pattern.match(path):
                return name
        for pattern in self._general:
            if found := pattern.match(path):
                return found.groupdict().get("sensor") or ""
        return ""

    @cached_property
    def _own(self) -> list[tuple[str, re.Pattern[str]]]:
        return [(name, compiled(sensor.path)) for name, sensor in self.known.items() if sensor.path]

    @cached_property
    def _general(self) -> list[re.Pattern[str]]:
        return [compiled(pattern) for pattern in self.patterns]

    @cached_property
    def _zones(self) -> dict[str, tzinfo]:
        names = {self.zone, *(sensor.zone for sensor in self.known.values() if sensor.zone)}
        return {name: ZoneInfo(name) for name in names}


def compiled(pattern: str) -> re.Pattern[str]:
    """The regular expression that a path pattern stands for."""
    folders = pattern.strip("/").split("/")
    deeper = folders[-1] in {"…", "..."}
    parts = [_part(folder) for folder in (folders[:-1] if deeper else folders)]
    return re.compile(rf"(?:.*/)?{'/'.join(parts)}{'(?:/.*)?' if deeper else ''}/[^/]*\Z", re.DOTALL)


def _part(folder: str) -> str:
    pieces = re.split(r"(\{sensor\}|\{date\}|\*)", folder)
    return "".join(_PARTS.get(piece, re.escape(piece)) for piece in pieces)

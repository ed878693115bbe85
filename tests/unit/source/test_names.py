"""Names of logs without a database: to windows in UTC and to sensors, by the patterns and zones of the settings."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from etl import source
from etl.settings import Settings

NIGHT = ("2024-04-19T23:00:00", "2024-04-20T00:00:00")
NINE = ("2024-04-19T09:00:00", "2024-04-19T10:00:00")
NAMES: dict[str, tuple[str | None, str | None]] = {
    "2024-04-19/conn.09:00:00-10:00:00.log.gz": NINE,
    "20240419/conn.09:00:00-10:00:00.log.gz": NINE,
    "2024-04-19/conn.23:00:00-00:00:00.log.gz": NIGHT,
    "2024-04-19/conn.09.00.00-10.00.00.log.gz": NINE,
    "2024-04-19/conn.09:00:00-10:00:00-logger-1.log.gz": NINE,
    "2024-04-19/conn-logger-1.09:00:00-10:00:00.log.zst": NINE,
    "2024-04-19/conn.09:00:00-10:00:00.json.log": NINE,
    "2024-04-19/conn.00:00:00-00:00:00.log.gz": ("2024-04-19T00:00:00", "2024-04-20T00:00:00"),
    "2024-04-19/conn.09:00:00-09:30:00.log": ("2024-04-19T09:00:00", "2024-04-19T09:30:00"),
    "conn.2024-04-19-09-00-00.log": (NINE[0], None),
    "conn.2024-04-19-09-00-00-logger-1.log": (NINE[0], None),
    "conn-2024-04-19-09-00-00.log": (NINE[0], None),
    "conn-2024-04-19_09:00:00.log.gz": (NINE[0], None),
    "conn-24-04-19_09.00.00.log": (NINE[0], None),
    "conn_20240419_09:00:00-10:00:00+0000.log.gz": NINE,
    "conn_20240419_11:00:00-12:00:00+0200.log.gz": NINE,
    "conn__2024-04-19-09-00-00__2024-04-19-10-00-00__.log": NINE,
    "conn__2024-04-19-09-00-00__2024-04-19-10-00-00__log_suffix=logger-1__.log.gz": NINE,
    "conn.2024-04-19-09-00-00-2024-04-19-10-00-00.log": NINE,
    "conn.09:00:00-10:00:00.log.gz": (None, None),  # no day anywhere
    "conn.log": (None, None),
    "conn.log.gz": (None, None),
    "conn.json.log": (None, None),
    "2024-04-19/conn.log": (None, None),
    "2024-13-19/conn.09:00:00-10:00:00.log.gz": (None, None),
    "2024-04-19/conn.25:00:00-26:00:00.log.gz": (None, None),
    "conn__2024-04-19-10-00-00__2024-04-19-09-00-00__.log": (None, None),
    "conn.1713517200.log": (None, None),
    "2024-04-19/conn.09:00:00-10:00:00-9952.log": NINE,
}


def iso(moment: datetime | None) -> str | None:
    return None if moment is None else moment.astimezone(UTC).replace(tzinfo=None).isoformat()


@pytest.mark.parametrize("name", sorted(NAMES))
def test_a_name_and_its_window(name: str) -> None:
    start, end = source.window(f"/logs/{name}")
    assert (iso(start), iso(end)) == NAMES[name]
    assert (start is None) or start.tzinfo is UTC


ZONES: dict[str, tuple[str | None, str | None]] = {
    # clocks go forward at 02:00 and back at 03:00
    "2024-07-01/conn.09:00:00-10:00:00.log": ("2024-07-01T07:00:00", "2024-07-01T08:00:00"),
    "2024-01-01/conn.00:00:00-01:00:00.log": ("2023-12-31T23:00:00", "2024-01-01T00:00:00"),
    "2024-03-31/conn.01:00:00-03:00:00.log": ("2024-03-31T00:00:00", "2024-03-31T01:00:00"),
    "2024-10-27/conn.02:00:00-02:00:00.log": ("2024-10-27T00:00:00", "2024-10-27T01:00:00"),
    "2024-10-27/conn.02:30:00-02:00:00.log": ("2024-10-27T00:30:00", "2024-10-27T01:00:00"),
    "conn__2024-10-27-02-00-00__2024-10-27-02-00-00__.log": ("2024-10-27T00:00:00", "2024-10-27T01:00:00"),
    "conn__2024-10-27-02-45-00__2024-10-27-02-00-00__.log": ("2024-10-27T00:45:00", "2024-10-27T01:00:00"),
    "conn__2024-10-27-01-00-00__2024-10-27-02-00-00__.log": ("2024-10-26T23:00:00", "2024-10-27T00:00:00"),
    "conn__2024-10-27-04-00-00__2024-10-27-02-00-00__.log": (None, None),
    "conn__2024-07-01-09-00-00__2024-07-01-09-00-00__.log": (None, None),
    "conn__2024-03-31-02-00-00__2024-03-31-03-00-00__.log": (None, None),
    "2024-07-01/conn.09:00:00-08:99:00.log": (None, None),
    "2024-10-27/conn.00:00:00-00:00:00.log": ("2024-10-26T22:00:00", "2024-10-27T23:00:00"),
    "conn_20240701_09:00:00-10:00:00+0000.log": ("2024-07-01T09:00:00", "2024-07-01T10:00:00"),
    "conn.2024-07-01-09-00-00.log": ("2024-07-01T07:00:00", "2024-07-01T07:30:00"),
}


@pytest.mark.parametrize("name", sorted(ZONES))
def test_names_are_local_time_of_the_sensor(name: str) -> None:
    berlin = source.Sensor(zone="Europe/Berlin", interval=timedelta(minutes=30), path="berlin/…")
    _, (start, end) = source.Sensors(known={"b": berlin}).of(f"/logs/berlin/{name}")
    assert (iso(start), iso(end)) == ZONES[name]


PATTERNS = [
    ("{sensor}/{date}", "/data/north/2024-04-19/conn.log", "north"),
    ("{sensor}/{date}", "s3://bucket/north/2024-04-19/conn.log", "north"),
    ("{sensor}/{date}", "/data/north/conn.log", ""),
    ("{sensor}/{date}/…", "/data/north/2024-04-19/extra/conn.log", "north"),
    ("{date}/{sensor}", "/data/2024-04-19/south 2/conn.log", "south 2"),
    ("{sensor}/*/{date}", "/data/north/logs/2024-04-19/conn.log", "north"),
    ("zeek-{sensor}/{date}", "/data/zeek-5/2024-04-19/conn.log", "5"),
    ("{date}/…", "/data/north/2024-04-19/conn.log", ""),
    ("{sensor}/{date}", "/data/a\nb/2024-04-19/conn.log", "a\nb"),
]


@pytest.mark.parametrize(("pattern", "path", "sensor"), PATTERNS)
def test_a_path_and_its_sensor(pattern: str, path: str, sensor: str) -> None:
    assert source.Sensors(patterns=[pattern]).of(path)[0] == sensor


def test_a_sensor_may_have_a_path_of_its_own_and_the_first_pattern_that_fits_counts() -> None:
    sensors = source.Sensors(
        patterns=["{sensor}/{date}", "{sensor}"], known={"edge": source.Sensor(path="old-archive/*")}
    )
    assert [
        sensors.of(f"/x/{path}/conn.log")[0] for path in ("old-archive/1", "north/2024-04-19", "north")
    ] == [
        "edge",
        "north",
        "north",
    ]


def test_sensors_in_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(
        "CONN_ETL_SENSORS", '{"north": {"zone": "Asia/Kathmandu", "interval": "PT15M", "quiet_hours": [1]}}'
    )
    north = Settings().sensors["north"]
    assert (north.zone, north.interval, north.quiet_hours) == ("Asia/Kathmandu", timedelta(minutes=15), (1,))
    monkeypatch.setenv("CONN_ETL_SENSORS", '{"north": {"zone": "Mars/Olympus"}}')
    with pytest.raises(ValueError, match="Mars/Olympus is not a time zone"):
        Settings()


@pytest.mark.parametrize(
    "name",
    [
        "9999-12-31/conn.23:00:00-00:00:00.log",
        "0001-01-01/conn.00:00:00-01:00:00.log",
        "x/conn_99991231_23:00:00-00:00:00-0400.log",
        "2026-03-29/conn.02:00:00-03:00:00.log",
    ],
)
def test_a_time_that_there_is_not_is_no_window_and_no_error(name: str, tmp_path: Path) -> None:
    """One odd name must not end the listing of a tree."""
    path = tmp_path / name
    path.parent.mkdir(parents=True)
    path.write_bytes(b"")
    sensors = source.Sensors(zone="Europe/Berlin", known={"": source.Sensor(interval=timedelta(hours=1))})
    (found,) = source.listed([str(tmp_path)], sensors)
    assert (found.window_start, found.window_end) == (None, None)

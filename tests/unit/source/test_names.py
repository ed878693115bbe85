"""Names of logs without a database: to windows in UTC and to sensors, by the patterns and zones of the settings."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

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
    "2024-04-19/conn.09:00:00_10:00:00.log.gz": NINE,
    "2024-04-19/conn.09.00.00_10.00.00.log.gz": NINE,
    "2024-04-19/conn.09:00:00__10:00:00.log.gz": NINE,
    "2024-04-19/conn.09_00_00-10_00_00.log.gz": NINE,
    "2024-04-19/conn.09%3A00%3A00-10%3A00%3A00.log.gz": NINE,
    "2024-04-19/conn_24_04_19_09_00_00.log": (None, None),
    "conn_20240419_090000.log": (NINE[0], None),
    "conn_20240419-090000_20240419-100000.log": NINE,
    "conn.2024-04-19-123456.log": (None, None),  # a counter, as far as anybody knows
    "north/2024-04-19/extra/conn.09:00:00-10:00:00.log": NINE,
    "2024-01-01/backup-2024-04-19/conn.09:00:00-10:00:00.log": NINE,
    "1234/conn.09:00:00-10:00:00.log": (None, None),
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


OFFSETS: dict[str, tuple[str | None, str | None]] = {
    # whatever the sensor's zone is: a name that has its own offset, or the Z of UTC
    "conn.2024-04-19T09:00:00Z-2024-04-19T10:00:00Z.log": NINE,
    "conn.2024-04-19T09-00-00Z_2024-04-19T10-00-00Z.log.gz": NINE,
    "conn.2024-04-19T09:00:00Z--2024-04-19T10:00:00Z.log": NINE,
    "conn.2024-04-19T09:00:00Z_to_2024-04-19T10:00:00Z.log": NINE,
    "conn.2024-04-19T09:00:00.000Z-2024-04-19T10:00:00.000000Z.log": NINE,
    "conn.20240419T090000Z-20240419T100000Z.log.zst": NINE,
    "conn_2024-04-19T0900Z_2024-04-19T1000Z.json": NINE,
    "conn.2024-04-19T09Z_2024-04-19T10Z.log": NINE,
    "conn.2024-04-19T09:00:00Z-10:00:00Z.log": NINE,
    "2024-04-19/conn.09:00:00Z-10:00:00Z.log": NINE,
    "2024-04-19/conn.09:00:00-10:00:00Z.log": NINE,
    "conn.2024-04-19T11:00:00+0200-2024-04-19T12:00:00+0200.log": NINE,
    "conn.2024-04-19T11:00:00+02:00-2024-04-19T12:00:00+02:00.log": NINE,
    "conn.2024-04-19T11:00:00+02_2024-04-19T12:00:00+02.log": NINE,
    "conn.2024-04-19T04:00:00-0500-2024-04-19T05:00:00-0500.log": NINE,
    "conn.2024-04-19T14:30:00+0530.2024-04-19T15:30:00+0530.log": NINE,
    "conn_20240419_11:00:00-12:00:00+0200.log.gz": NINE,
    "conn_20240419_04:00:00-05:00:00-0500.log.gz": NINE,
    "conn.2024-04-19-11-00-00+0200.log": (NINE[0], "2024-04-19T09:30:00"),
    "conn.2024-04-19T09:00:00Z.log": (NINE[0], "2024-04-19T09:30:00"),
    "conn.2024-04-19T23:00:00Z-00:00:00Z.log": NIGHT,
    "conn.2024-04-19T09:00:00UTC-2024-04-19T10:00:00UTC.log": NINE,
    "conn_2024-04-19_09_00_00Z_2024-04-19_10_00_00Z.log": NINE,
    "conn.2024-04-19T11%3A00%3A00%2B02%3A00.log": (NINE[0], "2024-04-19T09:30:00"),
    # no offset, so the sensor's zone counts
    "conn.2024-04-19T11:00:00-2024-04-19T12:00:00.log": NINE,
    "conn.2024-04-19T11:00:00zeek-1.log": (NINE[0], "2024-04-19T09:30:00"),
}


@pytest.mark.parametrize("name", sorted(OFFSETS))
def test_an_offset_in_the_name_counts_before_the_sensors_zone(name: str) -> None:
    start, end = source.window(f"/logs/{name}", ZoneInfo("Europe/Berlin"), timedelta(minutes=30))
    assert (iso(start), iso(end)) == OFFSETS[name]


DAY = ("2024-04-19T00:00:00", "2024-04-20T00:00:00")
FOLDERS: dict[str, tuple[str | None, str | None]] = {
    "2024/04/19/conn.09:00:00-10:00:00.log.gz": NINE,
    "2024/04/19/north/conn.09:00:00-10:00:00.log.gz": NINE,
    "2024/4/19/conn.09:00:00_10:00:00.log.gz": NINE,
    "2024/04/19/conn.log.gz": DAY,
    "2024/04/19/09/conn-delivery-1-2f1c.gz": NINE,
    "2024/04/19/23/conn.log": NIGHT,
    "2024-04-19/09/conn.log": NINE,
    "year=2024/month=04/day=19/hour=09/conn.log": NINE,
    "year=2024/month=4/day=19/hour=9/part-0000.json.gz": NINE,
    "y=2024/m=04/d=19/h=09/conn.log": NINE,
    "YEAR=2024/MONTH=04/DAY=19/HOUR=09/conn.log": NINE,
    "year=2024/month=04/day=19/conn.log": DAY,
    "year=2024/month=04/day=19/hour=09/sensor=north/conn.log": NINE,
    "date=2024-04-19/hour=09/conn.log": NINE,
    "dt=20240419/conn.log": DAY,
    "year=2024/month=04/day=19/hour=20/conn.09:00:00-10:00:00.log": NINE,  # a name counts before its folders
    "year=2024/month=04/day=19/hour=09/conn.2024-04-19-09-00-00.log": (NINE[0], None),
    "2024/13/19/conn.09:00:00-10:00:00.log": (None, None),
    "2024/04/19/42/conn.log": (None, None),
    "1234/04/19/conn.log": (None, None),
    "2024/04/conn.log": (None, None),
    "year=2024/day=19/conn.log": (None, None),
}


@pytest.mark.parametrize("name", sorted(FOLDERS))
@pytest.mark.parametrize("top", ["/logs", "s3://bucket/logs", ""])
def test_folders_by_date_state_a_window(name: str, top: str) -> None:
    start, end = source.window(f"{top}/{name}" if top else name)
    assert (iso(start), iso(end)) == FOLDERS[name]


def test_an_hour_folder_is_in_the_sensors_zone_and_may_last_two_hours() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    hours = {hour: source.window(f"/2024/10/27/{hour:02}/conn.log", berlin) for hour in (1, 2, 3)}
    assert [iso(start) for start, _ in hours.values()] == [
        "2024-10-26T23:00:00",
        "2024-10-27T00:00:00",
        "2024-10-27T02:00:00",
    ]
    assert hours[1][1] == hours[2][0]
    assert hours[2][1] == hours[3][0]
    assert source.window("/2024/03/31/02/conn.log", berlin) == (None, None)  # there is no such hour


@pytest.mark.parametrize(
    "name",
    [
        "conn__1970-01-01-00-00-00__2024-04-19-10-00-00__.log",
        "conn.1969-12-31-23-00-00.log",
        "conn__2500-01-01-00-00-00__2500-01-01-01-00-00__.log",
        "2500/01/01/conn.log",
    ],
)
def test_a_window_that_no_rotation_has_is_none(name: str) -> None:
    assert source.window(f"/logs/{name}", interval=timedelta(hours=1)) == (None, None)


PATTERNS = [
    ("{sensor}/{date}", "/data/north/upload.tar.gz!/2026-03-01/conn.log", "north"),
    ("{sensor}/{date}", "/data/north/2026-03-01/upload.zip!/conn.log", "north"),
    ("{sensor}/{date}", "/data/north/2026-03-01/upload.zip!/2026-03-02/conn.log", "north"),
    ("{sensor}/{date}", "/data/all.tar!/south/2026-03-01/conn.log", "south"),
    ("{sensor}/{date}", "s3://bucket/all.tar!/conn.log", ""),
    ("{sensor}/{date}", "/data/north/2024/04/19/conn.log", "north"),
    ("{sensor}/{date}", "/data/north/year=2024/month=04/day=19/hour=09/conn.log", "north"),
    ("{sensor}/{date}/…", "/data/north/date=2024-04-19/x/conn.log", "north"),
    ("{date}/{sensor}", "/data/2024/04/19/south/conn.log", "south"),
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

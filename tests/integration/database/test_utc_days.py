"""Hours and days are those of UTC, whatever the session's time zone."""

from __future__ import annotations

from datetime import date

import pytest

from etl.database.store import Store
from tests.integration.conftest import Ask

MOMENTS = [
    # moment, its hour, its day
    ("2026-03-01 00:00:00+00", "2026-03-01 00:00:00+00", date(2026, 3, 1)),
    ("2026-02-28 23:59:59.999999+00", "2026-02-28 23:00:00+00", date(2026, 2, 28)),
    ("2026-03-01 01:30:00+02", "2026-02-28 23:00:00+00", date(2026, 2, 28)),
    ("2026-03-29 01:00:00+00", "2026-03-29 01:00:00+00", date(2026, 3, 29)),  # clocks go forward in Berlin
    ("2026-10-25 00:59:00+00", "2026-10-25 00:00:00+00", date(2026, 10, 25)),  # and back
    ("2024-02-29 12:45:00+05:45", "2024-02-29 07:00:00+00", date(2024, 2, 29)),
    ("1970-01-01 00:00:00+00", "1970-01-01 00:00:00+00", date(1970, 1, 1)),
    ("1999-12-31 23:59:60+00", "2000-01-01 00:00:00+00", date(2000, 1, 1)),
]


@pytest.mark.parametrize(
    "zone", ["UTC", "Europe/Berlin", "Asia/Kathmandu", "America/St_Johns", "Pacific/Apia"]
)
def test_bounds_of_hours_and_days(store: Store, zone: str) -> None:
    with store.engine.begin() as connection:
        connection.exec_driver_sql(f"SET LOCAL timezone = '{zone}'")
        for moment, hour, day in MOMENTS:
            (same_hour, found, inside) = connection.exec_driver_sql(
                "SELECT etl.hour_of(m) = %(hour)s::timestamptz, etl.day_of(m),"
                " m >= etl.day_start(etl.day_of(m)) AND m < etl.day_start(etl.day_of(m) + 1)"
                " FROM (SELECT CAST(%(moment)s AS timestamptz) AS m) AS given",
                {"moment": moment, "hour": hour},
            ).one()
            assert (same_hour, found, inside) == (True, day, True), moment


def test_a_day_has_24_hours(ask: Ask) -> None:
    assert (
        ask(
            "SELECT DISTINCT etl.day_start(day + 1) - etl.day_start(day)"
            " FROM (SELECT DATE '2026-01-01' + n AS day FROM generate_series(0, 365) AS n) AS year"
        )[0][0].total_seconds()
        == 86_400
    )

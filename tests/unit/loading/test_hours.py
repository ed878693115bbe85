"""Counts of rows by hour are those that a loop over all rows makes."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, datetime, timedelta

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from etl.loading.hours import HourCount, count_hours, hours_csv

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
HOUR = 3_600_000_000
SOMEWHERE = st.integers(-60_000_000_000_000_000, 200_000_000_000_000_000)
"""Microseconds from the year 68 on."""
NEAR = st.integers(0, 3).flatmap(lambda n: st.integers(n * HOUR - 2, n * HOUR + 2))


def by_hand(times: list[datetime | None]) -> set[HourCount]:
    found: dict[datetime, list[datetime]] = defaultdict(list)
    for time in times:
        if time is not None:
            found[time.replace(minute=0, second=0, microsecond=0)].append(time)
    hours = {
        HourCount(hour=hour, rows=len(own), first=min(own), last=max(own)) for hour, own in found.items()
    }
    missing = times.count(None)
    return hours | ({HourCount(hour=None, rows=missing, first=None, last=None)} if missing else set())


@given(st.lists(SOMEWHERE | NEAR | st.none(), min_size=1, max_size=50))
def test_each_hour_has_its_rows(microseconds: list[int | None]) -> None:
    times = [None if us is None else EPOCH + timedelta(microseconds=us) for us in microseconds]
    counts = count_hours(pl.Series("@timestamp", microseconds, dtype=pl.Int64).cast(pl.Datetime("us", "UTC")))
    assert set(counts) == by_hand(times)
    assert sum(count.rows for count in counts) == len(times)


def test_counts_are_lines_of_csv() -> None:
    one = HourCount(
        hour=EPOCH, rows=3, first=EPOCH + timedelta(microseconds=1), last=EPOCH + timedelta(minutes=59)
    )
    text, lines = hours_csv([(7, one), (8, one)])
    times = "1970-01-01T00:00:00+00:00,3,1970-01-01T00:00:00.000001+00:00,1970-01-01T00:59:00+00:00"
    assert (text.decode(), lines) == (f"7,{times}\n8,{times}\n", 2)
    assert hours_csv([(9, HourCount(hour=None, rows=2, first=None, last=None))]) == (b"9,,2,,\n", 1)

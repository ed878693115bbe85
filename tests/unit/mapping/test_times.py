"""One moment is one row, whichever of Zeek's ways its time is written in."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl.mapping.times import EARLIEST, LATEST, from_text, parse

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def read(text: str) -> int | None:
    return pl.select(from_text(pl.lit(text))).item()


@given(
    st.integers(0, (1 << 32) - 1),
    st.text("0123456789", min_size=1, max_size=12),
    st.sampled_from([-570, 0, 330]),
)
def test_number_and_iso_of_one_moment_are_equal(seconds: int, digits: str, minutes: int) -> None:
    number = read(f"{seconds}.{digits}")
    moment = EPOCH + timedelta(seconds=seconds)
    there = moment.astimezone(timezone(timedelta(minutes=minutes)))
    assert read(f"{moment:%Y-%m-%dT%H:%M:%S}.{digits}Z") == number
    assert parse(f"{there:%Y-%m-%dT%H:%M:%S}.{digits}{there:%z}") == number


@pytest.mark.parametrize(
    ("text", "microseconds"),
    [
        ("2026-03-01T09:00:00.1234569Z", 1_772_355_600_123_457),
        ("2026-03-01T09:00:00.9999999Z", 1_772_355_601_000_000),
        ("1969-12-31T23:59:58.2000006Z", -1_799_999),
        ("9999-12-31T23:59:59.9999990Z", LATEST),
        ("9999-12-31T23:59:59.9999999Z", "time_out_of_range"),
        ("0001-01-01T00:00:00.0000001Z", EARLIEST),
        ("0001-01-01T00:00:00Z", EARLIEST),
        ("0001-01-01T00:00:00+23:59", "time_out_of_range"),
        ("9999-12-31T23:59:59-23:59", "time_out_of_range"),
        ("0000-12-31T23:59:59Z", "not_a_time"),
        ("0000-01-01T00:00:00.1234567Z", "not_a_time"),
    ],
)
def test_the_nearest_microsecond_of_the_years_that_there_are(text: str, microseconds: int | str) -> None:
    assert parse(text) == microseconds
    assert read(text) in (microseconds, None)

"""Moments as users give them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from etl.query import moments

NOW = datetime(2026, 3, 29, 10, 30, tzinfo=UTC)  # the day on which clocks in Berlin go forward

MOMENTS = {
    "24h": datetime(2026, 3, 28, 10, 30, tzinfo=UTC),
    "7d": datetime(2026, 3, 22, 10, 30, tzinfo=UTC),
    "90m": datetime(2026, 3, 29, 9, 0, tzinfo=UTC),
    "90min ago": datetime(2026, 3, 29, 9, 0, tzinfo=UTC),
    " 2 w ": datetime(2026, 3, 15, 10, 30, tzinfo=UTC),
    "now": NOW,
    "today": datetime(2026, 3, 29, tzinfo=UTC),
    "yesterday": datetime(2026, 3, 28, tzinfo=UTC),
    "today Europe/Berlin": datetime(2026, 3, 28, 23, tzinfo=UTC),
    "yesterday Asia/Kolkata": datetime(2026, 3, 27, 18, 30, tzinfo=UTC),
    "2026-03-01": datetime(2026, 3, 1, tzinfo=UTC),
    "2026-03-01T12:00": datetime(2026, 3, 1, 12, tzinfo=UTC),
    "2026-03-01 12:00:00.5": datetime(2026, 3, 1, 12, 0, 0, 500_000, tzinfo=UTC),
    "2026-03-01T12:00Z": datetime(2026, 3, 1, 12, tzinfo=UTC),
    "2026-03-01T12:00+01:00": datetime(2026, 3, 1, 11, tzinfo=UTC),
    "2026-03-01 Europe/Berlin": datetime(2026, 2, 28, 23, tzinfo=UTC),
    "2026-07-01T12:00 Europe/Berlin": datetime(2026, 7, 1, 10, tzinfo=UTC),
    "2026-03-01 12:00 UTC": datetime(2026, 3, 1, 12, tzinfo=UTC),
}
NONE = [
    "", "yesterdy", "24", "h", "-3h", "1.5h", "2026-13-01", "2026-02-30", "24h Europe/Nowhere", "2026-03-01 Mars/Base",
    "2026-03-01T12:00+01:00 Europe/Berlin", "999999999w", "../etc/passwd", "2026-03-01 ../../etc/passwd", "now 24h",
]  # fmt: skip


@pytest.mark.parametrize("text", MOMENTS)
def test_a_moment_is_read(text: str) -> None:
    assert moments.parse(text, NOW) == MOMENTS[text]


@pytest.mark.parametrize("text", NONE)
def test_what_names_no_moment_is_an_error(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  of several libraries
        moments.parse(text, NOW)


def test_an_offset_is_kept_and_now_is_now() -> None:
    assert moments.parse("2026-03-01T12:00+05:30").tzinfo == timezone(timedelta(hours=5, minutes=30))
    assert abs(moments.parse("now") - datetime.now(UTC)) < timedelta(minutes=1)

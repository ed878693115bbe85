"""Values of parameters that nobody gave."""

from __future__ import annotations

from datetime import UTC, datetime

from etl.query import cookbook

FIRST = datetime(1, 1, 1, tzinfo=UTC)


def test_a_default_before_the_year_1_is_its_first_moment() -> None:
    values = cookbook.load("new_destinations").values({}, FIRST, datetime(2026, 3, 1, tzinfo=UTC))
    assert values["known_since"] == FIRST
    values = cookbook.load("new_destinations").values({}, datetime(1, 2, 1, tzinfo=UTC), datetime.now(UTC))
    assert values["known_since"] == datetime(1, 1, 2, tzinfo=UTC)

"""Gaps, quiet hours and their sentences, without a database."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl.monitoring.windows import Gap, awake, counted
from etl.settings import Settings

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
MIDNIGHT = datetime(2026, 3, 1, tzinfo=UTC)
OFFICE = tuple(hour for hour in range(24) if not 8 <= hour < 18)


def at(hours: float) -> datetime:
    return MIDNIGHT + hours * HOUR


def gap(start: float, end: float, windows: int = 1, sensor: str = "") -> Gap:
    return Gap(sensor=sensor, window_start=at(start), window_end=at(end), windows=windows)


AWAKE: list[tuple[str, float, float, tuple[int, ...], float]] = [
    ("no quiet hours", 0, 5, (), 5),
    ("nothing", 3, 3, (), 0),
    ("an end before its start", 5, 3, (), 0),
    ("a quiet hour within", 0, 5, (2,), 4),
    ("half of a quiet hour", 1.5, 2.5, (1,), 0.5),
    ("all of it quiet", 1, 3, (1, 2), 0),
    ("over midnight", 22, 26, (23, 0), 2),
    ("a whole day", 0, 24, (1, 2), 22),
    ("a day from the middle of an hour", 0.5, 24.5, (0,), 23),
    ("office hours of a week", 0, 7 * 24, OFFICE, 70),
    ("ten years, always quiet", 0, 3_650 * 24, tuple(range(24)), 0),
    ("fifty years", 0, 18_250 * 24, (), 18_250 * 24),
]


@pytest.mark.parametrize(("what", "start", "end", "silent", "hours"), AWAKE, ids=[case[0] for case in AWAKE])
def test_time_without_quiet_hours(
    what: str, start: float, end: float, silent: tuple[int, ...], hours: float
) -> None:
    assert awake(at(start), at(end), silent) == hours * HOUR, what


@given(
    start=st.integers(0, 100 * 3_600),
    length=st.integers(0, 100 * 3_600),
    silent=st.sets(st.integers(0, 23)),
)
def test_quiet_hours_add_up_second_by_hour(start: int, length: int, silent: set[int]) -> None:
    begin, end = MIDNIGHT + timedelta(seconds=start), MIDNIGHT + timedelta(seconds=start + length)
    by_hour, moment = timedelta(0), begin
    while moment < end:
        after = min(moment.replace(minute=0, second=0) + HOUR, end)
        by_hour += timedelta(0) if moment.hour in silent else after - moment
        moment = after
    assert awake(begin, end, silent) == by_hour


COUNTED: list[tuple[str, list[Gap], dict[str, Any], list[Gap]]] = [
    ("nothing is missing", [], {}, []),
    ("as the view has it", [gap(1, 2), gap(2, 3)], {}, [gap(1, 2), gap(2, 3)]),
    ("a quiet hour", [gap(1, 2), gap(2, 3)], {"quiet_hours": (1,)}, [gap(2, 3)]),
    ("partly quiet", [gap(1, 3)], {"quiet_hours": (1,)}, [gap(1, 3)]),
    (
        "the sensor's own quiet hours count before those of all",
        [gap(1, 2, sensor="a"), gap(1, 2, sensor="b")],
        {"quiet_hours": (1,), "sensors": {"a": {"quiet_hours": []}}},
        [gap(1, 2, sensor="a")],
    ),
    (
        "the sensor's own interval",
        [gap(1, 2, sensor="a"), gap(2, 3, sensor="a"), gap(1, 2, sensor="b")],
        {"sensors": {"a": {"interval": "PT2H"}}},
        [gap(1, 3, sensor="a"), gap(1, 2, sensor="b")],
    ),
    (
        "a shorter interval, and its rest",
        [gap(1, 2.25, sensor="a")],
        {"sensors": {"a": {"interval": "PT30M"}}},
        [gap(1, 1.5, sensor="a"), gap(1.5, 2, sensor="a"), gap(2, 2.25, sensor="a")],
    ),
    (
        "two silences stay two",
        [gap(1, 2, sensor="a"), gap(5, 6, sensor="a")],
        {"sensors": {"a": {"interval": "PT2H"}}},
        [gap(1, 2, sensor="a"), gap(5, 6, sensor="a")],
    ),
    ("a long silence", [gap(0, 16_320, 16_320)], {}, [gap(0, 16_320, 16_320)]),
    ("a long one with quiet hours", [gap(0, 2_400, 2_400)], {"quiet_hours": OFFICE}, [gap(0, 2_400, 1_000)]),
    ("a long one in hours that are all quiet", [gap(0, 2_400, 2_400)], {"quiet_hours": tuple(range(24))}, []),
    (
        "a long one at a shorter interval",
        [gap(0, 40, sensor="a")],
        {"sensors": {"a": {"interval": "PT30M"}}},
        [gap(0, 40, 80, sensor="a")],
    ),
    ("48 windows are listed", [gap(h, h + 1) for h in range(48)], {}, [gap(h, h + 1) for h in range(48)]),
]


@pytest.mark.parametrize(("what", "missing", "said", "expected"), COUNTED, ids=[case[0] for case in COUNTED])
def test_gaps_are_counted(what: str, missing: list[Gap], said: dict[str, Any], expected: list[Gap]) -> None:
    assert counted(missing, Settings(**said)) == expected, what


def test_a_silence_of_decades_costs_nothing() -> None:
    begun = time.perf_counter()
    century = gap(0, 100 * 365 * 24, 3_153_600_000, "a")
    tiny = Settings(sensors={"a": {"interval": "PT1S", "quiet_hours": [3]}}, quiet_hours=(1,))
    (found,) = counted([century], tiny)
    assert found.windows == 3_153_600_000 * 23 // 24
    assert time.perf_counter() - begun < 5


SENTENCES = [
    (gap(9, 10), "no log from 2026-03-01 09:00 to 2026-03-01 10:00 UTC"),
    (gap(9, 10, sensor="north"), "north: no log from 2026-03-01 09:00 to 2026-03-01 10:00 UTC"),
    (
        gap(0, 680 * 24, 16_320),
        "no logs from 2026-03-01 00:00 to 2028-01-10 00:00 UTC, 680 days (16,320 windows)",
    ),
    (gap(0, 40, 80), "no logs from 2026-03-01 00:00 to 2026-03-02 16:00 UTC, 40 hours (80 windows)"),
]


@pytest.mark.parametrize(("missing", "sentence"), SENTENCES)
def test_a_gap_is_a_sentence(missing: Gap, sentence: str) -> None:
    assert str(missing) == sentence

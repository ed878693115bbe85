"""Work in halves: who fails alone is named, all others are done, and what concerns all is raised."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl.errors import (
    Busy,
    ConnEtlError,
    DatabaseAway,
    DatabaseRefused,
    DiskFull,
    EnvironmentProblem,
    Misuse,
    NoRoom,
    PermanentError,
    StorageAway,
    Unforeseen,
    Unreadable,
)
from etl.loading.single_out import as_file_error, is_about_items, single_out


@pytest.mark.parametrize(
    ("error", "about_items"),
    [
        (RuntimeError("x"), True),
        (MemoryError(), True),
        (PermanentError("a rule cannot be evaluated"), True),
        (DatabaseRefused("x"), True),
        (Unreadable("x"), True),
        (NoRoom("x"), True),
        (DiskFull("x"), False),
        (Busy("x"), False),
        (DatabaseAway("x"), False),
        (StorageAway("x"), False),
        (EnvironmentProblem("x"), False),
        (Misuse("x"), False),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else str(value),
)
def test_which_errors_may_lie_in_one_of_the_items(error: Exception, about_items: bool) -> None:
    assert is_about_items(error) == about_items
    if not about_items:
        with pytest.raises(type(error)):
            single_out([1, 2, 3], lambda _: _raise(error))


def _raise(error: Exception) -> None:
    raise error


@given(st.lists(st.booleans(), min_size=1, max_size=70))
def test_the_bad_ones_are_named_and_all_others_are_done_once(bad: list[bool]) -> None:
    done: list[int] = []

    def work(items: Sequence[int]) -> None:
        if any(bad[i] for i in items):
            raise DatabaseRefused("one of them")
        done.extend(items)

    failures = single_out(range(len(bad)), work)
    assert [failure.item for failure in failures] == [i for i, is_bad in enumerate(bad) if is_bad]
    assert done == [i for i, is_bad in enumerate(bad) if not is_bad]


def test_items_that_fail_only_together_are_done_in_parts() -> None:
    done: list[int] = []

    def work(items: Sequence[int]) -> None:
        if len(items) > 3:
            raise MemoryError
        done.extend(items)

    assert single_out(range(10), work) == []
    assert done == list(range(10))


def test_one_bad_item_of_many_costs_little_more_than_twice_the_work() -> None:
    worked = 0

    def work(items: Sequence[int]) -> None:
        nonlocal worked
        worked += len(items)
        if 777 in items:
            raise DatabaseRefused("777")

    assert [failure.item for failure in single_out(range(2_000), work)] == [777]
    assert worked <= 3 * 2_000 + 20


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (MemoryError(), "MemoryError"),
        (KeyError("k"), "KeyError: 'k'"),
        (DatabaseRefused("the index"), "the index"),
        (Unreadable("it is gone"), "it is gone"),
    ],
)
def test_the_reason_names_the_error(error: Exception, said: str) -> None:
    found = as_file_error(error)
    assert said in str(found)
    assert found.state == "failed"
    if not isinstance(error, Unreadable):
        assert isinstance(found, Unforeseen)
        assert isinstance(found, ConnEtlError)

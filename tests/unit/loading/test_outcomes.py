"""Error budget and outcomes: each line of the tables is a file, and what becomes of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from etl.errors import FileError, OverBudget, TooManyDays
from etl.loading.ledger import BatchFile
from etl.loading.outcomes import ErrorBudget, outcomes, over_budget
from etl.models import FileState

BUDGET = ErrorBudget(rows=100, share=0.05)
FILE = BatchFile(
    etl_file_id=1,
    path="/conn.log",
    size=1,
    mtime=datetime(2026, 3, 1, tzinfo=UTC),
    state=FileState.STAGED,
    kind=None,
    reason=None,
    digest=b"one",
    incomplete=None,
    accepted=False,
    first_seen=datetime(2026, 3, 1, tzinfo=UTC),
    rows_read=10,
    rows_staged=10,
    rows_rejected=0,
    rows_failed=0,
    run_id="run",
)
NONE_GOOD, TOO_MANY = "not one of its", "more than the error budget of"


@pytest.mark.parametrize(
    ("read", "bad", "not_counted", "said"),
    [
        # nothing wrong
        (0, 0, 0, None),
        (10, 0, 0, None),
        # the greater of the number and the share
        (1_000, 100, 0, None),
        (1_000, 101, 0, f"101 of its 1,000 rows are bad, {TOO_MANY} 100"),
        (2_000, 100, 0, None),
        (2_000, 101, 0, TOO_MANY),
        (10_000, 500, 0, None),
        (10_000, 501, 0, f"{TOO_MANY} 500"),
        (10_019, 500, 0, None),  # the share is cut to whole rows
        (10_019, 501, 0, TOO_MANY),
        (10_020, 501, 0, None),
        # no good row at all
        (1, 1, 0, f"{NONE_GOOD} 1 rows is good"),
        (100, 100, 0, NONE_GOOD),
        (101, 100, 0, None),
        # rows that are no fault of the file count in neither number
        (10, 10, 10, None),
        (110, 110, 10, f"{NONE_GOOD} 100 rows is good"),
        (1_000, 200, 100, None),
        (1_000, 201, 100, f"101 of its 900 rows are bad, {TOO_MANY} 100"),
        (20_000, 10_500, 10_000, None),
        (20_000, 10_501, 10_000, f"{TOO_MANY} 500"),
    ],
)
def test_error_budget(read: int, bad: int, not_counted: int, said: str | None) -> None:
    error = BUDGET.exceeded(read=read, bad=bad, not_counted=not_counted)
    assert (error is None) == (said is None)
    if said is not None:
        assert said in str(error)
        assert "conn-etl quarantine list" in str(error)


@pytest.mark.parametrize(
    ("rows", "share", "read", "bad", "exceeded"),
    [
        (0, 0.0, 10, 1, True),
        (0, 0.0, 10, 0, False),
        (0, 1.0, 10, 9, False),
        (0, 1.0, 10, 10, True),  # no good row is too few under every budget
        (1, 0.0, 10, 1, False),
        (1, 0.0, 10, 2, True),
        (10**9, 0.0, 10**6, 999_999, False),
    ],
)
def test_budgets_of_the_settings(rows: int, share: float, read: int, bad: int, exceeded: bool) -> None:
    assert (ErrorBudget(rows=rows, share=share).exceeded(read=read, bad=bad) is not None) == exceeded


@pytest.mark.parametrize(
    ("rejected", "failed", "accepted", "refused"),
    [
        (0, 0, False, False),
        (None, None, False, False),
        (60, 40, False, False),
        (60, 41, False, True),
        (101, None, False, True),
        (0, 101, False, True),
        (60, 41, True, False),
        (1_000, 0, True, False),
    ],
)
def test_rejects_and_rows_that_broke_a_rule_are_one_sum(
    rejected: int | None, failed: int | None, accepted: bool, refused: bool
) -> None:
    file = replace(FILE, rows_read=1_000, rows_rejected=rejected, rows_failed=failed, accepted=accepted)
    assert (over_budget(file, BUDGET, 0) is not None) == refused


BUDGET_ERROR = OverBudget("too many")
CASES: dict[str, tuple[BatchFile, Mapping[int, FileError], Mapping[bytes, int], tuple[str, str | None, int | None]]] = {
    "a good file": (FILE, {}, {}, ("published", None, None)),
    "its end is missing": (replace(FILE, incomplete="cut"), {}, {}, ("incomplete", "incomplete", None)),
    "an empty file": (replace(FILE, rows_read=0), {}, {}, ("published", None, None)),
    "bytes that are there": (FILE, {}, {b"one": 7}, ("known", "known", 7)),
    "other bytes are there": (FILE, {}, {b"two": 7}, ("published", None, None)),
    "an empty file whose bytes are there": (replace(FILE, rows_read=0), {}, {b"one": 7}, ("published", None, None)),
    "over budget": (FILE, {1: BUDGET_ERROR}, {}, ("refused", "over_budget", None)),
    "too many days": (FILE, {1: TooManyDays("too many")}, {}, ("refused", "too_many_days", None)),
    "another file is over budget": (FILE, {2: BUDGET_ERROR}, {}, ("published", None, None)),
    "over budget, and its bytes are there": (FILE, {1: BUDGET_ERROR}, {b"one": 7}, ("known", "known", 7)),
    "over budget and cut": (replace(FILE, incomplete="cut"), {1: BUDGET_ERROR}, {}, ("refused", "over_budget", None)),
    "another kind of log": (replace(FILE, kind="other_log", digest=None), {}, {}, ("skipped", "other_log", None)),
    "no log": (replace(FILE, kind="not_a_conn_log", digest=None), {}, {}, ("refused", "not_a_conn_log", None)),
    "it cannot be read": (replace(FILE, kind="unreadable", digest=None), {}, {}, ("failed", "unreadable", None)),
    "an error that was not foreseen": (
        replace(FILE, kind="unforeseen", digest=None), {}, {}, ("failed", "unforeseen", None),
    ),
    "gone": (replace(FILE, kind="gone", digest=None), {}, {}, ("skipped", "gone", None)),
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(CASES))
def test_outcome_of_one_file(name: str) -> None:
    file, refused, brought_by, (state, kind, known) = CASES[name]
    (outcome,) = outcomes([file], refused, brought_by)
    assert (outcome.state, outcome.kind, outcome.known_file_id) == (state, kind, known)
    assert outcome.file is file
    assert (outcome.reason is None) == (kind in (None, "known") or file.kind is not None)


def test_the_first_of_several_with_the_same_bytes_brings_them() -> None:
    files = [replace(FILE, etl_file_id=i) for i in (4, 5, 6)]
    brought_by: dict[bytes, int] = {}
    found = outcomes(files, {}, brought_by)
    assert [(o.state, o.known_file_id) for o in found] == [("published", None), ("known", 4), ("known", 4)]
    assert brought_by == {}


def test_a_refused_first_leaves_the_bytes_to_the_next() -> None:
    files = [replace(FILE, etl_file_id=i) for i in (4, 5, 6)]
    found = outcomes(files, {4: BUDGET_ERROR}, {})
    assert [o.state for o in found] == ["refused", "published", "known"]
    assert found[2].known_file_id == 5

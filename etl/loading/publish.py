"""Publishing: one transaction that moves what is good of a batch to ``zeek.conn`` and the rest to quarantine.

Order of locks: digests, then days, each ascending. What is decided per file: known, unreadable, refused, or its rows.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from etl.database.engine import execute
from etl.database.locks import lock_days, lock_digests
from etl.errors import DayRetired, FileError, OverBudget, TooManyDays
from etl.loading import batch, speculative, undo
from etl.loading.budget import Budget
from etl.loading.ledger import BatchFile
from etl.loading.outcomes import Fate, fates
from etl.loading.speculative import HeadStart, Inserted, Lost
from etl.models import FileState, RawLine

RawLines = Callable[[str, Collection[int]], Mapping[int, RawLine]]
"""Reads lines of a path again by number; empty where the file is gone."""

UNIQUE_VIOLATION = "23505"
KEPT_OF_REFUSED = 1_000
"""Lines that a refused file leaves in quarantine at most."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Outlook:
    """What is known of a batch before it is published."""

    refused: Mapping[int, FileError]
    """By file id."""
    days_of: Mapping[int, Sequence[date]]
    """By file id: days that its good rows fall on."""
    new_days: Sequence[date]
    """Those of them that have no partition yet, over all files."""


@dataclass(kw_only=True, slots=True)
class Counts:
    """Terms of the equation, each by file id."""

    loaded: Mapping[int, sa.Row[Any] | Inserted] = field(default_factory=dict)
    duplicate: dict[int, int] = field(default_factory=dict)
    quarantined: dict[int, int] = field(default_factory=dict)


def prepare(
    connection: Connection, batch_id: int, files: Sequence[BatchFile], budget: Budget, max_new_days: int
) -> Outlook:
    """Judge the files by their counts, and see which days their good rows need.

    Raises:
        DayRetired: the gate has to judge the rows again.
    """
    new_days: dict[int, list[date]] = defaultdict(list)
    days_of: dict[int, list[date]] = defaultdict(list)
    with connection.begin():
        execute(connection, "publish.tune")
        batch.bind(connection, batch_id)
        forgiven = {row.etl_file_id: row.lines for row in execute(connection, "publish.forgiven")}
        judged = ((f, _over_budget(f, budget, forgiven.get(f.etl_file_id, 0))) for f in files)
        refused: dict[int, FileError] = {f.etl_file_id: error for f, error in judged if error is not None}
        hopeful = [f.etl_file_id for f in files if f.kind is None and f.etl_file_id not in refused]
        for row in execute(connection, "publish.days", ids=hopeful):
            days_of[row.etl_file_id].append(row.day)
            if row.is_new:
                new_days[row.etl_file_id].append(row.day)
        heed_retired(connection, {day for days in days_of.values() for day in days})
    for etl_file_id, days in new_days.items():
        if len(days) > max_new_days:
            refused[etl_file_id] = TooManyDays(
                f"its rows would make {len(days):,} new days ({days[0]} to {days[-1]}), "
                f"{max_new_days:,} are allowed",
                hint="check the sensor's clock, or raise CONN_ETL_MAX_NEW_DAYS",
            )
    new = {day for i, days in new_days.items() if i not in refused for day in days}
    return Outlook(refused=refused, days_of=days_of, new_days=sorted(new))


def make_days(connection: Connection, days: Iterable[date]) -> None:
    """Make partitions, each in a transaction of its own; those that are there stay as they are."""
    for day in days:
        with connection.begin():
            execute(connection, "publish.ensure_partition", day=day)


def heed_retired(connection: Connection, days: Collection[date]) -> None:
    """No row comes into a day that retention took, not even one that the gate saw before (see sql/statements)."""
    if gone := [row.day for row in execute(connection, "publish.retired", days=list(days))]:
        raise DayRetired(f"retention dropped {gone[0]} while its rows were on the way")


def _over_budget(file: BatchFile, budget: Budget, forgiven: int) -> OverBudget | None:
    """The error of a file with too many bad rows, unless somebody accepted it."""
    bad = (file.rows_rejected or 0) + (file.rows_failed or 0)
    return None if file.accepted else budget.exceeded(read=file.rows_read or 0, bad=bad, forgiven=forgiven)


def publish(
    connection: Connection,
    batch_id: int,
    files: Sequence[BatchFile],
    outlook: Outlook,
    raw_lines: RawLines,
    head: HeadStart | None = None,
) -> list[Fate]:
    """Settle the batch in one transaction, and drop its staging; the days' partitions are there.

    head: what it inserted already is in the transaction that the connection is in.

    Raises:
        Lost: the head start was in vain; nothing was published.
        TransientError: nothing was published; do it again.
    """
    with connection.get_transaction() or connection.begin():
        execute(connection, "publish.tune")
        batch.bind(connection, batch_id)
        redo = undo.redo_of(connection, files)
        _lock_digests(connection, [f.digest for f in files if f.digest], redo, head)
        settled = list(fates(connection, files, outlook.refused))
        chosen = [fate.file.etl_file_id for fate in settled if fate.state.has_rows]
        turned_down = [
            f.file.etl_file_id for f in settled if f.state is FileState.REFUSED and not f.file.before
        ]
        _select(connection, chosen, turned_down)
        counts = Counts()
        days = sorted({day for i in chosen for day in outlook.days_of.get(i, ())})
        lock_days(connection, [*days, *redo.days])
        heed_retired(connection, days)
        undo.clear(connection, redo, {fate.file.etl_file_id: fate.state for fate in settled})
        if head is None:
            insert_good(connection, days, counts)
        else:
            counts.loaded = head.finish(connection, files, chosen)
        _quarantine(connection, chosen, turned_down, {f.etl_file_id: f for f in files}, raw_lines, counts)
        _settle(connection, settled, counts)
        _settle_older(connection, chosen, turned_down)
        execute(connection, "publish.forget_views")
        batch.drop(connection, batch_id)
    return settled


def _lock_digests(
    connection: Connection, digests: Sequence[bytes], redo: undo.Redo, head: HeadStart | None
) -> None:
    if head is None:
        lock_digests(connection, [*digests, *redo.digests])
    elif redo.files:
        raise Lost("it replaces rows")
    else:
        speculative.lock_digests(connection, digests)


def _select(connection: Connection, chosen: Sequence[int], turned_down: Sequence[int]) -> None:
    """Let the statements that follow see which rows are good and which are bad."""
    execute(connection, "publish.forget_quarantine", ids=[*chosen, *turned_down])
    execute(connection, "publish.select_files", ids=chosen)
    execute(connection, "publish.good_rows")
    execute(connection, "publish.bad_rows", most=KEPT_OF_REFUSED)


def insert_good(connection: Connection, days: Sequence[date], counts: Counts) -> None:
    """Insert the good rows: plainly where all are new, else leaving out those whose identity is there."""
    if not days:
        return
    execute(connection, "publish.target")
    try:
        with connection.begin_nested():
            counts.loaded = {row.etl_file_id: row for row in execute(connection, "publish.insert_all")}
        execute(connection, "publish.no_leftover")
        return
    except sa.exc.IntegrityError as error:
        if getattr(error.orig, "pgcode", None) != UNIQUE_VIOLATION:
            raise
    counts.loaded = {row.etl_file_id: row for row in execute(connection, "publish.insert_new")}
    execute(connection, "publish.leftover", first_day=days[0], last_day=days[-1])
    counts.duplicate = {
        row.etl_file_id: row.rows_duplicate for row in execute(connection, "publish.duplicates")
    }
    execute(connection, "undo.note_duplicates")
    execute(connection, "publish.quarantine_conflicts", run=None)


def _quarantine(
    connection: Connection,
    chosen: Sequence[int],
    turned_down: Sequence[int],
    files: Mapping[int, BatchFile],
    raw_lines: RawLines,
    counts: Counts,
) -> None:
    """Write rejects and bad rows, then read again the lines whose bytes staging does not hold."""
    run = next(iter(files.values())).run_id
    for ids, most in ((chosen, None), (turned_down, KEPT_OF_REFUSED)):
        if ids:
            execute(connection, "publish.quarantine_rejects", ids=ids, most=most, run=run)
    touched = [*chosen, *turned_down]
    execute(connection, "publish.quarantine_bad", ids=touched, run=run)
    missing: dict[int, list[int]] = defaultdict(list)
    for row in execute(connection, "publish.without_raw", ids=touched):
        missing[row.etl_file_id].append(row.etl_line)
    for etl_file_id, numbers in missing.items():
        for line, raw in raw_lines(files[etl_file_id].path, numbers).items():
            line_format = json.dumps(raw.format.as_json())
            execute(
                connection,
                "publish.add_raw",
                id=etl_file_id,
                line=line,
                raw=raw.raw,
                cut=raw.cut,
                format=line_format,
            )
    counts.quarantined = {
        row.etl_file_id: row.rows_quarantined
        for row in execute(connection, "publish.quarantined", ids=touched)
    }


def _settle(connection: Connection, settled: Sequence[Fate], counts: Counts) -> None:
    for fate in settled:
        if fate.file.before and not (fate.state.has_rows or fate.state is FileState.KNOWN):
            undo.restore(connection, fate.file.etl_file_id, fate.reason)
        else:
            _finish(connection, fate, counts)


def _settle_older(connection: Connection, chosen: Sequence[int], turned_down: Sequence[int]) -> None:
    """What becomes of older states of the same paths, and of columns that nobody knew."""
    settled = [*chosen, *turned_down]
    for name, ids in (
        ("ledger.supersede", chosen),
        ("ledger.note_columns", chosen),
        ("ledger.close_superseded", settled),
        ("ledger.pass_over", settled),
    ):
        execute(connection, name, ids=ids)


def _finish(connection: Connection, fate: Fate, counts: Counts) -> None:
    i = fate.file.etl_file_id
    loaded = counts.loaded.get(i)
    execute(
        connection,
        "ledger.finish",
        id=i,
        state=fate.state,
        kind=fate.kind,
        reason=fate.reason,
        known_file_id=fate.known_file_id,
        rows_loaded=loaded.rows_loaded if loaded else 0,
        rows_duplicate=counts.duplicate.get(i, 0),
        rows_quarantined=counts.quarantined.get(i, 0),
        min_timestamp=loaded.min_timestamp if loaded else None,
        max_timestamp=loaded.max_timestamp if loaded else None,
    )

"""Publishing: one transaction that moves what is good of a batch to ``zeek.conn`` and the rest to quarantine.

Order of locks: digests, then days, each ascending. What is decided per file: known, unreadable, refused, or its rows.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from sqlalchemy.engine import Connection

from etl.database.locks import lock_days
from etl.database.statements import execute
from etl.errors import DayRetired, FileError, TooManyDays
from etl.loading import ledger, raw_lines, undo
from etl.loading.batch import Batch, forget_views
from etl.loading.insert import Counts, Insert, PlainInsert
from etl.loading.ledger import BatchFile
from etl.loading.outcomes import ErrorBudget, FileOutcome, outcomes, over_budget
from etl.loading.raw_lines import KEPT_OF_REFUSED, RawLines
from etl.models import FileState

_ROUNDS = 3
"""Times that publishing begins again because of identity conflicts whose lines were not read before."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PublishPlan:
    """What is known of a batch before it is published."""

    refused: Mapping[int, FileError]
    """By file id."""
    days_of: Mapping[int, Sequence[date]]
    """By file id: days that its good rows fall on."""
    new_days: Sequence[date]
    """Those of them that have no partition yet, over all files."""


class ConflictsUnread(Exception):
    """Identity conflicts showed up whose lines have to be read first; the transaction is rolled back."""

    def __init__(self, numbers: Mapping[int, Collection[int]]) -> None:
        super().__init__("identity conflicts have to be read again first")
        self.numbers = numbers


def prepare(batch: Batch, budget: ErrorBudget, max_new_days: int, read_raw: RawLines) -> PublishPlan:
    """Judge the files by their counts, see which days their good rows need, and read the bytes of bad rows.

    Raises:
        DayRetired: the gate has to judge the rows again.
    """
    new_days: dict[int, list[date]] = defaultdict(list)
    days_of: dict[int, list[date]] = defaultdict(list)
    with batch.bound() as connection:
        execute(connection, "publish.tune")
        not_counted = {row.etl_file_id: row.lines for row in execute(connection, "publish.not_counted")}
        judged = ((f, over_budget(f, budget, not_counted.get(f.etl_file_id, 0))) for f in batch.files)
        refused: dict[int, FileError] = {f.etl_file_id: error for f, error in judged if error is not None}
        hopeful = [f.etl_file_id for f in batch.files if f.kind is None and f.etl_file_id not in refused]
        for row in execute(connection, "publish.days", ids=hopeful):
            days_of[row.etl_file_id].append(row.day)
            if row.is_new:
                new_days[row.etl_file_id].append(row.day)
        require_days_present(connection, {day for days in days_of.values() for day in days})
    for etl_file_id, days in new_days.items():
        if len(days) > max_new_days:
            refused[etl_file_id] = TooManyDays(
                f"its rows would make {len(days):,} new days ({days[0]} to {days[-1]}), "
                f"{max_new_days:,} are allowed",
                hint="check the sensor's clock, or raise CONN_ETL_MAX_NEW_DAYS",
            )
    raw_lines.read_missing(batch, read_raw, refused)
    new = {day for i, days in new_days.items() if i not in refused for day in days}
    return PublishPlan(refused=refused, days_of=days_of, new_days=sorted(new))


def make_days(connection: Connection, days: Iterable[date]) -> None:
    """Make missing partitions, each in a separate transaction."""
    for day in days:
        with connection.begin():
            execute(connection, "publish.ensure_partition", day=day)


def require_days_present(connection: Connection, days: Collection[date]) -> None:
    """Let no row come into a day that retention took, not even one that the gate saw before.

    Raises:
        DayRetired: retention dropped one of these days.
    """
    if gone := [row.day for row in execute(connection, "publish.retired", days=list(days))]:
        raise DayRetired(f"retention dropped {gone[0]} while its rows were on the way")


def publish(batch: Batch, plan: PublishPlan, read_raw: RawLines) -> None:
    """Settle the files of the batch in one transaction; the partitions of their days are there.

    Raises:
        TransientError: nothing was published; do it again.
    """
    for _ in range(_ROUNDS):
        try:
            publish_once(batch, plan, PlainInsert())
        except ConflictsUnread as conflicts:
            raw_lines.keep(batch, read_raw, conflicts.numbers)
        else:
            return
    publish_once(batch, plan, PlainInsert(), last=True)


def publish_once(batch: Batch, plan: PublishPlan, how: Insert, *, last: bool = False) -> None:
    """The transaction; goes on in the one that the connection is in.

    last: identity conflicts whose lines were not read go to quarantine without their bytes.

    Raises:
        ConflictsUnread: nothing was published.
    """
    with batch.bound() as connection:
        execute(connection, "publish.tune")
        redo = undo.redo_of(connection, batch.files)
        digests = [f.digest for f in batch.files if f.digest]
        how.lock_digests(connection, digests, redo)
        settled = outcomes(batch.files, plan.refused, _brought_by(connection, batch))
        chosen = [o.file.etl_file_id for o in settled if o.state.has_rows]
        refused = [o.file.etl_file_id for o in settled if o.state is FileState.REFUSED and not o.file.before]
        known = [o.file.etl_file_id for o in settled if o.state is FileState.KNOWN and not o.file.before]
        execute(connection, "publish.forget_quarantine", ids=[*chosen, *refused, *known])
        _select(connection, chosen, refused)
        days = sorted({day for i in chosen for day in plan.days_of.get(i, ())})
        lock_days(connection, [*days, *redo.days])
        require_days_present(connection, days)
        undo.clear(connection, redo, {o.file.etl_file_id: o.state for o in settled})
        counts = how.insert(connection, chosen, days)
        if days and not last:
            _require_conflicts_read(connection)
        _quarantine(connection, chosen, refused, batch.files, with_conflicts=bool(days))
        counts.quarantined = _quarantined(connection, [*chosen, *refused])
        _settle(connection, settled, counts)
        _settle_older(connection, chosen, refused)
        forget_views(connection)


def _brought_by(connection: Connection, batch: Batch) -> dict[bytes, int]:
    digests = [f.digest for f in batch.files if f.digest and f.rows_read]
    rows = execute(connection, "publish.same_bytes", digests=digests, batch=batch.ids)
    return {bytes(row.digest): row.etl_file_id for row in rows}


def _select(connection: Connection, chosen: Sequence[int], refused: Sequence[int]) -> None:
    """Let the statements that follow see which rows are good and which are bad."""
    execute(connection, "publish.select_files", ids=chosen)
    execute(connection, "publish.good_rows")
    execute(connection, "publish.bad_rows", ids=[*chosen, *refused], most=KEPT_OF_REFUSED)


def _require_conflicts_read(connection: Connection) -> None:
    numbers: dict[int, list[int]] = defaultdict(list)
    for row in execute(connection, "publish.conflicts_without_raw"):
        numbers[row.etl_file_id].append(row.etl_line)
    if numbers:
        raise ConflictsUnread(numbers)


def _quarantine(
    connection: Connection,
    chosen: Sequence[int],
    refused: Sequence[int],
    files: Sequence[BatchFile],
    *,
    with_conflicts: bool,
) -> None:
    """Write rejects, bad rows and identity conflicts, each with its bytes, by one statement a kind."""
    run = files[0].run_id
    for ids, most in ((chosen, None), (refused, KEPT_OF_REFUSED)):
        if ids:
            execute(connection, "publish.quarantine_rejects", ids=ids, most=most, run=run)
    execute(connection, "publish.quarantine_bad", ids=[*chosen, *refused], run=run)
    if with_conflicts:
        execute(connection, "publish.quarantine_conflicts", run=run)


def _quarantined(connection: Connection, ids: Sequence[int]) -> dict[int, int]:
    rows = execute(connection, "publish.quarantined", ids=list(ids))
    return {row.etl_file_id: row.rows_quarantined for row in rows}


def _settle(connection: Connection, settled: Sequence[FileOutcome], counts: Counts) -> None:
    restored = [o for o in settled if o.file.before and not (o.state.has_rows or o.state is FileState.KNOWN)]
    for outcome in restored:
        undo.restore(connection, outcome.file.etl_file_id, outcome.reason)
    ids = {outcome.file.etl_file_id for outcome in restored}
    ledger.finish(connection, [_result(o, counts) for o in settled if o.file.etl_file_id not in ids])


def _result(outcome: FileOutcome, counts: Counts) -> ledger.Result:
    i = outcome.file.etl_file_id
    loaded = counts.loaded.get(i)
    return ledger.Result(
        etl_file_id=i,
        state=outcome.state,
        kind=outcome.kind,
        reason=outcome.reason,
        known_file_id=outcome.known_file_id,
        rows_loaded=loaded.rows_loaded if loaded else 0,
        rows_duplicate=counts.duplicate.get(i, 0),
        rows_quarantined=counts.quarantined.get(i, 0),
        min_timestamp=loaded.min_timestamp if loaded else None,
        max_timestamp=loaded.max_timestamp if loaded else None,
    )


def _settle_older(connection: Connection, chosen: Sequence[int], refused: Sequence[int]) -> None:
    """What becomes of older versions of the same paths, and of columns that were not seen before."""
    execute(connection, "ledger.note_columns", ids=chosen)
    if versions := list(execute(connection, "ledger.older_versions", ids=[*chosen, *refused])):
        newer, older = zip(*versions, strict=True)
        for name in ("ledger.supersede", "ledger.close_superseded", "ledger.pass_over"):
            execute(connection, name, newer=list(newer), older=list(older), loaded=chosen)
    if chosen and execute(connection, "quarantine.awaits_replacement").first() is not None:
        execute(connection, "quarantine.replaced")


def fail(connection: Connection, file: BatchFile, error: FileError) -> None:
    """Make one open file final for an error; a file that has rows keeps them."""
    reason = ledger.legible(str(error))
    with connection.begin():
        if file.before:
            undo.restore(connection, file.etl_file_id, reason)
        else:
            result = ledger.Result(
                etl_file_id=file.etl_file_id, state=error.state, kind=error.kind, reason=reason
            )
            ledger.finish(connection, [result])

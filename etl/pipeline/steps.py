"""The three steps of a batch, each entered with nothing but its number: write (stage), audit (validate), publish.

A batch survives any one of its files. What goes wrong while a file is read concerns that file. What the database
refuses, or what breaks the gate, is found by taking the batch apart; publish does that, so stage and validate leave
such a batch to it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial

from etl import source
from etl.database import driver_errors, engine, statements
from etl.database.store import Store
from etl.errors import (
    DatabaseRefused,
    DayRetired,
    FileError,
    NoRoom,
    PermanentError,
    TooLarge,
    TransientError,
)
from etl.loading import batch as batches
from etl.loading import ledger, raw_lines
from etl.loading import publish as publishing
from etl.loading import stage as staging
from etl.loading.batch import Batch
from etl.loading.ledger import BatchFile
from etl.loading.outcomes import ErrorBudget
from etl.loading.single_out import Failure, as_file_error, is_about_items, single_out
from etl.loading.speculative import Ahead, Bounds, NotSpeculating, SpeculativePublish
from etl.models import Reader
from etl.pipeline.reread import lines_of
from etl.quality import gate
from etl.quality.results import record_batch
from etl.settings import Settings

log = logging.getLogger(__name__)


def stage(store: Store, batch_id: int) -> dict[str, int]:
    """Read the batch's open files into staging; nothing where staging is whole.

    Returns:
        The batch and its totals in the ledger: ``batch``, ``files``, ``rows_read``, ``rows_loaded``,
        ``rows_duplicate``, ``rows_quarantined``, ``refused`` (files refused or failed).

    Raises:
        TransientError: Busy (another process works on the batch), DiskFull, DatabaseAway, StorageAway.
        EnvironmentProblem: missing rights or schema.
    """

    def work(batch: Batch) -> None:
        if batch.files and not batch.is_whole():
            _stage(store, batch, NotSpeculating())

    return _as_step(store, batch_id, work)


def validate(store: Store, batch_id: int) -> dict[str, int]:
    """Run the gate over the batch, staging it again where staging is not what the ledger says.

    Returns and raises as ``stage``; PermanentError where a rule cannot be evaluated.
    """
    return _as_step(store, batch_id, lambda batch: _validated(store, batch, NotSpeculating()))


def publish(store: Store, batch_id: int) -> dict[str, int]:
    """Publish what is good of the batch and settle all its files; what earlier steps left undone is done first.

    Returns and raises as ``validate``; DayRetired (transient) where retention took a day meanwhile.
    """
    with store.loading() as connection, batches.held(connection, batch_id) as batch:
        publish_claimed(store, batch)
        return _totals(batch)


def _as_step(store: Store, batch_id: int, work: Callable[[Batch], object]) -> dict[str, int]:
    """Do the work of one step; where a file breaks it, publish will find out which."""
    with store.loading() as connection, batches.held(connection, batch_id) as batch:
        try:
            with driver_errors.translated():
                work(batch)
        except Exception as error:
            if type(error) is PermanentError or not is_about_items(error):
                raise
            log.exception("batch %s cannot be taken as a whole: publish takes it apart", batch_id)
        return _totals(batch)


def _totals(batch: Batch) -> dict[str, int]:
    row = ledger.batch_totals(batch.connection, batch.batch_id)
    return {
        "batch": batch.batch_id,
        **{name: value for name, value in row._mapping.items() if isinstance(value, int)},
    }


def publish_claimed(store: Store, batch: Batch) -> None:
    """All steps of a batch; a file that breaks one of them becomes failed, and the others are published.

    Raises:
        NoRoom: some of the files may need more disk than is free; they stay open, the others are published.
        PermanentError: what happens with every file is no matter of one file, such as a rule that cannot be evaluated.
    """
    if not batch.files:
        return
    failures: list[Failure[BatchFile]] = []
    failures += single_out(batch.files, lambda files: failures.extend(_settle(store, batch.only(files))))
    batch.drop()
    if len(failures) == len(batch.files) and type(failures[0].error) is PermanentError:
        raise failures[0].error
    problems = [_fail(batch, failure) for failure in failures]
    for problem in filter(None, problems):
        raise problem


def _fail(batch: Batch, failure: Failure[BatchFile]) -> Exception | None:
    """Make a file final that cannot be loaded; one for which there is no room now stays open, with the reason.

    Returns the error of a file that stays open.
    """
    file, error = failure.item, failure.error
    if isinstance(error, TransientError):
        with batch.connection.begin():
            statements.execute(batch.connection, "ledger.wait", id=file.etl_file_id, reason=str(error))
        return error
    if not isinstance(error, FileError):
        log.error("%s: it cannot be loaded, the other files go on", file.path, exc_info=error)
    try:
        with driver_errors.translated():
            publishing.fail(batch.connection, file, as_file_error(error))
    except DatabaseRefused as refused:
        return refused
    return None


def _settle(store: Store, batch: Batch) -> list[Failure[BatchFile]]:
    """Stage, judge and publish these files; returns those that the database refuses at the end."""
    settings = store.settings
    with _ahead(store) as ahead:
        batch = _validated(store, batch, ahead)
        engine.label(batch.connection, "publish", batch.batch_id)
        read_raw = partial(lines_of, settings=settings)
        try:
            plan = publishing.prepare(batch, budget_of(settings), settings.max_new_days, read_raw)
            if ahead.publish(batch, plan):
                return []
            publishing.make_days(batch.connection, plan.new_days)
            return single_out(batch.files, partial(_publish, batch, plan, read_raw))
        except DayRetired:
            ledger.judge_again(batch.connection, batch.batch_id)
            raise


def _publish(
    batch: Batch,
    plan: publishing.PublishPlan,
    read_raw: raw_lines.RawLines,
    files: Sequence[BatchFile],
) -> None:
    publishing.publish(batch.only(files), plan, read_raw)


def _stage(store: Store, batch: Batch, ahead: Ahead) -> None:
    _require_room(store, batch.files)
    engine.label(batch.connection, "stage", batch.batch_id)
    ahead.begin(batch)
    opener = partial(reader_of, settings=store.settings)
    staging.stage(batch, opener, ahead.take)


def _require_room(store: Store, files: Sequence[BatchFile]) -> None:
    """Rather not begin than fill the server's disk: staging, table, index and WAL each hold the batch once.

    Raises:
        NoRoom: with how much is missing.
        TooLarge: the one file may need more than the whole disk.
    """
    with store.session() as own:  # conn_loader may not know where the data is
        disk, needed = engine.disk_of(own), sum(file.size for file in files) * store.settings.disk_factor
    if disk is None or disk.free >= needed:
        return
    hint = "free some space, or lower CONN_ETL_DISK_FACTOR"
    if len(files) == 1 and needed > disk.total:
        raise TooLarge(
            f"it may need {needed >> 20:,} MiB of disk, the server's has {disk.total >> 20:,} in all",
            hint=hint,
        )
    raise NoRoom(
        f"the server has {disk.free >> 20:,} MiB free, {len(files):,} files may need {needed >> 20:,}",
        hint=hint,
    )


@contextmanager
def reader_of(path: str, settings: Settings) -> Iterator[Reader]:
    """A reader of a path of the ledger; raises Unreadable."""
    from etl.reader.files import ConnReader

    with source.opened(path) as stream:
        yield ConnReader(stream, options=settings.read_options(), name=path)


def _validated(store: Store, batch: Batch, ahead: Ahead) -> Batch:
    """The batch, staged and judged; from staging if it is whole, else from the logs again."""
    if not batch.files:
        return batch
    if not batch.is_whole():
        _stage(store, batch, ahead)
        batch = _as_now(batch)
    if batch.is_judged():
        return batch
    rows_read = {file.etl_file_id: file.rows_read or 0 for file in batch.files}
    engine.label(batch.connection, "validate", batch.batch_id)
    with batch.bound() as connection:
        address = engine.url_as(connection, store.url, store.settings, "conn-etl gate")
        results = gate.gate(connection, address, batch.table, rows_read, policy_of(store.settings))
        record_batch(
            connection, results, run_id=batch.files[0].run_id, batch_id=batch.batch_id, rows_read=rows_read
        )
        batch.record_bad()
    return _as_now(batch)


def _as_now(batch: Batch) -> Batch:
    """The same files, with what the ledger says of them now."""
    ids = set(batch.ids)
    now = batch.read()
    return now.only([file for file in now.files if file.etl_file_id in ids])


def budget_of(settings: Settings) -> ErrorBudget:
    """What the settings let be wrong with a file."""
    return ErrorBudget(rows=settings.error_budget_rows, share=settings.error_budget_share)


def policy_of(settings: Settings) -> gate.Policy:
    """The settings' part in the gate."""
    return gate.Policy(
        earliest=settings.earliest,
        after_first_seen=settings.latest_after_first_seen,
        severities=settings.rule_severity,
    )


def _ahead(store: Store) -> Ahead:
    """Speculative publishing, if the settings want it.

    Its days are those that rows may fall on before the gate has judged them: as if the files were seen today.
    """
    settings = store.settings
    if not settings.speculative_publish:
        return NotSpeculating()
    latest = datetime.now(UTC) + settings.latest_after_first_seen
    bounds = Bounds(
        first_day=settings.earliest.date(), last_day=latest.date(), new_days=settings.max_new_days
    )
    return SpeculativePublish(loading=store.loading, bounds=bounds)

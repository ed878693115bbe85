"""The three steps of a batch, each entered with nothing but its number: stage, validate, publish."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from functools import partial

from sqlalchemy.engine import Connection

from etl import source
from etl.database import engine
from etl.database.store import Store
from etl.errors import DayRetired, DiskFull, FileError
from etl.loading import batch, ledger
from etl.loading import publish as publishing
from etl.loading import stage as staging
from etl.loading.budget import Budget
from etl.loading.speculative import Bounds, HeadStart, Lost
from etl.models import RawLine, Reader
from etl.quality import gate
from etl.settings import Settings


def stage(store: Store, batch_id: int) -> dict[str, int]:
    """Read the batch's open files into staging; nothing where staging is whole.

    Returns:
        The batch and its totals in the ledger: ``batch``, ``files``, ``rows_read``, ``rows_loaded``,
        ``rows_duplicate``, ``rows_quarantined``, ``refused`` (files refused or failed).

    Raises:
        TransientError: Busy (another process works on the batch), DiskFull, DatabaseAway, StorageAway.
        EnvironmentProblem: missing rights or schema.
    """
    with store.loading() as connection, engine.batch_lock(connection, batch_id):
        files = _open_files(connection, batch_id)
        if files and not _intact(connection, batch_id, files):
            _stage(store, connection, batch_id, files, None)
        return _totals(connection, batch_id)


def validate(store: Store, batch_id: int) -> dict[str, int]:
    """Run the gate over the batch, staging it again where staging is not what the ledger says.

    Returns and raises as ``stage``; PermanentError where a rule cannot be evaluated.
    """
    with store.loading() as connection, engine.batch_lock(connection, batch_id):
        _validated(store, connection, batch_id, None)
        return _totals(connection, batch_id)


def publish(store: Store, batch_id: int) -> dict[str, int]:
    """Publish what is good of the batch and settle all its files; what earlier steps left undone is done first.

    Returns and raises as ``validate``; DayRetired (transient) where retention took a day meanwhile.
    """
    with store.loading() as connection, engine.batch_lock(connection, batch_id):
        publish_claimed(store, connection, batch_id)
        return _totals(connection, batch_id)


def _open_files(connection: Connection, batch_id: int) -> list[ledger.BatchFile]:
    with connection.begin():
        return ledger.batch_files(connection, batch_id)


def _totals(connection: Connection, batch_id: int) -> dict[str, int]:
    row = ledger.batch_totals(connection, batch_id)
    return {
        "batch": batch_id,
        **{name: value for name, value in row._mapping.items() if isinstance(value, int)},
    }


def _intact(connection: Connection, batch_id: int, files: Sequence[ledger.BatchFile]) -> bool:
    with connection.begin():
        return batch.intact(connection, batch_id, files)


def _stage(
    store: Store,
    connection: Connection,
    batch_id: int,
    files: Sequence[ledger.BatchFile],
    head: HeadStart | None,
) -> None:
    _require_room(store, sum(file.size for file in files))
    engine.label(connection, "stage", batch_id)
    replacing = any(file.before or file.replaces for file in files)
    on_part = head.take if head and not replacing else _go_on
    opener = partial(reader_of, settings=store.settings)
    staging.stage(connection, batch_id, files, opener, on_part)
    if head:
        head.take_last()


def _go_on(_part: staging.Part) -> None:
    """Nothing begins with a part of the batch."""


def _require_room(store: Store, size: int) -> None:
    """Rather not begin than fill the server's disk: staging, table, index and WAL each hold the batch once.

    Raises:
        DiskFull: with how much is missing.
    """
    with store.session() as own:  # conn_loader may not know where the data is
        free, needed = engine.free_bytes(own), size * store.settings.disk_factor
    if free is not None and free < needed:
        raise DiskFull(
            f"the server has {free >> 20:,} MiB free, this batch may need {needed >> 20:,}",
            hint="free some space, or lower CONN_ETL_BATCH_BYTES or CONN_ETL_DISK_FACTOR",
        )


@contextmanager
def reader_of(path: str, settings: Settings) -> Iterator[Reader]:
    """A reader of a path of the ledger; raises Unreadable."""
    from etl.reader.files import ConnReader

    with source.opened(path) as stream:
        yield ConnReader(stream, options=settings.read_options())


def _validated(
    store: Store, connection: Connection, batch_id: int, head: HeadStart | None
) -> list[ledger.BatchFile]:
    """The batch's open files, staged and judged; from staging if it is whole, else from the logs again."""
    files = _open_files(connection, batch_id)
    if files and not _intact(connection, batch_id, files):
        _stage(store, connection, batch_id, files, head)
        files = _open_files(connection, batch_id)
    if not files or _judged(connection, batch_id, files):
        return files
    rows_read = {file.etl_file_id: file.rows_read or 0 for file in files}
    engine.label(connection, "validate", batch_id)
    with connection.begin():
        batch.bind(connection, batch_id)
        url = engine.url_as(connection, store.url, store.settings, "conn-etl gate")
        outcomes = gate.gate(connection, url, batch.table(batch_id), rows_read, policy_of(store.settings))
        gate.record(connection, files[0].run_id, batch_id, outcomes, rows_read)
        batch.note_bad(connection, files)
    return _open_files(connection, batch_id)


def budget_of(settings: Settings) -> Budget:
    """What the settings let be wrong with a file."""
    return Budget(rows=settings.error_budget_rows, share=settings.error_budget_share)


def policy_of(settings: Settings) -> gate.Policy:
    """The settings' part in the gate."""
    return gate.Policy(
        earliest=settings.earliest,
        after_first_seen=settings.latest_after_first_seen,
        severities=settings.rule_severity,
    )


def _judged(connection: Connection, batch_id: int, files: Sequence[ledger.BatchFile]) -> bool:
    with connection.begin():
        return batch.judged(connection, batch_id, files)


def publish_claimed(store: Store, connection: Connection, batch_id: int) -> None:
    """All steps of a batch whose lock this session holds."""
    settings = store.settings
    with HeadStart(loading=store.loading, batch_id=batch_id, bounds=_head_bounds(settings)) as head:
        if not (files := _validated(store, connection, batch_id, head)):
            return
        engine.label(connection, "publish", batch_id)
        try:
            outlook = publishing.prepare(
                connection, batch_id, files, budget_of(settings), settings.max_new_days
            )
            lines = partial(_raw_lines, settings=settings)
            if ahead := head.won(files):
                with suppress(Lost), engine.translated():
                    publishing.publish(ahead, batch_id, files, outlook, lines, head)
                    return
            publishing.make_days(connection, outlook.new_days)
            publishing.publish(connection, batch_id, files, outlook, lines)
        except DayRetired:
            ledger.judge_again(connection, batch_id)
            raise


def _head_bounds(settings: Settings) -> Bounds:
    """Days that rows may fall on before the gate has judged them: yesterday's settings for a file seen today."""
    latest = datetime.now(UTC) + settings.latest_after_first_seen
    return Bounds(first_day=settings.earliest.date(), last_day=latest.date(), new_days=settings.max_new_days)


def _raw_lines(path: str, numbers: Collection[int], settings: Settings) -> Mapping[int, RawLine]:
    """Lines of a file again; none where it cannot be read any more."""
    from etl.reader.files import raw_lines

    try:
        with source.opened(path) as stream:
            return raw_lines(stream, numbers, settings.read_options())
    except FileError:
        return {}

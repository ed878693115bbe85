"""All steps in one process: what ``conn-etl ingest`` does."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from tenacity import (
    Retrying,
    before_sleep_log,
    retry_if_exception,
    stop_after_attempt,
    wait_exponential_jitter,
)

from etl import source
from etl.database import locks
from etl.database.store import Store
from etl.errors import ConnEtlError, EnvironmentProblem, FileError, NoRoom, PermanentError, TransientError
from etl.loading import ledger, undo
from etl.loading.batch import Batch
from etl.loading.single_out import as_file_error
from etl.models import FileState
from etl.pipeline.discover import Request, ScanResult, Waiting, scan, sensors_of
from etl.pipeline.runs import begin, end, in_batches, new_id
from etl.pipeline.steps import publish_claimed, reader_of
from etl.quality import gx
from etl.settings import Settings

log = logging.getLogger(__name__)

POLL_SECONDS = 0.5
"""How often to look whether another process is done with a file."""


@dataclass(frozen=True, kw_only=True, slots=True)
class FileResult:
    """What a call did with one file; ``recorded`` holds the old counts of one that was final before."""

    path: str
    state: str
    kind: str | None
    reason: str | None
    rows_read: int = 0
    rows_loaded: int = 0
    rows_duplicate: int = 0
    rows_quarantined: int = 0
    first: datetime | None = None
    """The earliest ``"@timestamp"`` that this call loaded from it."""
    last: datetime | None = None
    """The latest."""
    recorded: dict[str, int] | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Summary:
    """What a call did; the totals count this call only."""

    run_id: str
    results: list[FileResult]
    problem: ConnEtlError | None = None
    """Why some of the files are still open: there was no room for them, or a rule could not be evaluated."""

    def total(self, term: str) -> int:
        """Sum of ``rows_read``, ``rows_loaded``, ``rows_duplicate`` or ``rows_quarantined``."""
        return sum(getattr(result, term) for result in self.results)

    @property
    def span(self) -> tuple[datetime, datetime] | None:
        """The earliest and the latest ``"@timestamp"`` that the call loaded; None where it loaded no row."""
        loaded = [r for r in self.results if r.rows_loaded and r.first and r.last]
        return (
            (min(r.first for r in loaded if r.first), max(r.last for r in loaded if r.last))
            if loaded
            else None
        )

    @property
    def became_bad(self) -> list[FileResult]:
        """Files that became refused or failed in this call."""
        return [
            r
            for r in self.results
            if r.recorded is None
            and (r.state in (FileState.REFUSED, FileState.FAILED) or r.kind == "not_replaced")
        ]


TERMS = ("rows_read", "rows_loaded", "rows_duplicate", "rows_quarantined")


def ingest(  # noqa: PLR0913  what the command can ask for
    store: Store,
    paths: Sequence[str],
    *,
    retry: bool = False,
    replace: bool = False,
    accepted_by: str | None = None,
    rehash: bool = False,
    since: datetime | None = None,
    until: datetime | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Summary:
    """Load files and folders, whatever their age, and return what became of each.

    Transient errors are tried again ``settings.attempts`` times; what was published before one stays.

    Args:
        store: where to.
        paths: files, folders, or URLs of either.
        retry: open refused and failed files again.
        replace: load final files again too; their rows, and those of the path's other versions, go in the same
            transaction. A file that can no longer be loaded keeps what it had.
        accepted_by: open refused and failed files again, and lift the error budget of all files given, on record under
            this name.
        rehash: read files again that the ledger knows by path, size and mtime, and reload those whose content changed;
            their old rows go.
        since: only files whose window ends after it; one without a window is always in.
        until: only files whose window begins before it.
        progress: called with (bytes done, bytes in all).

    Raises:
        Misuse, EnvironmentProblem: nothing was loaded.
        TransientError: it did not pass; run it again. What concerns one batch alone is ``Summary.problem``.
    """
    run_id = new_id("command")
    for path in paths:
        next(
            source.listed([path]), None
        )  # a path that is not there stops the call before anything is written
    request = Request(
        run_id=run_id, since=since, until=until, retry=retry, accepted_by=accepted_by, rehash=rehash
    )
    begin_command(store, run_id, {"paths": list(paths), **request.as_arguments()})
    scanned = _scan(store, paths, request)
    waiting, given = scanned.waiting, scanned.given
    if replace:
        with store.loading() as connection:
            waiting = _open_again(connection, scanned.usable)
    if waiting:  # it takes seconds, and can be had while rows stream
        threading.Thread(target=gx.load, name="import-gx", daemon=True).start()
    done, total = 0, sum(row.size for row in waiting)
    problems: list[ConnEtlError] = []
    for rows in in_batches(waiting, store.settings):
        if (problem := _tried(store, [row.etl_file_id for row in rows], run_id)) is not None:
            problems.append(problem)
        done += sum(row.size for row in rows)
        if progress is not None:
            progress(done, total)
    if replace:
        load_waiting(store, run_id)
    end(store, run_id)
    with store.loading() as connection:
        after = ledger.by_id(connection, given)
    return Summary(
        run_id=run_id,
        results=[result_of(row, run_id) for row in after],
        problem=problems[0] if problems else None,
    )


def _scan(store: Store, paths: Sequence[str], request: Request) -> ScanResult:
    for attempt in attempts(store.settings):
        with attempt, store.loading() as connection:
            return scan(connection, paths, request, store.settings, only_complete=False)
    raise AssertionError("attempts end with a result or an error")


def _open_again(connection: Connection, ids: Sequence[int]) -> list[Waiting]:
    with connection.begin():
        undo.reopen_loaded(connection, ids, replaces=True)
    return [Waiting(row.etl_file_id, row.size) for row in ledger.by_id(connection, ids)]


def load_waiting(store: Store, run_id: str) -> list[int]:
    """Load again the files that lost rows to an undo, until none is left; returns their ids."""
    done: list[int] = []
    while True:
        with store.loading() as connection:
            if not (ids := [i for i in undo.waiting(connection) if i not in done]):
                return done
        for attempt in attempts(store.settings):
            with attempt:
                _work_off(store, ids, run_id)
        done += ids


def begin_command(store: Store, run_id: str, arguments: Mapping[str, Any]) -> None:
    """Open a run of the command in the ledger."""
    for attempt in attempts(store.settings):
        with attempt:
            begin(store, run_id, "command", arguments)


def attempts(settings: Settings) -> Retrying:
    """Tries of a step that may fail for a passing reason."""
    return Retrying(
        retry=retry_if_exception(
            lambda error: isinstance(error, TransientError) and not isinstance(error, NoRoom)
        ),
        stop=stop_after_attempt(settings.attempts),
        wait=wait_exponential_jitter(multiplier=0.5, max=30),
        before_sleep=before_sleep_log(log, logging.INFO),
        reraise=True,
    )


def _tried(store: Store, ids: Sequence[int], run_id: str) -> ConnEtlError | None:
    """Load one batch of files; an error that concerns this batch alone is returned, so that the next ones go on."""
    try:
        for attempt in attempts(store.settings):
            with attempt:
                _work_off(store, ids, run_id)
    except EnvironmentProblem:
        raise
    except (NoRoom, PermanentError) as error:
        log.warning("a batch of %d files stays open: %s", len(ids), error)
        return error
    return None


def _work_off(store: Store, ids: Sequence[int], run_id: str) -> None:
    """Bring all these files to a final state, waiting for those that another process works on."""
    patience = locks.Patience(store.settings.max_wait)
    with store.loading() as connection:
        while True:
            batch_id = ledger.new_batch(connection)
            with locks.batch(connection, batch_id):
                if ledger.claim(connection, batch_id, ids, run_id):
                    publish_claimed(store, Batch(batch_id=batch_id, connection=connection).read())
            left = [row for row in ledger.by_id(connection, ids) if FileState(row.state).is_open]
            if not (ids := [row.etl_file_id for row in left]):
                return
            patience.check(
                connection, f"{len(ids):,} files are being loaded by another process", locks.loading(left)
            )
            connection.rollback()
            time.sleep(POLL_SECONDS)


def result_of(after: sa.Row[Any], run_id: str) -> FileResult:
    """What a run did with a file, as the ledger has it."""
    counts = {term: getattr(after, term) or 0 for term in TERMS}
    mine = after.run_id == run_id
    return FileResult(
        path=after.path,
        state=after.state,
        kind=after.kind,
        reason=after.reason,
        first=after.min_timestamp if mine else None,
        last=after.max_timestamp if mine else None,
        **(counts if mine else {}),
        recorded=None if mine else counts,
    )


def try_out(
    paths: Sequence[str], settings: Settings, since: datetime | None = None, until: datetime | None = None
) -> Iterator[FileResult]:
    """Read and map files without any database: what the reader makes of them (``ingest --dry-run``)."""
    for file in source.listed(paths, sensors_of(settings)):
        if not source.overlaps(file, since, until):
            continue
        if (error := file.skip_reason) is None:
            try:
                yield _try(file.path, settings)
                continue
            except (TransientError, EnvironmentProblem):
                raise
            except Exception as raised:
                if not isinstance(raised, FileError):
                    log.exception("%s: an unforeseen error while it was read", file.path)
                error = as_file_error(raised)
        yield FileResult(path=file.path, state=error.state, kind=error.kind, reason=str(error))


def _try(path: str, settings: Settings) -> FileResult:
    with reader_of(path, settings) as reader:
        rejects = sum(len(block.rejects) for block in reader)
        scan = reader.scan()
    state = FileState.INCOMPLETE if scan.incomplete else "readable"
    return FileResult(
        path=path,
        state=state,
        kind=None,
        reason=scan.incomplete,
        rows_read=scan.rows_read,
        rows_quarantined=rejects,
    )

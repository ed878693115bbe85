"""From a listing to the ledger: which files are new, which wait, which a run may take.

A file that the ledger knows by path, size and mtime in a final state is not touched, however large the tree. Of the
others no more is kept than it takes to put them in order.
"""

from __future__ import annotations

import hashlib
import itertools
import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, NamedTuple, TypeVar

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from etl import source
from etl.errors import ConnEtlError, FileAway, FileError, PathTooLong
from etl.loading import ledger, undo
from etl.loading.single_out import as_file_error, single_out
from etl.models import FileState, FoundFile
from etl.pipeline.discovered import WaitingFile
from etl.resources import samples_dir
from etl.settings import Settings

Row = sa.Row[Any]
Answer = TypeVar("Answer")
log = logging.getLogger(__name__)

SAMPLES = "samples"
"""The sensor of the checkout's samples, so that they stand in no report of other logs."""
_BEGINNING = datetime.fromtimestamp(0, UTC)


class Waiting(NamedTuple):
    """An open file, as far as batches are cut by it."""

    etl_file_id: int
    size: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    """What a call wants of the files that it finds."""

    run_id: str
    since: datetime | None = None
    until: datetime | None = None
    retry: bool = False
    accepted_by: str | None = None
    rehash: bool = False

    def as_arguments(self) -> dict[str, Any]:
        """For ``etl.run``."""
        asked = asdict(self)
        return {name: value for name, value in asked.items() if value and name != "run_id"}

    def wants_again(self, row: Row) -> bool:
        """Whether a refused or failed file is opened again."""
        asked = self.retry or self.accepted_by is not None or row.kind == FileAway.kind
        return row.state in (FileState.REFUSED, FileState.FAILED) and (asked or ledger.outdated(row))


@dataclass(kw_only=True, slots=True)
class ScanResult:
    """What a listing came to."""

    given: list[int] = field(default_factory=list)
    """Every file, each once."""
    usable: list[int] = field(default_factory=list)
    """Those of them that the listing did not skip."""
    waiting: list[Waiting] = field(default_factory=list)
    """The open ones: in the order of the given paths, then window, then path."""
    incomplete: list[WaitingFile] = field(default_factory=list)
    """Files that somebody may still write to, left for the next run."""


def sensors_of(settings: Settings) -> source.Sensors:
    """The settings' part in a listing, and the checkout's samples, which are a sensor of their own."""
    folder = samples_dir()
    known = {SAMPLES: source.Sensor(zone="UTC", path=f"{folder}/…")} if folder else {}
    known |= {
        name: source.Sensor(zone=own.zone, interval=own.interval, path=own.path)
        for name, own in settings.sensors.items()
    }
    return source.Sensors(
        patterns=settings.path_patterns,
        zone=settings.zone,
        known=known,
        conn_streams=settings.conn_streams,
    )


def scan(
    connection: Connection, paths: Sequence[str], request: Request, settings: Settings, *, only_complete: bool
) -> ScanResult:
    """List the paths and enter what is found into the ledger.

    Args:
        connection: to the ledger, outside a transaction.
        paths: files, folders and URLs.
        request: which of them, and what is opened again.
        settings: sensors, and when a file counts as complete.
        only_complete: leave files alone that are still being written, as the scheduled scan does.

    Raises:
        Misuse, EnvironmentProblem, StorageAway: as ``source.listed``.
    """
    result, seen = ScanResult(), set[int]()
    for path in paths:
        found: list[tuple[datetime, str, Waiting]] = []
        for chunk in _chunks(source.listed([path], sensors_of(settings)), ledger.CHUNK):
            wanted = [
                _resumed(connection, file)
                for file in chunk
                if source.overlaps(file, request.since, request.until)
            ]
            for file, row in _entered(
                connection, wanted, request, settings, result, only_complete=only_complete
            ):
                if row.etl_file_id not in seen:
                    waiting = Waiting(row.etl_file_id, row.size)
                    found.append((file.window_start or _BEGINNING, file.path, waiting))
                seen.add(row.etl_file_id)
        result.waiting += [waiting for _, _, waiting in sorted(found)]
    result.given, result.usable = list(dict.fromkeys(result.given)), list(dict.fromkeys(result.usable))
    return result


def _resumed(connection: Connection, file: FoundFile) -> FoundFile:
    """Bytes that are piped in again after a call that did not end are the file that it left open."""
    mtime = ledger.left_open(connection, file.path) if source.is_stdin(file.path) else None
    return replace(file, mtime=mtime) if mtime is not None else file


def _chunks(found: Iterable[FoundFile], size: int) -> Iterator[list[FoundFile]]:
    items = iter(found)
    while chunk := list(itertools.islice(items, size)):
        yield chunk


def _entered(
    connection: Connection,
    files: Sequence[FoundFile],
    request: Request,
    settings: Settings,
    result: ScanResult,
    *,
    only_complete: bool,
) -> list[tuple[FoundFile, Row]]:
    """Enter files into the ledger; returns those that this call may take."""
    now, before = datetime.now(UTC), ledger.known(connection, files)
    ready: list[bool] = []
    judged: list[FoundFile] = []
    for file, row in zip(files, before, strict=True):
        taken = row is not None and (not FileState(row.state).is_open or row.batch_id is not None)
        first_seen = row.first_seen if row else None
        ready.append(
            not only_complete
            or taken
            or source.is_complete(file, now, settings.settle_after, first_seen=first_seen, ended=_has_end)
        )
        if not ready[-1]:
            result.incomplete.append(_incomplete(file, now, first_seen, settings))
        judged.append(file if taken or not ready[-1] else _with_twin(file))
    judged, rows = _registered(connection, judged, before)
    result.given += [row.etl_file_id for row in rows]
    result.usable += [r.etl_file_id for f, r in zip(judged, rows, strict=True) if f.skip_reason is None]
    _turn_down(connection, judged, rows, request.run_id)
    chosen = [(f, r) for f, r, ok in zip(judged, rows, ready, strict=True) if ok and f.skip_reason is None]
    again = _opened_again(connection, [row for _, row in chosen], request, settings)
    return [(f, r) for f, r in chosen if FileState(r.state).is_open or r.etl_file_id in again]


def _registered(
    connection: Connection, files: Sequence[FoundFile], before: Sequence[Row | None]
) -> tuple[list[FoundFile], list[Row]]:
    """Enter the files; one that the ledger refuses as it is stands in it under a shortened path, with the reason.

    before: the rows that the ledger has of them.
    """
    known = zip(files, before, strict=True)
    rows = {file.path: row for file, row in known if row is not None and ledger.is_registered(file, row)}

    def register(some: Sequence[FoundFile]) -> None:
        rows.update(zip([file.path for file in some], ledger.register(connection, some), strict=True))

    entered = [_shortened(file) if len(file.path.encode()) > ledger.PATH_BYTES else file for file in files]
    missing = [file for file in entered if file.path not in rows]
    failures = single_out(missing, register) if missing else []
    refused = {failure.item.path: failure.error for failure in failures}
    for path, error in refused.items():
        log.error("%s: the ledger refuses it", path, exc_info=error)
    entered = [
        replace(_shortened(file), skip_reason=as_file_error(refused[file.path]))
        if file.path in refused
        else file
        for file in entered
    ]
    if refused:
        register(entered)
    return entered, [rows[file.path] for file in entered]


def _shortened(file: FoundFile) -> FoundFile:
    """The file under the beginning of its path and a digest of all of it, with the reason to skip it."""
    full = file.path.encode()
    digest = hashlib.sha256(full).hexdigest()
    begin = full[: ledger.PATH_BYTES // 2].decode(errors="ignore")
    error = PathTooLong(
        f"its path has {len(full):,} bytes, the ledger takes {ledger.PATH_BYTES:,}",
        hint="move it to a folder with a shorter name",
    )
    return replace(file, path=f"{begin}…{digest}", skip_reason=error)


def _incomplete(
    file: FoundFile, now: datetime, first_seen: datetime | None, settings: Settings
) -> WaitingFile:
    changed = f"last changed {file.mtime.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
    until = source.complete_at(file, now, settings.settle_after, first_seen=first_seen)
    why = f"it may still be written to ({changed}, no sign of its end)"
    return WaitingFile(path=file.path, why=why, until=until.astimezone(UTC))


def _has_end(file: FoundFile) -> bool:
    return _looked_into(file.path, lambda: source.has_end(file), otherwise=False)


def _with_twin(file: FoundFile) -> FoundFile:
    if not file.twins or file.skip_reason is not None:
        return file
    error = _looked_into(file.path, lambda: source.half_written(file), otherwise=None)
    return replace(file, skip_reason=error) if error else file


def _looked_into(path: str, look: Callable[[], Answer], *, otherwise: Answer) -> Answer:
    """What the content of one file says; an error of a kind that is not foreseen here is left to staging to report."""
    try:
        return look()
    except ConnEtlError:
        raise
    except Exception:
        log.exception("%s: an unforeseen error while it was looked into", path)
        return otherwise


def _turn_down(connection: Connection, files: Sequence[FoundFile], rows: Sequence[Row], run_id: str) -> None:
    errors: dict[int, FileError] = {
        row.etl_file_id: file.skip_reason
        for file, row in zip(files, rows, strict=True)
        if file.skip_reason is not None and row.state == FileState.FOUND
    }
    ledger.skip(connection, errors, run_id)


def _opened_again(
    connection: Connection, rows: Sequence[Row], request: Request, settings: Settings
) -> set[int]:
    """Open files again that the call, a newer mapping or other bytes under the same name ask for."""
    if request.accepted_by and (new := [row.etl_file_id for row in rows if FileState(row.state).is_open]):
        ledger.accept(connection, new, request.accepted_by)
    again = {row.etl_file_id for row in rows if request.wants_again(row)}
    if request.rehash:
        changed = [row for row in rows if not FileState(row.state).is_open and _differs(row, settings)]
        loaded = [
            row.etl_file_id
            for row in changed
            if row.state not in (FileState.REFUSED, FileState.FAILED, FileState.SKIPPED)
        ]
        again |= {row.etl_file_id for row in changed}
        if loaded:
            with connection.begin():
                undo.reopen_loaded(connection, loaded)
            again -= set(loaded)
    else:
        loaded = []
    if again:
        ledger.reopen(connection, list(again), accepted_by=request.accepted_by)
    return again | set(loaded)


def _differs(row: Row, settings: Settings) -> bool:
    """Whether a file holds other bytes than those that the ledger knows; one that cannot be read does."""

    def differs() -> bool:
        content = source.content(row.path, settings.max_file_bytes)
        return content[1] != bytes(row.digest)

    try:
        return row.digest is None or _looked_into(row.path, differs, otherwise=True)
    except FileError:
        return True

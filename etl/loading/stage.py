"""Staging: rows by COPY, part by part, then counts and digests into the ledger.

A large batch is committed in parts, each further part a child table of the first: all who read staging see one table,
and speculative publishing can begin with what is there.
"""

from __future__ import annotations

import itertools
import json
import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import date

from sqlalchemy.engine import Connection

from etl.database.statements import CopyFormat, copy_in, execute
from etl.errors import FileError, PermanentError
from etl.fields import COPY_COLUMNS, MAPPING_VERSION
from etl.loading import ledger
from etl.loading.batch import REJECT, Batch
from etl.loading.copy_buffer import Opener, Piece, pieces
from etl.loading.formats import FORMAT, as_csv
from etl.loading.hours import HOUR, hours_csv
from etl.loading.ledger import BatchFile
from etl.loading.single_out import as_file_error, single_out
from etl.models import Scan

log = logging.getLogger(__name__)

FLUSH_BYTES = 8 << 20
"""Rows of small files travel together: one COPY for about this much text."""
PART_BYTES = 48 << 20
"""Rows of a part, as they are sent."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """Rows that are staged for good: those of ``table`` alone, without its children."""

    table: str
    days: frozenset[date]
    """UTC days that they fall on."""
    is_last: bool
    """No further part of the batch comes."""


OnPart = Callable[[Part], None]
"""Called with each part once it is committed."""


@dataclass(kw_only=True, slots=True)
class _Copied:
    """What is staged so far."""

    batch: Batch
    table: str
    """Where rows go now."""
    part_bytes: int = 0
    days: set[date] = field(default_factory=set)
    waiting: list[Piece] = field(default_factory=list)
    """Pieces for the next COPY."""
    waiting_bytes: int = 0
    counts: dict[int, tuple[int, int]] = field(default_factory=dict)
    """Rows and rejects by file id."""
    outcomes: dict[int, Scan | FileError] = field(default_factory=dict)
    """By file id."""
    since: float = field(default_factory=time.monotonic)
    """When the file began that is read now."""
    formats: set[bytes] = field(default_factory=set)
    """Digests of the formats that are staged."""
    seconds: dict[int, float] = field(default_factory=dict)
    """By file id, what reading and copying it took."""

    @property
    def connection(self) -> Connection:
        return self.batch.connection


def stage(batch: Batch, opener: Opener, on_part: OnPart) -> None:
    """Read the files into fresh staging tables and write counts and digests into the ledger.

    Each table is made in a separate transaction, before its rows come: when a postmaster is killed, its sessions
    still roll back, and of an UNLOGGED table made in theirs they leave half a file, at which PostgreSQL's next start
    ends for good. The ledger hears of it last: until then there is nothing that another step would take for whole.

    A file that cannot be read, or whose rows the database refuses, leaves no row in staging; its error is noted for
    publish to make final.

    Raises:
        TransientError: the database or the storage gave up; staging is not whole, and the next attempt makes it again.
    """
    batch.create()
    copied = _Copied(batch=batch, table=batch.table)
    with closing(pieces(batch.files, opener)) as made:
        for number in itertools.count(1):
            with batch.bound():
                is_last = not _fill(copied, made)
            on_part(Part(table=copied.table, days=frozenset(copied.days), is_last=is_last))
            if is_last:
                break
            _next_part(copied, number)
    _record(copied)
    for file in batch.files:
        _log_file(copied, file)


def _log_file(copied: _Copied, file: BatchFile) -> None:
    """One line for a file: what is staged of it, and the seconds that this took."""
    outcome, seconds = copied.outcomes.get(file.etl_file_id), copied.seconds.get(file.etl_file_id, 0.0)
    if isinstance(outcome, Scan):
        staged, rejected = copied.counts[file.etl_file_id]
        state = "incomplete" if outcome.incomplete else "staged"
        log.info(
            "%s: %s, %s read, %s good, %s rejected, %.1f s",
            *(file.path, state, f"{outcome.rows_read:,}", f"{staged:,}", f"{rejected:,}", seconds),
        )
    elif outcome is not None:
        log.info("%s: %s after %.1f s: %s", file.path, outcome.state, seconds, outcome)


def _next_part(copied: _Copied, number: int) -> None:
    with copied.connection.begin():
        copied.table, copied.part_bytes, copied.days = copied.batch.create_part(number), 0, set()


def _fill(copied: _Copied, made: Iterator[Piece]) -> bool:
    """Stage pieces until the part is full; False when none is left."""
    for piece in made:
        _take(copied, piece)
        if copied.part_bytes > PART_BYTES:
            _flush(copied)
            return True
    _flush(copied)
    return False


def _take(copied: _Copied, piece: Piece) -> None:
    file_id = piece.file.etl_file_id
    if piece.outcome is not None:
        copied.outcomes.setdefault(file_id, piece.outcome)
        copied.counts.setdefault(file_id, (0, 0))
        now = time.monotonic()
        copied.seconds[file_id], copied.since = now - copied.since, now
        if isinstance(piece.outcome, FileError):
            _flush(copied)
            _forget(copied, file_id)
        return
    if file_id in copied.outcomes:
        return  # the database refused rows of it before
    copied.waiting.append(piece)
    copied.waiting_bytes += len(piece.rows) + len(piece.rejects)
    copied.part_bytes += len(piece.rows)
    copied.days |= {one.hour.date() for one in piece.hours if one.hour}
    if copied.waiting_bytes > FLUSH_BYTES:
        _flush(copied)


def _flush(copied: _Copied) -> None:
    """COPY what waits; a file whose rows the database refuses is taken out again, the others go on."""
    if copied.waiting:
        for failure in single_out(copied.waiting, lambda chosen: _copy(copied, chosen)):
            file = failure.item.file
            log.error("%s: its rows are refused", file.path, exc_info=failure.error)
            copied.outcomes[file.etl_file_id] = as_file_error(failure.error)
        for file_id in {piece.file.etl_file_id for piece in copied.waiting}:
            if isinstance(copied.outcomes.get(file_id), FileError):
                _forget(copied, file_id)
    copied.waiting, copied.waiting_bytes = [], 0


def _copy(copied: _Copied, chosen: Sequence[Piece]) -> None:
    """COPY these pieces and hold what the server took against what was read; in a savepoint."""
    batch, connection = copied.batch, copied.connection
    new = {d: one for piece in chosen for d, one in piece.formats.items() if d not in copied.formats}
    hours, hour_count = hours_csv((piece.file.etl_file_id, hour) for piece in chosen for hour in piece.hours)
    with connection.begin_nested():
        _send(connection, f"{batch.table}_format", FORMAT, as_csv(new), len(new))
        for form in CopyFormat:
            of_form = [piece for piece in chosen if piece.form is form]
            data, count = b"".join(piece.rows for piece in of_form), sum(piece.row_count for piece in of_form)
            _send(connection, copied.table, COPY_COLUMNS, data, count, form)
        data, count = b"".join(piece.rejects for piece in chosen), sum(piece.reject_count for piece in chosen)
        _send(connection, f"{batch.table}_reject", REJECT, data, count)
        _send(connection, f"{batch.table}_hour", HOUR, hours, hour_count)
    copied.formats |= new.keys()
    for piece in chosen:
        rows, rejects = copied.counts.get(piece.file.etl_file_id, (0, 0))
        counts = (rows + piece.row_count, rejects + piece.reject_count)
        copied.counts[piece.file.etl_file_id] = counts


def _send(
    connection: Connection,
    table: str,
    columns: tuple[str, ...],
    data: bytes,
    expected: int,
    form: CopyFormat = CopyFormat.CSV,
) -> None:
    if expected and (taken := copy_in(connection, table, columns, data, form)) != expected:
        raise PermanentError(f"COPY took {taken:,} of {expected:,} lines")


def _forget(copied: _Copied, file_id: int) -> None:
    execute(copied.connection, "staging.forget", id=file_id)
    copied.counts[file_id] = (0, 0)


def _record(copied: _Copied) -> None:
    """Write what was read of each file into the ledger, in one statement unless it refuses one of them."""
    connection = copied.connection

    def record(files: Sequence[BatchFile]) -> None:
        with connection.begin_nested():
            ledger.record_staged(connection, [_reading(copied, file) for file in files])

    with copied.batch.bound():
        for failure in single_out(copied.batch.files, record):
            file = failure.item
            log.error("%s: what was read of it is refused", file.path, exc_info=failure.error)
            copied.outcomes[file.etl_file_id] = as_file_error(failure.error)
            _forget(copied, file.etl_file_id)
            ledger.record_staged(connection, [_reading(copied, file)])


def _reading(copied: _Copied, file: BatchFile) -> ledger.Reading:
    outcome = copied.outcomes[file.etl_file_id]
    staged, rejected = copied.counts[file.etl_file_id]
    if isinstance(outcome, FileError):
        return ledger.Reading(
            etl_file_id=file.etl_file_id, kind=outcome.kind, reason=ledger.legible(str(outcome))
        )
    return ledger.Reading(
        etl_file_id=file.etl_file_id,
        reason=outcome.note,
        digest=outcome.digest,
        compression=outcome.compression,
        bytes_read=outcome.bytes_read,
        incomplete=outcome.incomplete,
        extra_columns=json.dumps(dict(outcome.extra)),
        rows_read=outcome.rows_read,
        rows_staged=staged,
        rows_rejected=rejected,
        mapping_version=MAPPING_VERSION,
    )

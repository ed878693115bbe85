"""Filling staging: rows by COPY, part by part, then counts and digests into the ledger.

A large batch is committed in parts, each further part a child table of the first: all who read staging see one table,
and publishing can have a head start with what is there.
"""

from __future__ import annotations

import io
import itertools
import json
import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import date

from sqlalchemy.engine import Connection

from etl.database.engine import copy_in, execute
from etl.errors import FileError, PermanentError
from etl.fields import COPY_COLUMNS, MAPPING_VERSION
from etl.loading.batch import REJECT, create, create_part, table
from etl.loading.copy_buffer import Opener, Parcel, parcels
from etl.loading.ledger import BatchFile
from etl.models import Scan

log = logging.getLogger(__name__)

FLUSH_BYTES = 8 << 20
"""Rows of small files travel together: one COPY for about this much CSV."""
PART_BYTES = 48 << 20
"""CSV of a part."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """Rows that are staged for good: those of ``table`` alone, without its children."""

    table: str
    days: frozenset[date]


OnPart = Callable[[Part], None]
"""Told of each part once it is committed."""


@dataclass(kw_only=True, slots=True)
class _Outbox:
    """Where rows go now, CSV that waits for the next COPY, how many rows that is, and what each file got so far."""

    table: str
    part_bytes: int = 0
    days: set[date] = field(default_factory=set)
    rows: io.BytesIO = field(default_factory=io.BytesIO)
    rejects: io.BytesIO = field(default_factory=io.BytesIO)
    row_count: int = 0
    reject_count: int = 0
    sent: dict[int, tuple[int, int]] = field(default_factory=dict)
    outcomes: list[tuple[BatchFile, Scan | FileError]] = field(default_factory=list)
    since: float = field(default_factory=time.monotonic)
    """When the file began that is read now."""


def stage(
    connection: Connection,
    batch_id: int,
    files: Sequence[BatchFile],
    opener: Opener,
    on_part: OnPart,
) -> None:
    """Read the files into fresh staging tables and write counts and digests into the ledger.

    Each table is made in a transaction of its own, before its rows come: when a postmaster is killed, its sessions
    still roll back, and of an UNLOGGED table made in theirs they leave half a file, at which PostgreSQL's next start
    ends for good. The ledger hears of it last: until then there is nothing that another step would take for whole.

    A file that cannot be read (FileError) leaves no row in staging; the error is noted for publish to make final.

    Raises:
        TransientError: the database or the storage gave up; staging is not whole, and the next attempt makes it anew.
    """
    with connection.begin():
        create(connection, batch_id)
    outbox = _Outbox(table=table(batch_id))
    with closing(parcels(files, opener)) as found:
        for number in itertools.count(1):
            with connection.begin():
                more = _fill(connection, batch_id, outbox, found)
            on_part(Part(table=outbox.table, days=frozenset(outbox.days)))
            if not more:
                break
            _next_part(connection, batch_id, outbox, number)
    with connection.begin():
        _note(connection, outbox)


def _next_part(connection: Connection, batch_id: int, outbox: _Outbox, number: int) -> None:
    with connection.begin():
        outbox.table = create_part(connection, batch_id, number)
    outbox.part_bytes, outbox.days = 0, set()


def _fill(connection: Connection, batch_id: int, outbox: _Outbox, found: Iterator[Parcel]) -> bool:
    """Stage parcels until the part is full; False when none is left."""
    for parcel in found:
        _send(connection, batch_id, outbox, parcel)
        if outbox.part_bytes > PART_BYTES:
            _flush(connection, batch_id, outbox)
            return True
    _flush(connection, batch_id, outbox)
    return False


def _send(connection: Connection, batch_id: int, outbox: _Outbox, parcel: Parcel) -> None:
    outbox.rows.write(parcel.rows)
    outbox.part_bytes += len(parcel.rows)
    outbox.days |= parcel.days
    outbox.row_count += parcel.row_count
    outbox.rejects.write(parcel.rejects)
    outbox.reject_count += parcel.reject_count
    staged, rejected = outbox.sent.get(parcel.file.etl_file_id, (0, 0))
    outbox.sent[parcel.file.etl_file_id] = (staged + parcel.row_count, rejected + parcel.reject_count)
    if max(outbox.rows.tell(), outbox.rejects.tell()) > FLUSH_BYTES:
        _flush(connection, batch_id, outbox)
    if isinstance(parcel.outcome, FileError):
        _flush(connection, batch_id, outbox)
        execute(connection, "staging.forget", id=parcel.file.etl_file_id)
        outbox.sent[parcel.file.etl_file_id] = (0, 0)
    if parcel.outcome is not None:
        outbox.outcomes.append((parcel.file, parcel.outcome))
        _log_file(outbox, parcel.file, parcel.outcome)


def _log_file(outbox: _Outbox, file: BatchFile, outcome: Scan | FileError) -> None:
    """One line for a file that was read: what is staged of it, and the seconds that this took."""
    now = time.monotonic()
    seconds, outbox.since = now - outbox.since, now
    if isinstance(outcome, FileError):
        log.info("%s: %s after %.1f s: %s", file.path, outcome.state, seconds, outcome)
        return
    staged, rejected = outbox.sent.get(file.etl_file_id, (0, 0))
    state = "incomplete" if outcome.incomplete else "staged"
    log.info(
        "%s: %s, %s read, %s good, %s rejected, %.1f s",
        *(file.path, state, f"{outcome.rows_read:,}", f"{staged:,}", f"{rejected:,}", seconds),
    )


def _note(connection: Connection, outbox: _Outbox) -> None:
    for file, outcome in outbox.outcomes:
        if isinstance(outcome, FileError):
            _note_error(connection, file, outcome)
        else:
            _note_scan(connection, file, outcome)
    for etl_file_id, (staged, rejected) in outbox.sent.items():
        execute(connection, "ledger.staged_counts", id=etl_file_id, staged=staged, rejected=rejected)


def _flush(connection: Connection, batch_id: int, outbox: _Outbox) -> None:
    """COPY what waits, and hold what the server took against what was read."""
    for name, columns, waiting, expected in (
        (outbox.table, COPY_COLUMNS, outbox.rows, outbox.row_count),
        (f"{table(batch_id)}_reject", REJECT, outbox.rejects, outbox.reject_count),
    ):
        if waiting.tell():
            taken = copy_in(connection, name, columns, waiting.getvalue())
            if taken != expected:
                raise PermanentError(f"COPY took {taken:,} of {expected:,} lines")
            waiting.seek(0)
            waiting.truncate()
    outbox.row_count = outbox.reject_count = 0


def _note_scan(connection: Connection, file: BatchFile, scan: Scan) -> None:
    execute(
        connection,
        "ledger.staged",
        id=file.etl_file_id,
        kind=None,
        reason=None,
        digest=scan.digest,
        compression=scan.compression,
        bytes_read=scan.bytes_read,
        incomplete=scan.incomplete,
        extra_columns=json.dumps(dict(scan.extra)),
        rows_read=scan.rows_read,
        mapping_version=MAPPING_VERSION,
    )


def _note_error(connection: Connection, file: BatchFile, error: FileError) -> None:
    execute(
        connection,
        "ledger.staged",
        id=file.etl_file_id,
        kind=error.kind,
        reason=str(error),
        digest=None,
        compression=None,
        bytes_read=None,
        incomplete=None,
        extra_columns=None,
        rows_read=0,
        mapping_version=MAPPING_VERSION,
    )

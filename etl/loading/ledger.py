"""``etl.file``, the ledger: which states each file went through, who works on it now, what came of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from etl.database.locks import batch_is_idle
from etl.database.statements import execute
from etl.errors import FileError
from etl.fields import MAPPING_VERSION
from etl.models import FileState, FoundFile

CHUNK = 5_000
"""Files registered by one statement."""

PATH_BYTES = 2_000
"""Bytes of a path that the ledger's index is sure to hold, sensor, size and time beside it."""

REASON_LENGTH = 2_000
"""Characters of a reason that are kept: it may repeat something from a log."""


@dataclass(frozen=True, kw_only=True, slots=True)
class BatchFile:
    """A file of a batch, as the steps see it: the row of ``etl.file``, in the batch's order."""

    etl_file_id: int
    path: str
    size: int
    mtime: datetime
    state: FileState
    kind: str | None
    reason: str | None
    digest: bytes | None
    incomplete: str | None
    accepted: bool
    first_seen: datetime
    rows_read: int | None
    rows_staged: int | None
    rows_rejected: int | None
    rows_failed: int | None
    run_id: str | None
    before: str | None = None
    """The state that its rows in zeek.conn date from, where the file is being loaded again."""
    replaces: bool = False
    """Whether rows of the path's other versions go when this one is published."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Reading:
    """What was read of one file; ``kind`` and ``reason`` say why it cannot be loaded."""

    etl_file_id: int
    kind: str | None = None
    reason: str | None = None
    digest: bytes | None = None
    compression: str | None = None
    bytes_read: int | None = None
    incomplete: str | None = None
    extra_columns: str | None = None
    """JSON: column beyond the dictionary → its type."""
    rows_read: int = 0
    rows_staged: int = 0
    rows_rejected: int = 0
    mapping_version: int = MAPPING_VERSION


@dataclass(frozen=True, kw_only=True, slots=True)
class Result:
    """The final state of one file, and its terms of the equation."""

    etl_file_id: int
    state: str
    kind: str | None = None
    reason: str | None = None
    known_file_id: int | None = None
    rows_loaded: int = 0
    rows_duplicate: int = 0
    rows_quarantined: int = 0
    min_timestamp: datetime | None = None
    max_timestamp: datetime | None = None


def legible(text: str) -> str:
    """A reason as PostgreSQL can hold it, and no longer than anybody reads."""
    shown = text.replace("\0", "\\0").encode("utf-8", "backslashreplace").decode()
    return shown if len(shown) <= REASON_LENGTH else f"{shown[:REASON_LENGTH]}…"


def record_staged(connection: Connection, readings: Sequence[Reading]) -> None:
    """Make files ``staged``, with what was read of them; one statement in the caller's transaction."""
    execute(connection, "ledger.staged", **_columns(Reading, readings))


def finish(connection: Connection, results: Sequence[Result]) -> None:
    """Make files final; one statement in the caller's transaction."""
    execute(connection, "ledger.finish", **_columns(Result, results))


def _columns(kind: type[Reading | Result], rows: Sequence[Reading | Result]) -> dict[str, list[Any]]:
    """One list a field, as unnest takes them."""
    return {field.name: [getattr(row, field.name) for row in rows] for field in fields(kind)}


def known(connection: Connection, found: Sequence[FoundFile]) -> list[sa.Row[Any] | None]:
    """The ledger's row of each file by path, size and mtime, in the order given; None for one that is new.

    The rows' columns are those of ``ledger.lookup`` in ``sql/statements/ledger.sql``.
    """
    with connection.begin():
        rows = {(r.path, r.size, r.mtime): r for r in execute(connection, "ledger.lookup", **_keys(found))}
    return [rows.get((file.path, file.size, file.mtime)) for file in found]


def is_registered(file: FoundFile, row: sa.Row[Any]) -> bool:
    """Whether ``register`` would leave the ledger's row of a file as it is."""
    return _place(row) == _place(file)


def register(connection: Connection, found: Sequence[FoundFile]) -> list[sa.Row[Any]]:
    """Enter files that are new, correct sensor and window of the known ones, and return the row of each, in order.

    A row that was only looked at and never claimed is the same file still growing, and moves on with it.
    """
    before = known(connection, found)
    new = [file for file, row in zip(found, before, strict=True) if row is None]
    moved = [f for f, row in zip(found, before, strict=True) if row is not None and not is_registered(f, row)]
    with connection.begin():
        for name, files in (("ledger.look_again", new), ("ledger.register", new), ("ledger.place", moved)):
            if files:
                execute(connection, name, **_keys(files), **_places(files))
    return [row for row in known(connection, found) if row is not None]


def left_open(connection: Connection, path: str) -> datetime | None:
    """The mtime of a file of this path that is still open; None where there is none."""
    with connection.begin():
        mtime: datetime | None = execute(connection, "ledger.left_open", path=path).scalar_one_or_none()
    return mtime


def _keys(found: Sequence[FoundFile]) -> dict[str, list[Any]]:
    return {
        "paths": [file.path for file in found],
        "sizes": [file.size for file in found],
        "mtimes": [file.mtime for file in found],
    }


def _places(found: Sequence[FoundFile]) -> dict[str, list[Any]]:
    return {
        "sensors": [file.sensor for file in found],
        "starts": [file.window_start for file in found],
        "ends": [file.window_end for file in found],
    }


def _place(file: FoundFile | sa.Row[Any]) -> tuple[Any, ...]:
    return file.sensor, file.window_start, file.window_end


def by_id(connection: Connection, ids: Sequence[int]) -> list[sa.Row[Any]]:
    """The ledger's rows of these files, in this order."""
    with connection.begin():
        return list(execute(connection, "ledger.by_id", ids=list(ids)))


def skip(connection: Connection, errors: Mapping[int, FileError], run_id: str) -> None:
    """Make open files final that the listing alone ruled out, each with its error."""
    if not errors:
        return
    with connection.begin():
        execute(
            connection,
            "ledger.skip",
            ids=list(errors),
            states=[error.state for error in errors.values()],
            kinds=[error.kind for error in errors.values()],
            reasons=[legible(str(error)) for error in errors.values()],
            run=run_id,
        )


def reopen(connection: Connection, ids: Sequence[int], *, accepted_by: str | None = None) -> None:
    """Open refused, failed and skipped files again; ``accepted_by`` also lifts the error budget, on record."""
    with connection.begin():
        execute(connection, "ledger.reopen", ids=list(ids), accepted_by=accepted_by)


def accept(connection: Connection, ids: Sequence[int], accepted_by: str) -> None:
    """Lift the error budget of open files, on record."""
    with connection.begin():
        execute(connection, "ledger.accept", ids=list(ids), accepted_by=accepted_by)


def outdated(row: sa.Row[Any]) -> bool:
    """Whether an older mapping turned this file down, so that the present one may think otherwise."""
    return (
        row.state in (FileState.REFUSED, FileState.FAILED)
        and (row.mapping_version or MAPPING_VERSION) < MAPPING_VERSION
    )


def new_batch(connection: Connection) -> int:
    """A number that no batch had before."""
    with connection.begin():
        return int(execute(connection, "ledger.new_batch").scalar_one())


def claim(connection: Connection, batch_id: int, ids: Sequence[int], run_id: str) -> list[int]:
    """Take open files into a batch, in the order given, and return those taken.

    Left out are files that became final and files that another process works on now: it holds their batch's lock.
    """
    with connection.begin():
        open_now = {
            row.etl_file_id: row.batch_id for row in execute(connection, "ledger.claimable", ids=list(ids))
        }
        busy = {
            old
            for old in sorted({old for old in open_now.values() if old is not None})
            if not batch_is_idle(connection, old)
        }
        taken = [i for i in ids if i in open_now and open_now[i] not in busy]
        execute(connection, "ledger.claim", ids=taken, batch=batch_id, run=run_id)
    return taken


def held_by_live_run(
    connection: Connection, ids: Sequence[int], run_id: str, claim_for: timedelta
) -> set[int]:
    """Those of the files that a DAG run other than this one has claimed and not yet let go."""
    with connection.begin():
        rows = execute(connection, "ledger.held_by_live_run", ids=list(ids), run=run_id, claim_for=claim_for)
        return {row.etl_file_id for row in rows}


def batch_files(connection: Connection, batch_id: int) -> list[BatchFile]:
    """The open files of a batch in its order; empty once all are final or taken over by another batch."""
    rows = execute(connection, "ledger.batch_files", batch=batch_id).mappings()
    # the driver hands out bytea as a memoryview
    return [
        BatchFile(
            **{**row, "state": FileState(row["state"]), "digest": row["digest"] and bytes(row["digest"])}
        )
        for row in rows
    ]


def judge_again(connection: Connection, batch_id: int) -> None:
    """Let the gate look at the batch once more: what it said does not hold any longer."""
    with connection.begin():
        execute(connection, "ledger.judge_again", batch=batch_id)


def begin_run(connection: Connection, run_id: str, kind: str, arguments: str) -> None:
    """Open a run (``command`` or ``dag``); opening it again, as a retried task does, is fine."""
    with connection.begin():
        execute(connection, "ledger.begin_run", run=run_id, kind=kind, arguments=arguments)


def end_run(connection: Connection, run_id: str) -> list[sa.Row[Any]]:
    """Close a run and return the files that became refused or failed in it (path, state, kind, reason)."""
    with connection.begin():
        execute(connection, "ledger.end_run", run=run_id)
        return list(execute(connection, "ledger.run_problems", run=run_id))


def batch_totals(connection: Connection, batch_id: int) -> sa.Row[Any]:
    """Totals of a batch from the ledger: files, rows_read, rows_loaded, rows_duplicate, rows_quarantined, refused."""
    with connection.begin():
        return execute(connection, "ledger.batch_totals", batch=batch_id).one()


def orphans(connection: Connection, claim_for: timedelta) -> list[int]:
    """Batches that left staging tables behind and that no live DAG run will come back to."""
    with connection.begin():
        batches = [row.batch for row in execute(connection, "ledger.staging_tables")]
        return [
            row.batch for row in execute(connection, "ledger.orphans", batches=batches, claim_for=claim_for)
        ]

"""The archive's ledger, ``etl.archive_day`` and ``etl.archive_file``: which days it has, and what each file holds."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlalchemy.engine import Connection

from etl.archive.measures import Measures, of_json
from etl.archive.table import since_of
from etl.database.locks import lock_days
from etl.database.statements import execute


@dataclass(frozen=True, kw_only=True, slots=True)
class ArchivedDay:
    """One UTC day of the archive; ``state`` is exporting, stale, faulty or archived (see sql/views/archive.sql)."""

    day: date
    state: str
    dropped: bool
    """Its rows are in the archive only."""
    rows: int | None
    bytes: int | None
    export_id: str | None
    snapshot_id: int | None
    exported_at: datetime | None
    verified_at: datetime | None
    keep_until: datetime | None
    fault: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class ArchivedFile:
    """One Parquet file and what it held when it was exported."""

    url: str
    day: date
    bytes: int
    measures: Measures


@dataclass(frozen=True, kw_only=True, slots=True)
class Standing:
    """Where the rows of a day are."""

    day: date
    there: bool
    """In ``zeek.conn``."""
    dropped: bool
    export_id: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Export:
    """One export of a day that Iceberg has."""

    day: date
    export_id: str
    snapshot_id: int | None
    changes: int | None
    """Of ``etl.archive_day`` in the snapshot that was exported; None where it is not known any more."""
    files: tuple[ArchivedFile, ...]


def days(connection: Connection) -> list[ArchivedDay]:
    """Every day of the archive."""
    with connection.begin():
        return [ArchivedDay(**row) for row in execute(connection, "archive.listed").mappings()]


def due(connection: Connection) -> list[date]:
    """Sealed days that have to be exported, for the first time or again."""
    with connection.begin():
        return [row.day for row in execute(connection, "archive.due")]


def standing(connection: Connection, chosen: Sequence[date]) -> list[Standing]:
    """Where the rows of these days are."""
    with connection.begin():
        rows = execute(connection, "archive.standing", days=list(chosen)).mappings()
        return [Standing(**row) for row in rows]


def files(connection: Connection, chosen: Sequence[date] | None = None) -> list[ArchivedFile]:
    """The files of these days, of all days where none is named."""
    with connection.begin():
        rows = execute(connection, "archive.files", days=None if chosen is None else list(chosen))
        return [
            ArchivedFile(
                url=row.path,
                day=row.day,
                bytes=row.bytes,
                measures=Measures(
                    rows=row.rows,
                    columns=of_json(row.columns),
                    sources={int(i): rows for i, rows in row.sources.items()},
                ),
            )
            for row in rows
        ]


def begin(connection: Connection, day: date) -> None:
    """Let changes of the day's rows count from now on; waits for the loads that are publishing into it."""
    with connection.begin():
        lock_days(connection, [day])
        execute(connection, "archive.begin_day", day=day)


def bounds(day: date) -> Mapping[str, datetime]:
    """The day's first moment, and the first after it."""
    since = since_of(day)
    return {"since": since, "until": since + timedelta(days=1)}


def measures(connection: Connection, day: date) -> Measures:
    """What PostgreSQL has of a day, as the caller's transaction sees it."""
    row = execute(connection, "archive.measures", **bounds(day)).one()
    return Measures(rows=row.rows, columns=of_json(row.columns))


def record(connection: Connection, export: Export) -> None:
    """Make an export the day's one; the caller's transaction."""
    execute(connection, "archive.forget_files", day=export.day)
    for file in export.files:
        execute(
            connection,
            "archive.add_file",
            path=file.url,
            day=file.day,
            rows=file.measures.rows,
            bytes=file.bytes,
            columns=json.dumps({name: column.as_json() for name, column in file.measures.columns.items()}),
            sources=json.dumps(file.measures.sources),
        )
    execute(
        connection,
        "archive.record",
        day=export.day,
        changes=export.changes,
        export_id=export.export_id,
        snapshot_id=export.snapshot_id,
        rows=sum(file.measures.rows for file in export.files),
        bytes=sum(file.bytes for file in export.files),
    )

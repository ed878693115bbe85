"""Export of a day, in four steps that can each be interrupted and entered again.

1. One REPEATABLE READ snapshot: COPY in the order of the key, through polars, into Parquet files.
2. The files are read back: rows, values, sums and lengths of every column are PostgreSQL's in that same snapshot.
3. One Iceberg commit removes the day's old files and adds the new ones, the export's id among its properties.
4. The archive's ledger follows.

A process that is killed before 3 leaves files that no reader sees; ``cleanup`` removes them after the grace time.
Killed between 3 and 4, the next run finds the export in Iceberg by its id and does 4 (``adopt``).
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from etl.archive import ledger
from etl.archive.ledger import ArchivedFile, Export
from etl.archive.measures import Measures, differences, measure, together
from etl.archive.table import PROPERTY, Archive, open_archive, path_of, reaching, require
from etl.archive.writing import Writable, write
from etl.database import locks
from etl.database.statements import execute, statement
from etl.errors import Misuse, PermanentError

if TYPE_CHECKING:
    from etl.database.store import Store

log = logging.getLogger(__name__)


class NotAsExported(PermanentError):
    """What was written is not what PostgreSQL has; the day's archive stays as it was."""


def export(store: Store, days: Sequence[date] = ()) -> Iterator[Export]:
    """Export these days, or all sealed ones that are not archived or stale; yields each as soon as it is done.

    Raises:
        EnvironmentProblem: no archive is configured, or the extra is not installed.
        Misuse: a day has no rows in zeek.conn, since it never had or retention dropped them.
        NotAsExported: a file does not hold what PostgreSQL has.
        TransientError: do it again; days that were yielded are archived.
    """
    require(store.settings)
    with store.loading() as connection, locks.archive(connection):
        archive = open_archive(store, connection, create=True)
        with connection.begin():
            execute(connection, "archive.let_readers_see")
        yield from adopt(connection, archive)
        chosen = sorted(set(days)) or ledger.due(connection)
        _require_there(connection, chosen)
        for day in chosen:
            yield _export(connection, archive, day)


def _require_there(connection: Connection, days: Sequence[date]) -> None:
    for day in ledger.standing(connection, days):
        if day.dropped:
            raise Misuse(
                f"retention dropped {day.day}",
                hint=f"bring it back first: `conn-etl archive restore {day.day}`",
            )
        if not day.there:
            raise Misuse(f"{day.day} has no rows", hint="see `conn-etl partitions list`")


def new_id() -> str:
    """An id that sorts by time."""
    return f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{uuid.uuid4().hex[:8]}"


def _export(connection: Connection, archive: Archive, day: date) -> Export:
    """All four steps."""
    ledger.begin(connection, day)
    export_id = new_id()
    urls, expected, changes = write_day(connection, archive, day, export_id)
    files = read_back(archive, day, urls, expected)
    properties = {"export": export_id, "day": str(day), "rows": str(expected.rows), "changes": str(changes)}
    with reaching():
        snapshot_id = archive.replace_day(day, urls, properties)
    done = Export(day=day, export_id=export_id, snapshot_id=snapshot_id, changes=changes, files=files)
    with connection.begin():
        ledger.record(connection, done)
    return done


def write_day(
    connection: Connection, archive: Archive, day: date, export_id: str
) -> tuple[list[str], Measures, int]:
    """Step 1; returns the files' URLs, and what the day measured and how often it had changed in that snapshot."""
    with connection.begin():
        execute(connection, "session.snapshot")
        changes = int(execute(connection, "archive.changes", day=day).scalar_one())
        urls = write(
            lambda target: _copy(connection, day, target), archive.files, archive.folder(day, export_id)
        )
        return urls, ledger.measures(connection, day), changes


def _copy(connection: Connection, day: date, target: Writable) -> None:
    """Run COPY on the session's own driver, inside its transaction."""
    command = statement("archive.copy").text
    for name, moment in ledger.bounds(day).items():
        command = command.replace(f":{name}", f"'{moment.isoformat()}'")
    driver = connection.connection.driver_connection
    assert driver is not None
    try:
        with driver.cursor() as cursor:
            cursor.copy_expert(command, target)
    except driver.Error as error:
        raise sa.exc.DBAPIError(None, None, error) from error


def read_back(
    archive: Archive, day: date, urls: Sequence[str], expected: Measures
) -> tuple[ArchivedFile, ...]:
    """Step 2.

    Raises:
        NotAsExported: with the first columns that differ.
    """
    files = measured(archive, day, urls)
    wrong = list(differences(expected, together(file.measures for file in files)))
    if wrong:
        raise NotAsExported(f"{day}: the files hold {'; '.join(wrong[:3])}", hint="export the day again")
    return files


def measured(archive: Archive, day: date, urls: Sequence[str]) -> tuple[ArchivedFile, ...]:
    """These files as they are now."""
    with reaching():
        sizes = [archive.files.get_file_info(path_of(url)).size for url in urls]
    return tuple(
        ArchivedFile(url=url, day=day, bytes=size, measures=measure(archive.files, path_of(url)))
        for url, size in zip(urls, sizes, strict=True)
    )


def adopt(connection: Connection, archive: Archive) -> Iterator[Export]:
    """Step 4 of exports whose process was killed after step 3: Iceberg has them, the ledger does not."""
    known: dict[date, set[str]] = {}
    for file in ledger.files(connection):
        known.setdefault(file.day, set()).add(file.url)
    with reaching():
        there = {day: sorted(f.file_path for f in files) for day, files in archive.day_files().items()}
    for day, urls in sorted(there.items()):
        if set(urls) != known.get(day, set()):
            try:
                yield _adopt(connection, archive, day, urls)
            except PermanentError as error:
                log.warning(
                    "%s: its export cannot be taken over: %s", day, error
                )  # `archive verify` says it too


def _adopt(connection: Connection, archive: Archive, day: date, urls: Sequence[str]) -> Export:
    export_id = urls[0].rsplit("/", 2)[-2]
    snapshot = archive.snapshot_of(export_id)
    noted = snapshot.summary.additional_properties if snapshot and snapshot.summary else {}
    changes = noted.get(f"{PROPERTY}changes")
    found = Export(
        day=day,
        export_id=export_id,
        snapshot_id=snapshot.snapshot_id if snapshot else None,
        changes=int(changes) if changes is not None else None,
        files=measured(archive, day, urls),
    )
    rows = sum(file.measures.rows for file in found.files)
    if noted and int(noted[f"{PROPERTY}rows"]) != rows:
        raise NotAsExported(f"{day}: its files hold {rows:,} rows, not those of the export {export_id}")
    ledger.begin(connection, day)
    with connection.begin():
        ledger.record(connection, found)
    return found

"""``archive verify``: every file read again and held against what it was when it was exported."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from etl.archive import ledger
from etl.archive.ledger import ArchivedFile
from etl.archive.measures import Unreadable, differences, measure
from etl.archive.table import Archive, open_archive, path_of
from etl.database import locks
from etl.database.statements import execute
from etl.errors import Misuse

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from etl.database.store import Store


@dataclass(frozen=True, kw_only=True, slots=True)
class Fault:
    """Something that is wrong with one day of the archive."""

    day: date
    url: str
    """The file; empty where no single one is meant."""
    what: str


def verify(store: Store, days: Sequence[date] = ()) -> list[Fault]:
    """Read these days, or all archived ones, and note in the ledger whether each is right.

    Raises:
        EnvironmentProblem: no archive is configured, the extra is missing, or nothing was exported yet.
        Misuse: a day is not archived.
        StorageAway: catalog or files cannot be reached.
    """
    with store.loading() as connection, locks.archive(connection):
        archive = open_archive(store, connection)
        known = {day.day for day in ledger.days(connection) if day.export_id is not None}
        if missing := sorted(set(days) - known):
            raise Misuse(f"{missing[0]} is not archived", hint="see `conn-etl archive list`")
        return [fault for day in sorted(set(days) or known) for fault in _verify(connection, archive, day)]


def _verify(connection: Connection, archive: Archive, day: date) -> list[Fault]:
    files = ledger.files(connection, [day])
    faults = [
        *_catalog_faults(archive, day, files),
        *(f for file in files for f in _file_faults(archive, file)),
    ]
    with connection.begin():
        if faults:
            execute(connection, "archive.found_wrong", day=day, fault=faults[0].what)
        else:
            execute(connection, "archive.found_right", day=day)
    return faults


def _catalog_faults(archive: Archive, day: date, files: Sequence[ArchivedFile]) -> Iterator[Fault]:
    """Iceberg has the files that the ledger has."""
    there = {file.file_path for file in archive.day_files([day]).get(day, [])}
    expected = {file.url for file in files}
    for url in sorted(expected - there):
        yield Fault(day=day, url=url, what="the Iceberg table does not have this file")
    for url in sorted(there - expected):
        what = "the Iceberg table has a file that the ledger does not know; run `conn-etl archive export`"
        yield Fault(day=day, url=url, what=what)


def _file_faults(archive: Archive, file: ArchivedFile) -> Iterator[Fault]:
    try:
        found = measure(archive.files, path_of(file.url))
    except Unreadable as error:
        yield Fault(day=file.day, url=file.url, what=str(error))
        return
    for what in differences(file.measures, found):
        yield Fault(day=file.day, url=file.url, what=what)

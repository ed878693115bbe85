"""``conn-etl verify``: recounts the tables and holds them against the ledger, term by term."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from etl.database.statements import execute, stream
from etl.history import rollups
from etl.models import FileState, ReadOptions
from etl.monitoring import verify_raw


@dataclass(frozen=True, kw_only=True, slots=True)
class Disagreement:
    """One place where tables and ledger disagree; ``etl_file_id`` is 0 where no file is meant."""

    etl_file_id: int
    path: str
    what: str


def faults(connection: Connection, options: ReadOptions | None = None) -> list[Disagreement]:
    """Every disagreement, none where all is well: see ``found``, which needs no memory for them."""
    return list(found(connection, options or ReadOptions()))


def found(connection: Connection, options: ReadOptions) -> Iterator[Disagreement]:
    """Every disagreement, as it is found. Reads the whole of zeek.conn once, beside running loads.

    options: of the reader, as the settings have them.
    """
    with connection.begin():
        # READ ONLY is not to be had: the look for working processes takes locks, though of none that waits
        execute(connection, "session.snapshot")
        yield from disagreements(connection, options)


def disagreements(connection: Connection, options: ReadOptions) -> Iterator[Disagreement]:
    """The same, as the caller's transaction sees it."""
    execute(connection, "session.whole_cursors")
    for row in stream(connection, "verify.files"):
        for what in _compare(row):
            yield Disagreement(etl_file_id=row.etl_file_id, path=row.path or "", what=what)
    yield from _leftovers(connection)
    yield from _rollups(connection)
    yield from _archive(connection)
    for line, what in verify_raw.wrong_lines(connection, options):
        yield Disagreement(
            etl_file_id=line.etl_file_id,
            path=line.path,
            what=f"the bytes of line {line.etl_line:,} in quarantine are not those of its values: {what}",
        )


def _archive(connection: Connection) -> Iterator[Disagreement]:
    """Of dropped days, what the ledger counts as dropped is what the archive holds (by its ledger: no file is read)."""
    for row in stream(connection, "verify.archive"):
        what = (
            f"retention dropped {row.rows_remembered:,} of its rows of {row.day}, "
            f"the archive holds {row.rows_archived:,}"
        )
        yield Disagreement(etl_file_id=row.etl_file_id, path=row.path or "", what=what)


def _rollups(connection: Connection) -> Iterator[Disagreement]:
    """Rollups made again from the rows; hours that are due are none of a fault."""
    for difference in rollups.differences(connection):
        yield Disagreement(
            etl_file_id=0, path=f"{difference.when}", what=f"{difference.what}; run `conn-etl rollups --all`"
        )


def _compare(ledger: sa.Row[Any]) -> Iterator[str]:
    """What is wrong with one file; the ledger's terms are those that its rows in the tables date from."""
    if ledger.path is None:
        yield f"{ledger.found:,} rows in zeek.conn of a file that the ledger does not know"
        return
    counted = FileState(ledger.state).has_rows
    if ledger.found != ledger.expected:
        retired = f" less {ledger.rows_retired:,} that retention dropped" if ledger.rows_retired else ""
        yield (
            f"the ledger says {ledger.rows_loaded or 0:,} rows loaded{retired}, zeek.conn holds {ledger.found:,}"
        )
    elif (
        ledger.found
        and not ledger.rows_retired
        and (ledger.first, ledger.last) != (ledger.min_timestamp, ledger.max_timestamp)
    ):
        yield "the ledger's first or last @timestamp is not that of its rows"
    if not counted:
        return
    if ledger.found_quarantined != ledger.rows_quarantined:
        yield (
            f"the ledger says {ledger.rows_quarantined:,} lines quarantined, "
            f"etl.quarantine holds {ledger.found_quarantined:,}"
        )
    if ledger.rows_read != ledger.rows_loaded + ledger.rows_duplicate + ledger.rows_quarantined:
        yield "read is not loaded + duplicate + quarantined"
    if ledger.lost_duplicates:
        yield (
            f"{ledger.lost_duplicates:,} of its duplicates were rows of a file that has none now; "
            "load it again with --replace"
        )


def _leftovers(connection: Connection) -> Iterator[Disagreement]:
    for row in stream(connection, "verify.lost_copies"):
        what = f"it is known by file {row.known_file_id}, which has no rows now; load it again with --replace"
        yield Disagreement(etl_file_id=row.etl_file_id, path=row.path, what=what)
    for row in execute(connection, "verify.staging"):
        what = f"staging of batch {row.batch} is left over; the next load drops it"
        yield Disagreement(etl_file_id=0, path=f"etl.stage_{row.batch}", what=what)

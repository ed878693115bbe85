"""A dropped day brought back from the archive, as if retention had never taken it: one transaction.

Rows come back with the file and line that they had. Those of files that were unloaded or loaded again since the day was
dropped stay away: the ledger does not count them any more.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING

from sqlalchemy.engine import Connection

from etl.archive import ledger
from etl.archive.layout import TIME, TYPES
from etl.archive.ledger import ArchivedFile
from etl.archive.measures import SOURCE, differences, together
from etl.archive.table import Archive, open_archive, path_of, reaching, require
from etl.database import locks
from etl.database.locks import lock_days
from etl.database.statements import copy_in, execute
from etl.errors import Misuse, PermanentError
from etl.history import maintenance

if TYPE_CHECKING:
    from collections.abc import Iterator

    import polars as pl

    from etl.database.store import Store


class NotAsArchived(PermanentError):
    """What was restored is not what was exported; the day stays dropped."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Restored:
    """A day that is back."""

    day: date
    rows: int
    left_out: int
    """Rows of files that were unloaded or loaded again since."""


def restore(store: Store, day: date, *, keep: timedelta) -> Restored:
    """Bring a dropped day back; retention leaves it alone for the time ``keep``.

    Acts as conn_owner, as ``partitions drop`` does.

    Raises:
        EnvironmentProblem: no archive is configured, or the extra is not installed.
        Misuse: retention did not drop the day, or it is not archived.
        NotAsArchived: the files do not hold what was exported.
        StorageAway: the files cannot be reached.
    """
    require(store.settings)
    with store.loading() as loading, locks.archive(loading):
        (now,) = ledger.standing(loading, [day])
        if not now.dropped:
            raise Misuse(f"retention did not drop {day}", hint="see `conn-etl partitions list`")
        if now.export_id is None:
            raise Misuse(f"{day} is not archived", hint="see `conn-etl archive list`")
        archive, files = open_archive(store, loading), ledger.files(loading, [day])
        with maintenance.owning(store) as (connection, _), connection.begin():
            restored = _restore(connection, archive, day, files)
            execute(connection, "archive.keep", day=day, keep=keep)
    return restored


def _restore(connection: Connection, archive: Archive, day: date, files: list[ArchivedFile]) -> Restored:
    lock_days(connection, [day])
    due = {row.etl_file_id: row.rows for row in execute(connection, "archive.remembered", day=day)}
    execute(connection, "archive.forget_retired_files", day=day)
    execute(connection, "archive.forget_retired_day", day=day)
    execute(connection, "publish.ensure_partition", day=day)
    for file in files:
        with reaching():
            _copy(connection, archive, file, due)
    execute(connection, "archive.touch_day", since=ledger.bounds(day)["since"])
    archived = sum(file.measures.rows for file in files)
    rows = _require_as_archived(connection, day, files, due)
    if rows < archived:
        execute(connection, "archive.changed", day=day)
    return Restored(day=day, rows=rows, left_out=archived - rows)


def _require_as_archived(
    connection: Connection, day: date, files: list[ArchivedFile], due: dict[int, int]
) -> int:
    """Hold the rows that are back against what was exported; returns how many they are."""
    found, expected = ledger.measures(connection, day), together(file.measures for file in files)
    if sum(due.values()) == expected.rows:
        if wrong := list(differences(expected, found)):
            raise NotAsArchived(
                f"{day}: the files hold {'; '.join(wrong[:3])}", hint="run `conn-etl archive verify`"
            )
    elif found.rows != sum(due.values()):
        raise NotAsArchived(
            f"{day}: the files hold {found.rows:,} rows of the files in the ledger, not {sum(due.values()):,}",
            hint="run `conn-etl archive verify`",
        )
    return found.rows


def _copy(connection: Connection, archive: Archive, file: ArchivedFile, due: dict[int, int]) -> None:
    import polars as pl

    for frame in _row_groups(archive, file):
        ready = frame.filter(pl.col(SOURCE).is_in(list(due)))
        if ready.height:
            copy_in(connection, "zeek.conn", tuple(TYPES), _csv(ready))


def _row_groups(archive: Archive, file: ArchivedFile) -> Iterator[pl.DataFrame]:
    import polars as pl
    import pyarrow.parquet as pq

    with archive.files.open_input_file(path_of(file.url)) as opened, pq.ParquetFile(opened) as parquet:
        for group in range(parquet.metadata.num_row_groups):
            yield pl.from_arrow(parquet.read_row_group(group, columns=list(TYPES)))  # type: ignore[misc]


def _csv(frame: pl.DataFrame) -> bytes:
    """As COPY takes it: NULL is an empty field, an empty text is quoted, a double is the shortest text of its value."""
    import polars as pl

    buffer = io.BytesIO()
    time = pl.col(TIME).dt.replace_time_zone(None).dt.to_string("%Y-%m-%d %H:%M:%S%.6f+00")
    frame.with_columns(time).write_csv(buffer, include_header=False)
    return buffer.getvalue()

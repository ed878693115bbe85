"""Undo and redo: rows are taken back by file, within the span that the ledger has for it, under publish's locks.

A row that several files hold is in the table once, under the file that brought it first. When that one is undone, the
other files must bring the row again: the ledger knows which they are (``etl.duplicate_of``, identity conflicts), and
they are opened again in the same transaction. They keep their rows until they are published again.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime

from sqlalchemy.engine import Connection

from etl.database.locks import batch_is_idle, lock_days, lock_digests
from etl.database.statements import execute
from etl.errors import Busy, Misuse
from etl.loading.ledger import BatchFile
from etl.loading.targets import LoadedFile, resolve, rows_of
from etl.models import FileState

Readable = Callable[[str, int, datetime], bool]
"""Whether a path still holds the file of this size and mtime."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Undone:
    """A file that was loaded once, as the ledger has it, and how many rows were deleted."""

    etl_file_id: int
    path: str
    state: str
    rows_loaded: int
    rows_deleted: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Preview:
    """What an ``unload`` would do; in files, ``rows_deleted`` is what would be deleted."""

    files: list[Undone]
    named: bool
    """Whether each file was named itself, or by its run: no folder and no pattern."""
    span: tuple[datetime, datetime] | None
    """First and last ``"@timestamp"`` of the rows."""
    again: list[str]
    """Other files that hold some of the rows, and would be loaded again."""

    @property
    def rows(self) -> int:
        """Rows that would be deleted."""
        return sum(file.rows_deleted for file in self.files)


def preview(connection: Connection, targets: Mapping[str, str]) -> Preview:
    """What ``unload`` would take back now, without doing it; raises Misuse as it does."""
    with connection.begin():
        chosen = resolve(connection, targets)
        ids = [f.etl_file_id for f in chosen.files]
        gone = {row.etl_file_id: row.rows for row in execute(connection, "undo.retired_rows", ids=ids)}
        again = [row.path for row in execute(connection, "undo.dependants", ids=ids)]
    files = [_undone(f, f.rows_loaded - gone.get(f.etl_file_id, 0)) for f in chosen.files]
    span = _span(chosen.files)
    return Preview(files=files, named=chosen.named, span=span, again=again)


def _undone(file: LoadedFile, rows: int) -> Undone:
    return Undone(
        etl_file_id=file.etl_file_id,
        path=file.path,
        state=file.state,
        rows_loaded=file.rows_loaded,
        rows_deleted=rows,
    )


def unload(
    connection: Connection,
    targets: Mapping[str, str],
    run_id: str,
    readable: Readable,
    *,
    only: Collection[int] | None = None,
) -> list[Undone]:
    """Take back all rows of these targets (each as given, with its name in the ledger), in one transaction.

    Other names of the same bytes become unloaded too; files that share rows with one of these are opened again.

    Args:
        connection: to the database, outside a transaction.
        targets: runs, paths, folders, archives and patterns.
        run_id: the run that does it.
        readable: whether a path still holds the file that was loaded.
        only: leave out files that are not among these, which came after the caller asked.

    Raises:
        Misuse: nothing was loaded from a target; or rows would be lost, since another file that holds them cannot be
            read again.
        Busy: one of the files is being loaded, or was touched meanwhile; do it again.
    """
    with connection.begin():
        files = [f for f in resolve(connection, targets).files if only is None or f.etl_file_id in only]
        lock_digests(connection, [f.digest for f in files if f.digest])
        lock_days(connection, days(connection, files))
        ids = [f.etl_file_id for f in files]
        execute(connection, "undo.lock", ids=ids)
        if _loaded(connection, ids) != files or not all(_at_rest(connection, f) for f in files):
            raise Busy("another session works on one of these files")
        deleted = delete_rows(connection, files)
        mark_unloaded(connection, ids, f"unloaded by run {run_id}; load it again with --replace")
        copies = [row.etl_file_id for row in execute(connection, "undo.copies", ids=ids)]
        execute(
            connection,
            "undo.mark_unloaded",
            ids=copies,
            reason=f"its bytes were unloaded by run {run_id}; load them again with --replace",
        )
        open_dependants(connection, ids, readable)
    return [_undone(f, deleted.get(f.etl_file_id, 0)) for f in files]


def _at_rest(connection: Connection, file: LoadedFile) -> bool:
    """Whether no process works on the file; if so, none will until this transaction ends."""
    return (
        not FileState(file.state).is_open or file.batch_id is None or batch_is_idle(connection, file.batch_id)
    )


def _loaded(connection: Connection, ids: Collection[int]) -> list[LoadedFile]:
    """These rows of the ledger."""
    return rows_of(execute(connection, "undo.loaded", ids=list(ids)).mappings())


def days(connection: Connection, files: Sequence[LoadedFile]) -> list[date]:
    """UTC days on which rows of these files are."""
    if not (span := _span(files)):
        return []
    found = execute(connection, "undo.days", ids=[f.etl_file_id for f in files], first=span[0], last=span[1])
    return [row.day for row in found]


def _span(files: Sequence[LoadedFile]) -> tuple[datetime, datetime] | None:
    firsts = [f.min_timestamp for f in files if f.min_timestamp]
    lasts = [f.max_timestamp for f in files if f.max_timestamp]
    return (min(firsts), max(lasts)) if firsts and lasts else None


def delete_rows(connection: Connection, files: Sequence[LoadedFile]) -> dict[int, int]:
    """Delete the files' rows and return how many by file; the days have to be locked."""
    if not (span := _span(files)):
        return {}
    deleted = execute(
        connection,
        "undo.delete_rows",
        ids=[f.etl_file_id for f in files],
        firsts=[f.min_timestamp for f in files],
        lasts=[f.max_timestamp for f in files],
        first=span[0],
        last=span[1],
    )
    return {row.etl_file_id: row.rows_deleted for row in deleted}


def mark_unloaded(connection: Connection, ids: Sequence[int], reason: str) -> None:
    """Make files whose rows are gone ``unloaded``, and close their quarantine."""
    execute(connection, "undo.forget_duplicates", ids=list(ids))
    execute(connection, "undo.close_quarantine", ids=list(ids), resolution=reason)
    execute(connection, "undo.mark_unloaded", ids=list(ids), reason=reason)


def open_dependants(connection: Connection, ids: Sequence[int], readable: Readable) -> list[int]:
    """Open the files again that share rows with these.

    Raises:
        Misuse: one of them cannot be read any more, so that the shared rows would be lost.
    """
    dependants = list(execute(connection, "undo.dependants", ids=list(ids)))
    for row in dependants:
        if not readable(row.path, row.size, row.mtime):
            raise Misuse(
                f"{row.path} shares {row.dependant_rows:,} of these rows and cannot be read again as it was loaded",
                hint="they would be lost to it: unload it too, or bring it back",
            )
    reopen_loaded(connection, [row.etl_file_id for row in dependants])
    return [row.etl_file_id for row in dependants]


def reopen_loaded(connection: Connection, ids: Sequence[int], *, replaces: bool = False) -> None:
    """Open files for loading again; what they have in the tables stays until they are published again.

    replaces: the rows of the path's other versions go with it.
    """
    execute(connection, "undo.reopen", ids=list(ids), replaces=replaces)


def waiting(connection: Connection) -> list[int]:
    """Files that are open to be loaded again."""
    with connection.begin():
        return [row.etl_file_id for row in execute(connection, "undo.waiting")]


# --- publish's part --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, slots=True)
class Redo:
    """What a batch replaces: its own files' old rows, and by path the other versions that go with one of them."""

    own: tuple[LoadedFile, ...] = ()
    others: Mapping[int, tuple[LoadedFile, ...]] = field(default_factory=dict)
    days: tuple[date, ...] = ()

    @property
    def digests(self) -> list[bytes]:
        """Old digests, to be locked beside the new ones."""
        return [f.digest for f in self.files if f.digest]

    @property
    def files(self) -> list[LoadedFile]:
        """All of them."""
        return [*self.own, *(other for others in self.others.values() for other in others)]


def redo_of(connection: Connection, files: Sequence[BatchFile]) -> Redo:
    """What these files replace; nothing in the usual case, at no cost."""
    own = [f.etl_file_id for f in files if f.before]
    replacing = [f.etl_file_id for f in files if f.replaces]
    if not own and not replacing:
        return Redo()
    others: dict[int, tuple[LoadedFile, ...]] = {}
    for i in replacing:
        ids = [row.etl_file_id for row in execute(connection, "undo.other_versions", ids=[i])]
        others[i] = tuple(_loaded(connection, ids)) if ids else ()
    redo = Redo(own=tuple(_loaded(connection, own)), others=others)
    return replace(redo, days=tuple(days(connection, redo.files)))


def clear(connection: Connection, redo: Redo, verdicts: Mapping[int, FileState]) -> None:
    """Delete the rows that the batch replaces, where the file that replaces them is good; their days are locked."""
    good = [
        f for f in redo.own if verdicts[f.etl_file_id].has_rows or verdicts[f.etl_file_id] is FileState.KNOWN
    ]
    gone = [f for i, others in redo.others.items() if verdicts[i].has_rows for f in others]
    if not good and not gone:
        return
    delete_rows(connection, [*good, *gone])
    execute(connection, "undo.forget_duplicates", ids=[f.etl_file_id for f in good])
    execute(connection, "undo.forget_retired", ids=[f.etl_file_id for f in good])
    execute(connection, "publish.forget_quarantine", ids=[f.etl_file_id for f in good])
    if ids := [f.etl_file_id for f in gone]:
        mark_unloaded(connection, ids, "a newer version of this path replaced it")
    changed = [
        row.etl_file_id for row in execute(connection, "undo.changed", ids=[f.etl_file_id for f in good])
    ]
    changed += [f.etl_file_id for f in good if verdicts[f.etl_file_id] is FileState.KNOWN]
    copies = [row.etl_file_id for row in execute(connection, "undo.copies", ids=[*ids, *changed])]
    dependants = [row.etl_file_id for row in execute(connection, "undo.dependants", ids=[*ids, *changed])]
    reopen_loaded(connection, [i for i in (*copies, *dependants) if i not in verdicts])


def restore(connection: Connection, etl_file_id: int, reason: str | None) -> None:
    """Leave a file as it was before somebody tried to load it again, with the reason why that failed."""
    execute(connection, "undo.restore", id=etl_file_id, reason=f"it could not be loaded again: {reason}")

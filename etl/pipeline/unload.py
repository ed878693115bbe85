"""Rows taken back by file, run, folder or pattern: what ``conn-etl unload`` does."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from etl import source
from etl.database import schema
from etl.database.store import Store
from etl.loading import ledger, undo
from etl.pipeline.ingest import FileResult, attempts, begin_command, load_waiting, result_of
from etl.pipeline.runs import end, new_id


@dataclass(frozen=True, kw_only=True, slots=True)
class Unloading:
    """What ``unload`` took back, and the files that shared rows with it and were loaded again."""

    run_id: str
    undone: list[undo.Undone]
    again: list[FileResult]

    @property
    def rows(self) -> int:
        """Rows deleted from ``zeek.conn``."""
        return sum(file.rows_deleted for file in self.undone)


def would_unload(store: Store, targets: Sequence[str]) -> undo.Preview:
    """What ``unload`` of these would take back; raises Misuse as it does."""
    names = {target: source.named(target) for target in targets}
    with store.loading() as connection:
        schema.require_current(connection)
        return undo.preview(connection, names)


def unload(store: Store, targets: Sequence[str], only: Collection[int] | None = None) -> Unloading:
    """Take back all rows of these targets in one transaction, then load again what other files had of them.

    Args:
        store: where from.
        targets: runs, paths, folders, archives, and patterns of paths.
        only: numbers of the files that the caller agreed to; others are left alone. None: all.

    Raises:
        Misuse: nothing is loaded from one of them, or rows that another file holds would be lost; nothing was done.
    """
    run_id = new_id("command")
    names = {target: source.named(target) for target in targets}
    begin_command(store, run_id, {"unload": list(targets)})
    for attempt in attempts(store.settings):
        with attempt, store.loading() as connection:
            undone = undo.unload(connection, names, run_id, source.unchanged, only=only)
    again = load_waiting(store, run_id)
    end(store, run_id)
    with store.loading() as connection:
        rows = ledger.by_id(connection, again)
    return Unloading(run_id=run_id, undone=undone, again=[result_of(row, run_id) for row in rows])

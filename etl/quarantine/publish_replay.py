"""Publishing lines of quarantine: the same insert as a batch's, and rows move between the terms of their file.

One transaction: rows, quarantine, ledger, and who did it and why.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence

from sqlalchemy.engine import Connection

from etl.database.locks import lock_days, lock_digests
from etl.database.statements import execute
from etl.loading.batch import Batch, forget_views
from etl.loading.insert import Counts, insert_good
from etl.loading.publish import make_days, require_days_present
from etl.quarantine.audit import AuditEntry


def make_days_of(batch: Batch, files: Sequence[int]) -> None:
    """Make the partitions that the staged rows need, each in its own transaction."""
    with batch.bound() as connection:
        new = sorted({row.day for row in execute(connection, "publish.days", ids=list(files)) if row.is_new})
    make_days(batch.connection, new)


def publish(batch: Batch, ids: Sequence[int], files: Sequence[int], entry: AuditEntry) -> Counter[str]:
    """Publish what passes of the staged lines and say of each line what came of it.

    Args:
        batch: staged and judged by the gate.
        ids: the lines, by quarantine_id.
        files: the files that they are of.
        entry: for the record.

    Returns:
        Lines by outcome: published, duplicate, still_bad. A line that another session took meanwhile is in none.

    Raises:
        TransientError: nothing was changed; do it again.
    """
    with batch.bound() as connection:
        lock_digests(
            connection, [bytes(r.digest) for r in execute(connection, "quarantine.digests", ids=list(files))]
        )
        days = sorted({row.day for row in execute(connection, "publish.days", ids=list(files))})
        lock_days(connection, days)
        require_days_present(connection, days)
        execute(connection, "undo.lock", ids=list(files))
        execute(connection, "quarantine.lock_lines", ids=list(ids))
        execute(connection, "quarantine.leave_out")
        execute(connection, "publish.select_files", ids=list(files))
        execute(connection, "publish.good_rows")
        execute(connection, "publish.bad_rows", ids=list(files), most=0)
        counts = Counts()
        if days:
            counts = insert_good(connection, days)
            execute(connection, "publish.quarantine_conflicts", run=None)
        else:
            execute(connection, "publish.no_leftover")
        execute(connection, "quarantine.still_bad")
        execute(connection, "quarantine.replayed", actor=entry.actor, why=entry.why)
        execute(connection, "quarantine.note", actor=entry.actor, why=entry.why, run=entry.run_id)
        total = _move(connection, counts, entry.run_id)
        forget_views(connection)
    batch.drop()
    return total


def _move(connection: Connection, counts: Counts, run_id: str) -> Counter[str]:
    """Give each file its new terms, from what the INSERT returned and what the join on the key found."""
    by_file: dict[int, Counter[str]] = defaultdict(Counter)
    for row in execute(connection, "quarantine.outcomes", run=run_id):
        by_file[row.etl_file_id][row.outcome] += row.lines
    total: Counter[str] = Counter()
    for etl_file_id, outcomes in sorted(by_file.items()):
        loaded, duplicate = counts.loaded.get(etl_file_id), counts.duplicate.get(etl_file_id, 0)
        published = loaded.rows_loaded if loaded else 0
        if (published, duplicate) != (outcomes["published"], outcomes["duplicate"]):
            raise RuntimeError(
                f"file {etl_file_id}: {published} rows and {duplicate} duplicates came from {dict(outcomes)}"
            )
        execute(
            connection,
            "quarantine.move",
            id=etl_file_id,
            published=published,
            duplicate=duplicate,
            first=loaded.min_timestamp if loaded else None,
            last=loaded.max_timestamp if loaded else None,
        )
        total += outcomes
    return total

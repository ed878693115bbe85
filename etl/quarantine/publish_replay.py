"""Publishing lines of quarantine: the same insert as a batch's, and rows move between the terms of their file.

One transaction: rows, quarantine, ledger, and who did it and why.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy.engine import Connection

from etl.database.engine import execute
from etl.database.locks import lock_days, lock_digests
from etl.loading import batch
from etl.loading.publish import Counts, heed_retired, insert_good, make_days


@dataclass(frozen=True, kw_only=True, slots=True)
class Act:
    """Who replays or discards, why, and in which run."""

    actor: str
    why: str
    run_id: str


def make_days_of(connection: Connection, batch_id: int, files: Sequence[int]) -> None:
    """Make the partitions that the staged rows need, each in its own transaction."""
    with connection.begin():
        batch.bind(connection, batch_id)
        new = sorted({row.day for row in execute(connection, "publish.days", ids=list(files)) if row.is_new})
    make_days(connection, new)


def publish(
    connection: Connection, batch_id: int, ids: Sequence[int], files: Sequence[int], act: Act
) -> Counter[str]:
    """Publish what passes of the staged lines and say of each line what came of it.

    Args:
        connection: holds the batch's lock.
        batch_id: staged and judged by the gate.
        ids: the lines, by quarantine_id.
        files: the files that they are of.
        act: for the record.

    Returns:
        Lines by outcome: published, duplicate, still_bad. A line that another session took meanwhile is in none.

    Raises:
        TransientError: nothing was changed; do it again.
    """
    with connection.begin():
        batch.bind(connection, batch_id)
        lock_digests(
            connection, [bytes(r.digest) for r in execute(connection, "replay.digests", ids=list(files))]
        )
        days = sorted({row.day for row in execute(connection, "publish.days", ids=list(files))})
        lock_days(connection, days)
        heed_retired(connection, days)
        execute(connection, "undo.lock", ids=list(files))
        execute(connection, "replay.lock_lines", ids=list(ids))
        execute(connection, "replay.leave_out")
        execute(connection, "publish.select_files", ids=list(files))
        execute(connection, "publish.good_rows")
        execute(connection, "publish.bad_rows", most=0)
        counts = Counts()
        insert_good(connection, days, counts)
        if not days:
            execute(connection, "publish.no_leftover")
        execute(connection, "replay.still_bad")
        execute(connection, "replay.replayed", actor=act.actor, why=act.why)
        execute(connection, "replay.note", actor=act.actor, why=act.why, run=act.run_id)
        total = _move(connection, counts, act.run_id)
        execute(connection, "publish.forget_views")
        batch.drop(connection, batch_id)
    return total


def _move(connection: Connection, counts: Counts, run_id: str) -> Counter[str]:
    """Give each file its new terms, from what the INSERT returned and what the join on the key found."""
    by_file: dict[int, Counter[str]] = defaultdict(Counter)
    for row in execute(connection, "replay.outcomes", run=run_id):
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
            "replay.move",
            id=etl_file_id,
            published=published,
            duplicate=duplicate,
            first=loaded.min_timestamp if loaded else None,
            last=loaded.max_timestamp if loaded else None,
        )
        total += outcomes
    return total

"""What stands around the batches of a run: opening and closing it, finding files, claiming them in batches."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy.engine import Connection

from etl import source
from etl.database import schema, statements
from etl.database.store import Store
from etl.loading import batch, ledger
from etl.pipeline.discover import Request, ScanResult, Waiting, scan
from etl.pipeline.discovered import Discovered, WaitingFile
from etl.settings import Settings


def new_id(verb: str) -> str:
    """A name for a run that no DAG gives one: the verb, the moment, and a part that is unique."""
    return f"{verb}-{datetime.now(UTC):%Y%m%dT%H%M%S}-{uuid.uuid4().hex[:8]}"


def begin(store: Store, run_id: str, kind: str, arguments: Mapping[str, Any]) -> None:
    """Open a run in the ledger and drop staging that no run will use again.

    Raises:
        EnvironmentProblem: the schema is missing or of another version.
    """
    with store.loading() as connection:
        schema.require_current(connection)
        # a path may have bytes that are no text, which jsonb cannot hold
        asked = json.dumps(_without_credentials(arguments), default=str, ensure_ascii=False)
        text = asked.encode(errors="replace")
        ledger.begin_run(connection, run_id, kind, text.decode())
        if dag := arguments.get("dag"):
            with connection.begin():
                statements.execute(connection, "ledger.end_earlier", run=run_id, dag=dag)
        _drop_orphans(store, connection)


def _without_credentials(value: Any) -> Any:
    """The arguments of a call as they may be stored."""
    if isinstance(value, Mapping):
        return {name: _without_credentials(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_without_credentials(each) for each in value]
    return source.masked(value) if isinstance(value, str) else value


def _drop_orphans(store: Store, connection: Connection) -> None:
    for batch_id in ledger.orphans(connection, store.settings.claim_for):
        batch.drop_leftover(connection, batch_id)


def end(store: Store, run_id: str) -> list[dict[str, Any]]:
    """Close a run and drop what killed ones left in staging.

    Returns:
        The files that became refused or failed in it: path, state, kind, reason.
    """
    with store.loading() as connection:
        _drop_orphans(store, connection)
        return [dict(row._mapping) for row in ledger.end_run(connection, run_id)]


def discover(
    store: Store,
    run_id: str,
    paths: Sequence[str],
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    report: Callable[[Discovered], object] | None = None,
) -> list[int]:
    """Claim every complete file without a final state for this run, cut into batches; returns their numbers.

    since/until: the file's window (a file without one is always in). report: called with what was taken and what
    waits. Asked again by a retry, it claims the same files again.
    """
    settings, request = store.settings, Request(run_id=run_id, since=since, until=until)
    with store.loading() as connection:
        scanned = scan(connection, paths, request, settings, only_complete=True)
        held = ledger.held_by_live_run(
            connection, [row.etl_file_id for row in scanned.waiting], run_id, settings.claim_for
        )
        free = [row for row in scanned.waiting if row.etl_file_id not in held]
        batches, taken = [], list[int]()
        for rows in in_batches(free, settings):
            batch_id = ledger.new_batch(connection)
            if claimed := ledger.claim(connection, batch_id, [row.etl_file_id for row in rows], run_id):
                batches.append(batch_id)
                taken += claimed
            if len(batches) == settings.max_batches:
                break
        if report is not None:
            report(_discovered(connection, scanned, batches, taken, sorted(held)))
    return batches


def _discovered(
    connection: Connection,
    scanned: ScanResult,
    batches: Sequence[int],
    taken: Sequence[int],
    held: Sequence[int],
) -> Discovered:
    others = [
        WaitingFile(path=row.path, why="another run has claimed it") for row in ledger.by_id(connection, held)
    ]
    return Discovered(
        batches=batches,
        taken=[(row.path, row.size) for row in ledger.by_id(connection, taken)],
        waiting=[*scanned.incomplete, *others],
        listed=len(scanned.given),
        left_over=len(scanned.waiting) - len(taken) - len(held),
    )


def in_batches(rows: Sequence[Waiting], settings: Settings) -> Iterator[list[Waiting]]:
    """Cut open files, in their order, into batches of at most ``batch_bytes`` and ``batch_files``."""
    batch: list[Waiting] = []
    size = 0
    for row in rows:
        if batch and (size + row.size > settings.batch_bytes or len(batch) == settings.batch_files):
            yield batch
            batch, size = [], 0
        batch.append(row)
        size += row.size
    if batch:
        yield batch

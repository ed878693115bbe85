"""``quarantine replay``: lines that did not reach the table, tried again.

A replay is a batch whose source is the quarantine: present mapping, staging, the gate, publish. What passes moves from
quarantine to rows or duplicates of its file in the transaction that publishes it; what fails again stays open under
the reason that it fails for now. Each line of each replay is noted with who, when and why.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from etl import pipeline
from etl.database import engine, schema, statements
from etl.database.statements import execute
from etl.database.store import Store
from etl.errors import PermanentError
from etl.fields import COPY_COLUMNS
from etl.loading import ledger
from etl.loading.batch import Batch, held
from etl.loading.formats import StoredFormats
from etl.loading.single_out import single_out
from etl.models import Format
from etl.quality import gate
from etl.quarantine import publish_replay
from etl.quarantine.audit import AuditEntry, audit_entry
from etl.quarantine.lines import QuarantineFilter, chosen, in_chunks


@dataclass(frozen=True, kw_only=True, slots=True)
class Replayed:
    """What a replay did: lines by outcome, and those that cannot be replayed by what speaks against it."""

    run_id: str
    outcomes: dict[str, int]
    not_replayable: dict[str, int]


def replay(store: Store, wanted: QuarantineFilter, *, actor: str, why: str) -> Replayed:
    """Run the present mapping and rules over chosen lines and publish those that pass.

    Raises:
        Misuse: no open line fits, or no reason is given.
        TransientError: lines of finished chunks are published; do it again for the rest.
    """
    entry = audit_entry("replay", actor, why)
    with store.loading() as connection:
        schema.require_current(connection)
        lines = chosen(connection, wanted)
        arguments = {"replay": wanted.parameters(), "actor": actor, "why": why}
        pipeline.begin(store, entry.run_id, "command", arguments)
        ids = [row.quarantine_id for row in lines if row.obstacle is None]
        obstacles = Counter(row.obstacle for row in lines if row.obstacle is not None)
        outcomes: Counter[str] = Counter()

        def work(some: Sequence[int]) -> None:
            for attempt in pipeline.attempts(store.settings):
                with attempt:
                    outcomes.update(_replay(store, connection, some, entry))

        for chunk in in_chunks(ids):
            refused = single_out(chunk, work)
            if len(refused) == len(chunk) and type(refused[0].error) is PermanentError:
                raise refused[0].error  # a rule cannot be evaluated
            obstacles += Counter(f"it fails: {failure.error}" for failure in refused)
    pipeline.end(store, entry.run_id)
    return Replayed(run_id=entry.run_id, outcomes=dict(outcomes), not_replayable=dict(obstacles))


def _replay(store: Store, connection: Connection, ids: Sequence[int], entry: AuditEntry) -> Counter[str]:
    batch_id = ledger.new_batch(connection)
    with held(connection, batch_id) as batch:
        counts = _stage(store, batch, ids)
        with batch.bound():
            address = engine.url_as(connection, store.url, store.settings, "conn-etl gate")
            gate.gate(connection, address, batch.table, counts, pipeline.policy_of(store.settings))
        publish_replay.make_days_of(batch, list(counts))
        return publish_replay.publish(batch, ids, list(counts), entry)


def _stage(store: Store, batch: Batch, ids: Sequence[int]) -> dict[int, int]:
    """Map the lines into fresh staging tables; returns the lines of each file."""
    from etl.reader.reread import stored_format

    counts: Counter[int] = Counter()
    batch.create()
    with batch.bound() as connection:
        rows = list(execute(connection, "quarantine.lines", ids=list(ids)))
        formats = StoredFormats(connection)
        for (etl_file_id, digest), group in itertools.groupby(rows, key=_file_and_format):
            of_file = [(row.etl_line, bytes(row.raw)) for row in group]
            counts[etl_file_id] += len(of_file)
            _stage_lines(store, batch, etl_file_id, stored_format(formats.get(digest) or {}), of_file)
    return dict(counts)


def _file_and_format(row: sa.Row[Any]) -> tuple[int, bytes]:
    return row.etl_file_id, bytes(row.format_digest)


def _stage_lines(
    store: Store,
    batch: Batch,
    etl_file_id: int,
    line_format: Format,
    of_file: Sequence[tuple[int, bytes]],
) -> None:
    from etl.loading.copy_csv import to_csv
    from etl.reader.reread import read_again

    frame, faults = read_again(of_file, line_format, store.settings.read_options())
    if frame.height:
        csv = to_csv(frame, etl_file_id)
        statements.copy_in(batch.connection, batch.table, COPY_COLUMNS, csv)
    if faults:
        execute(
            batch.connection,
            "quarantine.stage_reject",
            file=etl_file_id,
            lines=[fault.line for fault in faults],
            fields=[fault.field for fault in faults],
            reasons=[fault.reason for fault in faults],
            rules=[fault.rule for fault in faults],
        )

"""``quarantine replay``, ``discard``, ``export``: lines that did not reach the table, tried again or put aside.

A replay is a batch whose source is the quarantine: present mapping, staging, the gate, publish. What passes moves from
quarantine to rows or duplicates of its file in the transaction that publishes it; what fails again stays open under
the reason that it fails for now. Each line of each replay and discard is noted with who, when and why.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, TextIO

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from etl import pipeline
from etl.database import engine, schema
from etl.database.engine import execute
from etl.database.store import Store
from etl.errors import Misuse
from etl.fields import COPY_COLUMNS
from etl.loading import ledger
from etl.loading.batch import Batch, held
from etl.models import Format
from etl.quality import gate
from etl.quarantine import publish_replay
from etl.quarantine.publish_replay import AuditEntry

CHUNK = 50_000
"""Lines of one transaction."""


@dataclass(frozen=True, kw_only=True, slots=True)
class QuarantineFilter:
    """Which open lines: all of these that are set have to fit."""

    ids: tuple[int, ...] | None = None
    path: str | None = None
    rule: str | None = None
    reason: str | None = None
    since: datetime | None = None
    until: datetime | None = None

    def parameters(self) -> dict[str, Any]:
        """For ``replay.choose``."""
        return {**asdict(self), "ids": None if self.ids is None else list(self.ids)}


@dataclass(frozen=True, kw_only=True, slots=True)
class Replayed:
    """What a replay did: lines by outcome, and those that cannot be replayed by what speaks against it."""

    run_id: str
    outcomes: dict[str, int]
    not_replayable: dict[str, int]


def choose(connection: Connection, wanted: QuarantineFilter) -> list[sa.Row[Any]]:
    """The chosen lines: quarantine_id and obstacle (None where it can be replayed), by file and line."""
    with connection.begin():
        return list(execute(connection, "replay.choose", **wanted.parameters()))


def replay(store: Store, wanted: QuarantineFilter, *, actor: str, why: str) -> Replayed:
    """Run the present mapping and rules over chosen lines and publish those that pass.

    Raises:
        Misuse: no open line fits, or no reason is given.
        TransientError: lines of finished chunks are published; do it again for the rest.
    """
    entry = _entry("replay", actor, why)
    with store.loading() as connection:
        schema.require_current(connection)
        chosen = choose(connection, wanted)
        if not chosen:
            raise Misuse(
                "no open line in quarantine fits", hint="see `conn-etl quarantine list --state open`"
            )
        arguments = {"replay": wanted.parameters(), "actor": actor, "why": why}
        pipeline.begin(store, entry.run_id, "command", arguments)
        ids = [row.quarantine_id for row in chosen if row.obstacle is None]
        outcomes: Counter[str] = Counter()
        for chunk in _chunks(ids):
            for attempt in pipeline.attempts(store.settings):
                with attempt:
                    outcomes += _replay(store, connection, chunk, entry)
    pipeline.end(store, entry.run_id)
    obstacles = Counter(row.obstacle for row in chosen if row.obstacle is not None)
    return Replayed(run_id=entry.run_id, outcomes=dict(outcomes), not_replayable=dict(obstacles))


def discard(store: Store, wanted: QuarantineFilter, *, actor: str, why: str) -> int:
    """Put chosen lines aside for good: they stay counted and kept, and are not replayed any more. Returns how many.

    Raises:
        Misuse: no open line fits, or no reason is given.
    """
    entry = _entry("discard", actor, why)
    with store.loading() as connection:
        schema.require_current(connection)
        ids = [row.quarantine_id for row in choose(connection, wanted)]
        if not ids:
            raise Misuse(
                "no open line in quarantine fits", hint="see `conn-etl quarantine list --state open`"
            )
        with connection.begin():
            done = execute(
                connection, "replay.discard", ids=ids, actor=entry.actor, why=entry.why, run=entry.run_id
            )
            return int(done.rowcount)


def lines(connection: Connection, wanted: QuarantineFilter) -> Iterator[Mapping[Any, Any]]:
    """The chosen lines with all that is kept of them (columns of ``replay.lines``), by file and line."""
    for chunk in _chunks([row.quarantine_id for row in choose(connection, wanted)]):
        with connection.begin():
            yield from execute(connection, "replay.lines", ids=chunk).mappings()


def _entry(verb: str, actor: str, why: str) -> AuditEntry:
    if not why.strip():
        raise Misuse("say why, for those who ask later", hint='add --why "…"')
    return AuditEntry(actor=actor, why=why, run_id=pipeline.new_id(verb))


def _chunks(ids: Sequence[int]) -> Iterator[list[int]]:
    items = iter(ids)
    while chunk := list(itertools.islice(items, CHUNK)):
        yield chunk


def _replay(store: Store, connection: Connection, ids: Sequence[int], entry: AuditEntry) -> Counter[str]:
    batch_id = ledger.new_batch(connection)
    with held(connection, batch_id) as batch:
        counts = _stage(store, batch, ids)
        with batch.bound():
            url = engine.url_as(connection, store.url, store.settings, "conn-etl gate")
            gate.gate(connection, url, batch.table, counts, pipeline.policy_of(store.settings))
        publish_replay.make_days_of(batch, list(counts))
        return publish_replay.publish(batch, ids, list(counts), entry)


def _stage(store: Store, batch: Batch, ids: Sequence[int]) -> dict[int, int]:
    """Map the lines into fresh staging tables; returns the lines of each file."""
    counts: Counter[int] = Counter()
    batch.create()
    with batch.bound() as connection:
        rows = list(execute(connection, "replay.lines", ids=list(ids)))
        for (etl_file_id, line_format), group in itertools.groupby(rows, key=_file_and_format):
            of_file = [(row.etl_line, bytes(row.raw)) for row in group]
            counts[etl_file_id] += len(of_file)
            _stage_lines(store, batch, etl_file_id, line_format, of_file)
    return dict(counts)


def _file_and_format(row: sa.Row[Any]) -> tuple[int, Format]:
    from etl.reader.reread import stored_format

    return row.etl_file_id, stored_format(row.format)


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
        engine.copy_in(batch.connection, batch.table, COPY_COLUMNS, csv)
    if faults:
        execute(
            batch.connection,
            "replay.stage_reject",
            file=etl_file_id,
            lines=[fault.line for fault in faults],
            fields=[fault.field for fault in faults],
            reasons=[fault.reason for fault in faults],
            rules=[fault.rule for fault in faults],
        )


def as_json(line: Mapping[Any, Any]) -> dict[str, Any]:
    """One line of ``quarantine export``: its bytes as text, and as hexadecimal digits where they are no UTF-8."""
    if line["raw"] is None:
        return dict(line)
    raw = bytes(line["raw"])
    text = raw.decode("utf-8", "backslashreplace")
    return {**line, "raw": text, **({} if text.encode() == raw else {"raw_hex": raw.hex()})}


def write_log(rows: Iterable[Mapping[Any, Any]], stream: TextIO) -> None:
    """Write lines as a log again, a header before the first of each format: to be mended by hand and ingested.

    ``stream`` encodes with ``surrogateescape``, so that bytes which are no UTF-8 come out as they were.
    """
    header: Format | None = None
    for row in rows:
        if row["raw"] is None:
            continue
        from etl.reader.reread import stored_format

        if (found := stored_format(row["format"])) != header:
            header = found
            stream.write(_header(found))
        stream.write(bytes(row["raw"]).decode("utf-8", "surrogateescape") + "\n")


def _header(line_format: Format) -> str:
    if line_format.kind == "json":
        return ""
    separator = line_format.separator or "\t"
    escaped = "".join(rf"\x{ord(character):02x}" for character in separator)
    lines = [f"#separator {escaped}"]
    marks = (
        (name, getattr(line_format, name)) for name in ("set_separator", "empty_field", "unset_field", "path")
    )
    lines += [f"#{name}{separator}{value}" for name, value in marks if value is not None]
    lines += [
        separator.join(("#fields", *line_format.fields)),
        separator.join(("#types", *line_format.types)),
    ]
    return "\n".join(lines) + "\n"

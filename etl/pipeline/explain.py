"""``conn-etl explain``: what one file is, what is made of its columns and why, and what ingest would do with it."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy.engine import Connection

from etl import source
from etl.database.statements import execute
from etl.database.store import Store
from etl.errors import FileError, Misuse, OtherLog
from etl.fields import FIELDS
from etl.loading import ledger
from etl.models import FileState, Format, FoundFile, Reader, Reject, Scan
from etl.pipeline.columns import Column, columns_of, version
from etl.pipeline.discover import sensors_of
from etl.pipeline.steps import budget_of, reader_of
from etl.settings import Settings

SHOWN = 5


@dataclass(frozen=True, kw_only=True, slots=True)
class Explanation:
    """All of it; ``error`` is why the file as a whole is no conn log."""

    path: str
    size: int
    sensor: str
    window_start: datetime | None
    window_end: datetime | None
    compression: str | None = None
    format: str | None = None
    zeek: str | None = None
    columns: list[Column] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    rows: int = 0
    first: datetime | None = None
    last: datetime | None = None
    incomplete: str | None = None
    wrapped_in: list[str] = field(default_factory=list)
    """What is taken off each line before it is a row, from outside in."""
    note: str | None = None
    rejects: int = 0
    first_rejects: list[dict[str, Any]] = field(default_factory=list)
    error: str | None = None
    would: str = ""

    def as_dict(self) -> dict[str, Any]:
        """For ``--json``."""
        return asdict(self)


@dataclass(kw_only=True, slots=True)
class _Reading:
    """What one pass over a file gave."""

    rows: int = 0
    first: datetime | None = None
    last: datetime | None = None
    rejects: int = 0
    of_other_logs: int = 0
    """Rejects among them that are no fault of the file."""
    first_rejects: list[Reject] = field(default_factory=list)
    error: FileError | None = None
    scan: Scan | None = None


def explain(path: str, settings: Settings, store: Store | None) -> Explanation:
    """Read a file to its end and say what it is; the ledger is asked where there is a store.

    Raises:
        Misuse: there is no such file.
    """
    file = _only_file(path, settings)
    reading = _read(file, settings)
    scan = reading.scan
    formats: Sequence[Format] = scan.formats if scan else ()
    columns = columns_of(file.path, formats, scan.extra if scan else {}, settings) if formats else []
    fed = {column.field for column in columns}
    return Explanation(
        path=file.path,
        size=file.size,
        sensor=file.sensor,
        window_start=file.window_start,
        window_end=file.window_end,
        compression=scan.compression if scan else None,
        format=formats[0].kind if formats else None,
        zeek=version(columns, formats) if columns else None,
        columns=columns,
        missing=[f.standard for f in FIELDS if f.standard not in fed] if columns else [],
        rows=scan.rows_read if scan else 0,
        first=reading.first,
        last=reading.last,
        incomplete=scan.incomplete if scan else None,
        wrapped_in=[_step(step) for step in formats[-1].wrapping] if formats else [],
        note=scan.note if scan else None,
        rejects=reading.rejects,
        first_rejects=[_shown(reject) for reject in reading.first_rejects],
        error=str(reading.error) if reading.error else None,
        would=_would(file, reading, settings, store),
    )


def _only_file(path: str, settings: Settings) -> FoundFile:
    """The file that a path stands for; an archive may have one member."""
    found = list(itertools.islice(source.listed([path], sensors_of(settings)), 2))
    named = source.named(path)
    if len(found) == 1 and (found[0].path in {path, named} or found[0].path.startswith(f"{named}!/")):
        return found[0]
    if found and found[0].path.startswith(f"{named}!/"):
        raise Misuse(f"{named} is an archive of several files", hint=f"name one of them: {found[0].path}")
    raise Misuse(f"{named} is a folder", hint="name one file of it")


def _read(file: FoundFile, settings: Settings) -> _Reading:
    reading = _Reading(error=file.skip_reason)
    if reading.error is None:
        try:
            with reader_of(file.path, settings) as reader:
                _through(reader, reading)
        except FileError as error:
            reading.error = error
    return reading


def _through(reader: Reader, reading: _Reading) -> None:
    for block in reader:
        times: Any = block.frame["@timestamp"]
        if (first := times.min()) is not None:
            reading.first = min(reading.first or first, first)
            reading.last = max(reading.last or first, times.max())
        reading.rejects += len(block.rejects)
        reading.of_other_logs += sum(reject.reason == OtherLog.kind for reject in block.rejects)
        reading.first_rejects += block.rejects[: SHOWN - len(reading.first_rejects)]
    reading.scan = reader.scan()


def _step(step: str) -> str:
    """A step of ``Format.wrapping`` in words."""
    name, _, detail = step.partition(":")
    return {
        "prefix": "a prefix before the JSON",
        "key": f"the key {detail}",
        "csv": f"CSV with {detail!r} between its cells",
        "header": "a header line without #",
        "blanks": "several columns in the last cell",
    }[name]


def _shown(reject: Reject) -> dict[str, Any]:
    return {
        "line": reject.line,
        "field": reject.field,
        "reason": reject.reason,
        "raw": reject.raw[:200].decode("utf-8", "backslashreplace"),
    }


# --- what ingest would do --------------------------------------------------------------------------------------------


def _would(file: FoundFile, reading: _Reading, settings: Settings, store: Store | None) -> str:
    if store is None:
        return f"Without a database to ask, ingest would {_alone(reading, settings)}."
    with store.session() as connection:
        (row,) = ledger.known(connection, [file])
        if row is not None and not FileState(row.state).is_open:
            why = f": {row.reason}" if row.reason else ""
            return f"ingest would do nothing: the file is {row.state} since it was first loaded{why}."
        if reading.scan is not None and (same := _same_bytes(connection, reading.scan)):
            return f"ingest would load nothing: the same bytes were loaded as {same}, so it becomes known."
    return f"ingest would {_alone(reading, settings)}."


def _same_bytes(connection: Connection, scan: Scan) -> str | None:
    if not scan.rows_read:
        return None
    with connection.begin():
        rows = list(execute(connection, "publish.same_bytes", digests=[scan.digest], batch=[]))
        return _path_of(connection, rows[0].etl_file_id) if rows else None


def _path_of(connection: Connection, etl_file_id: int) -> str:
    """The path of a file of the ledger, inside a transaction."""
    return str(execute(connection, "ledger.by_id", ids=[etl_file_id]).one().path)


def _alone(reading: _Reading, settings: Settings) -> str:
    """What comes of the file by itself; the rules of the gate are not asked."""
    if reading.error is not None:
        verb = {FileState.SKIPPED: "skip it", FileState.FAILED: "fail to read it"}.get(
            FileState(reading.error.state), "refuse it"
        )
        return f"{verb} ({reading.error.kind}): {reading.error}"
    assert reading.scan is not None
    rows, bad = reading.scan.rows_read, reading.rejects
    if error := budget_of(settings).exceeded(read=rows, bad=bad, not_counted=reading.of_other_logs):
        return f"refuse it ({error.kind}): {error}"
    cut = f", as incomplete ({reading.scan.incomplete})" if reading.scan.incomplete else ""
    quarantined = f" and put {bad:,} lines into quarantine" if bad else ""
    return f"load {rows - bad:,} of its {rows:,} rows{cut}{quarantined}, as far as the rules of the gate let them pass"

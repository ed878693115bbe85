"""``quarantine export``: open lines as JSON lines, or as a log that can be corrected by hand and ingested.

A line that was exported as a log is remembered by its uid. When a row of this uid is published from another file, the
line is closed as replaced.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Any, TextIO

from sqlalchemy.engine import Connection

from etl.database.statements import execute
from etl.database.store import Store
from etl.errors import EnvironmentProblem
from etl.loading.formats import StoredFormats, beside
from etl.models import Format
from etl.quarantine.lines import QuarantineFilter, cells_of, choose, in_chunks


def export(store: Store, wanted: QuarantineFilter, stream: TextIO, *, as_log: bool) -> None:
    """Write the chosen open lines, by file and line.

    ``stream`` encodes with ``surrogateescape``, so that bytes which are no UTF-8 come out as they were.
    """
    with store.session() as connection:
        lines = open_lines(connection, wanted)
        if not as_log:
            write_json(lines, stream)
            return
        uids = write_log(lines, stream)
    with (
        suppress(EnvironmentProblem),
        store.loading() as connection,
        connection.begin(),
    ):  # a reader may export too
        execute(connection, "quarantine.exported", ids=list(uids), uids=list(uids.values()))


def open_lines(connection: Connection, wanted: QuarantineFilter) -> Iterator[Mapping[Any, Any]]:
    """The chosen lines with all that is kept of them (columns of ``etl.quarantine_line``), by file and line."""
    formats = StoredFormats(connection)
    for chunk in in_chunks([row.quarantine_id for row in choose(connection, wanted)]):
        with connection.begin():
            lines = execute(connection, "quarantine.lines", ids=chunk).mappings().all()
            yield from beside(lines, formats)


def write_json(lines: Iterable[Mapping[Any, Any]], stream: TextIO) -> None:
    """One object a line."""
    stream.writelines(json.dumps(as_json(line), default=str, ensure_ascii=False) + "\n" for line in lines)


def as_json(line: Mapping[Any, Any]) -> dict[str, Any]:
    """The line's bytes as text, and as hexadecimal digits where they are no UTF-8."""
    if line["raw"] is None:
        return dict(line)
    raw = bytes(line["raw"])
    text = raw.decode("utf-8", "backslashreplace")
    return {**line, "raw": text, **({} if text.encode() == raw else {"raw_hex": raw.hex()})}


def write_log(lines: Iterable[Mapping[Any, Any]], stream: TextIO) -> dict[int, str]:
    """Write lines as a log again, a header before the first of each format.

    Returns the uid of each line that has one, by quarantine_id.
    """
    from etl.reader.reread import stored_format

    uids: dict[int, str] = {}
    header: Format | None = None
    for line in lines:
        if line["raw"] is None:
            continue
        if (line_format := stored_format(line["format"])) != header:
            header = line_format
            stream.write(_header(line_format))
        stream.write(bytes(line["raw"]).decode("utf-8", "surrogateescape") + "\n")
        if uid := cells_of(line["raw"], line["format"]).get("uid"):
            uids[line["quarantine_id"]] = uid.replace("\0", "")
    return uids


def _header(line_format: Format) -> str:
    if line_format.kind == "json":
        return ""
    if csv := next((step for step in line_format.wrapping if step.startswith("csv:")), None):
        return csv.removeprefix("csv:").join(line_format.fields) + "\n"
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

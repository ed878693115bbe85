"""Open lines of quarantine: are their bytes those that their values were mapped from?

A line is kept twice: as the bytes of the log, from which a replay begins, and as the values that a rule refused. The
bytes are mapped again and compared with the values in all 25 columns.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from ipaddress import ip_address
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from etl.database.statements import execute
from etl.fields import FIELDS, MAPPING_VERSION, Field
from etl.loading.formats import StoredFormats
from etl.models import ReadOptions

CHUNK = 5_000
"""Lines that are compared at a time."""


def wrong_lines(connection: Connection, options: ReadOptions) -> Iterator[tuple[sa.Row[Any], str]]:
    """Lines whose bytes are others (etl_file_id, path, etl_line), each with what differs.

    Args:
        connection: in a transaction.
        options: of the reader, as for loading.
    """
    after, formats = 0, StoredFormats(connection)
    while lines := list(
        execute(connection, "verify.quarantined", after=after, most=CHUNK, version=MAPPING_VERSION)
    ):
        after = max(line.quarantine_id for line in lines)
        for (_, digest), group in itertools.groupby(lines, key=_file_and_format):
            yield from _compared(list(group), formats.get(digest) or {}, options)


def _file_and_format(line: sa.Row[Any]) -> tuple[int, bytes]:
    return line.etl_file_id, bytes(line.format_digest)


def _compared(
    lines: Sequence[sa.Row[Any]], line_format: Mapping[str, Any], options: ReadOptions
) -> Iterator[tuple[sa.Row[Any], str]]:
    from etl.reader.reread import read_again, stored_format

    numbered = [(line.etl_line, bytes(line.raw)) for line in lines]
    frame, faults = read_again(numbered, stored_format(line_format), options)
    now = {row["etl_line"]: row for row in frame.iter_rows(named=True)}
    reasons = {fault.line: fault.reason for fault in faults}
    for line in lines:
        if line.etl_line in reasons:
            yield line, f"they are no row: {reasons[line.etl_line]}"
        elif wrong := [f.standard for f in FIELDS if not _same(f, now[line.etl_line], line.mapped)]:
            yield line, f"they have another {', '.join(wrong)}"


def _same(field: Field, row: Mapping[str, Any], mapped: Mapping[str, Any]) -> bool:
    ours, stored = row[field.standard], mapped.get(field.standard)
    if ours is None or stored is None:
        return ours is None and stored is None
    match field.pg_type:
        case "timestamptz":
            return bool(ours == datetime.fromisoformat(stored))
        case "inet":
            return ip_address(ours) == ip_address(stored)
        case "double precision":
            return float(ours) == float(stored)
    return bool(ours == stored)

"""Lines in quarantine: which of them are meant, and what is at fault in each."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from difflib import get_close_matches
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from etl.database.statements import execute
from etl.errors import Misuse
from etl.fields import FIELDS
from etl.loading.formats import StoredFormats, beside

CHUNK = 50_000
"""Lines of one transaction."""
STATES = ("open", "replayed", "discarded", "closed")
SHOWN = 8
"""Choices that a message names."""
ZEEK_NAMES = {field.standard: field.zeek for field in FIELDS}


@dataclass(frozen=True, kw_only=True, slots=True)
class QuarantineFilter:
    """Which lines: all of these that are set have to fit."""

    ids: tuple[int, ...] | None = None
    path: str | None = None
    rule: str | None = None
    reason: str | None = None
    since: datetime | None = None
    until: datetime | None = None

    def parameters(self) -> dict[str, Any]:
        """For ``quarantine.choose``."""
        return {**asdict(self), "ids": None if self.ids is None else list(self.ids)}


@dataclass(frozen=True, kw_only=True, slots=True)
class Line:
    """One line as ``quarantine list`` shows it."""

    quarantine_id: int
    path: str
    etl_line: int
    rule: str
    reason: str
    field: str | None
    """The field at fault, by its name in the log; None where it is the whole line."""
    value: str | None
    state: str
    created_at: datetime


def listed(connection: Connection, wanted: QuarantineFilter, state: str | None, most: int) -> list[Line]:
    """The first lines that fit, in any state or in one.

    Raises:
        Misuse: there is no such state, rule or file in quarantine; the hint has those that there are.
    """
    with connection.begin():
        require_known(connection, wanted, state)
        given = {key: value for key, value in wanted.parameters().items() if key != "ids"}
        rows = execute(connection, "quarantine.list", **given, state=state, most=most).mappings().all()
        return [_line(row) for row in beside(rows, StoredFormats(connection))]


def _line(row: Mapping[str, Any]) -> Line:
    field, value = fault_of(row)
    names = ("quarantine_id", "path", "etl_line", "rule", "reason", "state", "created_at")
    return Line(**{name: row[name] for name in names}, field=field, value=value)


def fault_of(row: Mapping[Any, Any]) -> tuple[str | None, str | None]:
    """Field and value at fault: of the log where the line was rejected, of the mapped row where a rule refused it."""
    column = row["rule"].partition(".")[2]
    if row["field"] is None and row["mapped"] and column in row["mapped"]:
        value = row["mapped"][column]
        return ZEEK_NAMES.get(column, column), None if value is None else _as_text(value)
    if row["field"] is None:
        return None, None
    return row["field"], cells_of(row["raw"], row["format"]).get(row["field"])


def cells_of(raw: bytes | memoryview | None, line_format: Mapping[str, Any] | None) -> dict[str, str]:
    """Field → value as text, in the order of the line; empty where the line cannot be taken apart."""
    if raw is None or line_format is None:
        return {}
    text = _row_of(bytes(raw), line_format).decode("utf-8", "backslashreplace")
    if line_format["kind"] == "tsv":
        cells = text.split(line_format.get("separator") or "\t")
        return dict(zip(line_format.get("fields", ()), cells, strict=False))
    try:
        members = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return _flat(members) if isinstance(members, dict) else {}


def _row_of(raw: bytes, line_format: Mapping[str, Any]) -> bytes:
    """The row without what a shipper wrapped it in and without holes; the reader is asked only where something is."""
    if not line_format.get("wrapping") and b"\0" not in raw:
        return raw
    from etl.reader.reread import row_within, stored_format

    return row_within(raw, stored_format(line_format))


def _flat(members: Mapping[str, Any]) -> dict[str, str]:
    cells: dict[str, str] = {}
    for name, value in members.items():
        inner = value.items() if isinstance(value, dict) else ()
        cells |= {f"{name}.{key}": _as_text(one) for key, one in inner} or {name: _as_text(value)}
    return cells


def _as_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def shown(connection: Connection, quarantine_id: int) -> dict[str, Any]:
    """All that is kept of one line (columns of ``quarantine.show``), its cells, its fault, and what was done about it.

    Raises:
        Misuse: there is no such line.
    """
    with connection.begin():
        row = execute(connection, "quarantine.show", id=quarantine_id).mappings().one_or_none()
        actions = execute(connection, "quarantine.actions", id=quarantine_id).mappings()
        done = [dict(action) for action in actions]
    if row is None:
        raise Misuse(f"there is no line {quarantine_id} in quarantine", hint="see `conn-etl quarantine list`")
    field, value = fault_of(row)
    return {
        **row,
        "raw": None if row["raw"] is None else bytes(row["raw"]),
        "field": field,
        "value": value,
        "cells": cells_of(row["raw"], row["format"]),
        "actions": done,
    }


def choose(connection: Connection, wanted: QuarantineFilter) -> list[sa.Row[Any]]:
    """The chosen open lines: quarantine_id and obstacle (None where it can be replayed), by file and line.

    Raises:
        Misuse: there is no such rule or file in quarantine.
    """
    with connection.begin():
        require_known(connection, wanted, None)
        return list(execute(connection, "quarantine.choose", **wanted.parameters()))


def chosen(connection: Connection, wanted: QuarantineFilter) -> list[sa.Row[Any]]:
    """The same, for something that is to be done about them.

    Raises:
        Misuse: no open line fits.
    """
    if not (lines := choose(connection, wanted)):
        raise Misuse("no open line in quarantine fits", hint="see `conn-etl quarantine list --state open`")
    return lines


def require_known(connection: Connection, wanted: QuarantineFilter, state: str | None) -> None:
    """Refuse what no line in quarantine has, so that a typing error does not look like an empty quarantine.

    Raises:
        Misuse: with the choices.
    """
    if state is not None and state not in STATES:
        raise Misuse(f"there is no state {state!r}", hint=f"choose one of {', '.join(STATES)}")
    for what, value, name in (
        ("rule", wanted.rule, "quarantine.rules"),
        ("file", wanted.path, "quarantine.paths"),
    ):
        if value is None:
            continue
        there = [row.name for row in execute(connection, name)]
        if value not in there:
            raise Misuse(f"no line in quarantine has the {what} {value!r}", hint=_choices(value, there))


def _choices(value: str, there: Sequence[str]) -> str:
    if not there:
        return "the quarantine is empty"
    close = get_close_matches(value, there, SHOWN) or there[:SHOWN]
    more = f" and {len(there) - len(close):,} others" if len(there) > len(close) else ""
    return f"there are {', '.join(close)}{more}"


def in_chunks(ids: Sequence[int]) -> Iterator[list[int]]:
    """At most ``CHUNK`` of them at a time."""
    items = iter(ids)
    while chunk := list(itertools.islice(items, CHUNK)):
        yield chunk

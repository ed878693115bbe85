"""Ask one question: one SELECT, as the reader, in a read-only transaction, with a time bound whose ends are literals.

A bound that is not known while the statement is planned (``now()``, a value from another table) opens every daily
partition, and locks it with its indexes. So bounds are sent as literals, and a plan that would read days of
``zeek.conn`` without a condition on ``"@timestamp"`` (or on one uid) is refused before it runs.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from etl.database.reader import time_limit
from etl.database.statements import execute
from etl.errors import Misuse
from etl.query.cookbook import Question
from etl.query.one_select import require_one_select

CHUNK = 5_000
"""Rows fetched at a time."""

_NOT_A_READERS = ("25006", "42501")
"""SQLSTATE of a statement that writes, and of one without the right to do what it does."""
_LEAF = re.compile(r"conn_\d{8}")
_CONDITIONS = ("Index Cond", "Filter", "Recheck Cond")
_BOUNDED = re.compile(r'"@timestamp"|event_uid = ')


@dataclass(frozen=True, kw_only=True, slots=True)
class Span:
    """What of ``"@timestamp"`` is asked for: from ``since`` on, before ``until``."""

    since: datetime
    until: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """Columns with the OIDs of their types, and rows that stream while the transaction is open."""

    columns: tuple[str, ...]
    types: tuple[int, ...]
    rows: Iterator[Sequence[Any]]


@contextmanager
def reading(connection: Connection, timeout: timedelta) -> Iterator[Connection]:
    """A read-only transaction as conn_reader: all questions in it, with their answers, end after ``timeout``.

    Raises:
        Busy: the time is over.
        Misuse: a question does what only a writer may.
    """
    with time_limit(connection, timeout.total_seconds()), connection.begin():
        execute(connection, "session.read_only")
        execute(connection, "session.act_as_reader")
        try:
            yield connection
        except sa.exc.DBAPIError as error:
            if getattr(error.orig, "pgcode", None) not in _NOT_A_READERS:
                raise
            said = str(error.orig).partition("\n")[0]
            raise Misuse(said, hint="a question may read the schemas zeek and etl, and no more") from error


def span(
    connection: Connection,
    question: Question | None,
    since: datetime | None,
    until: datetime | None,
    *,
    everything: bool,
) -> Span | None:
    """The span to ask for; what is not given comes from the ledger where that is allowed. None: SQL without bounds.

    Raises:
        Misuse: a time bound is needed and not there.
    """
    if since is not None:
        return Span(since=since, until=until or datetime.now(UTC))
    if not everything and (question is None or question.bound == "time"):
        if question is None and until is None:
            return None
        raise Misuse(
            "a time bound is missing",
            hint="give --since (and --until), or --all for everything that is loaded",
        )
    row = execute(connection, "asking.loaded").one()
    first, last = row.first or datetime(1990, 1, 1, tzinfo=UTC), row.last or datetime(1990, 1, 1, tzinfo=UTC)
    return Span(since=first, until=until or last + timedelta(microseconds=1))


def due_hours(connection: Connection, values: Mapping[str, Any]) -> int:
    """Hours of the span whose rollups are not up to date."""
    return int(execute(connection, "asking.due", since=values["since"], until=values["until"]).scalar_one())


def bind(sql: str, names: Sequence[str]) -> sa.TextClause:
    """SQL whose ``:name`` are these parameters and whose other colons are only colons."""
    known = "|".join(map(re.escape, names)) or "(?!)"
    return sa.text(re.sub(rf"(?<!:):(?!:)(?!(?:{known})\b)", r"\\:", sql))


def rendered(connection: Connection, sql: str, values: Mapping[str, Any]) -> str:
    """The text that the server gets, with the values in it.

    Raises:
        Misuse: it is not one SELECT. What is checked is what is sent: a value can end a literal that it stands in.
    """
    text = sql
    if values:
        compiled = bind(sql, list(values)).compile(dialect=connection.dialect)
        driver: Any = connection.connection.driver_connection
        with driver.cursor() as cursor:
            text = cursor.mogrify(str(compiled), {**compiled.params, **values}).decode()
    require_one_select(text)
    return text


def unbounded(connection: Connection, sql: str, values: Mapping[str, Any]) -> list[str]:
    """Days of ``zeek.conn`` that the statement would read with neither a bound on time nor one uid.

    Raises:
        Misuse: it is not one SELECT.
    """
    text = f"EXPLAIN (FORMAT JSON)\n{rendered(connection, sql, values)}"
    plan = connection.exec_driver_sql(text, execution_options={"no_parameters": True}).scalar_one()
    (root,) = plan if isinstance(plan, list) else json.loads(plan)
    return sorted({leaf for leaf, bounded in leaves(root["Plan"]) if not bounded})


def leaves(node: Mapping[str, Any]) -> Iterator[tuple[str, bool]]:
    """The daily partitions that a plan reads, and whether with a bound."""
    children: list[Mapping[str, Any]] = node.get("Plans", [])
    if _LEAF.fullmatch(str(node.get("Relation Name", ""))):
        yield node["Relation Name"], any(_BOUNDED.search(text) for text in _conditions(node))
    for child in children:
        yield from leaves(child)


def _conditions(node: Mapping[str, Any]) -> Iterator[str]:
    """All conditions on a scan, those of its bitmaps too."""
    yield from (str(node[key]) for key in _CONDITIONS if key in node)
    for child in node.get("Plans", []):
        if child["Node Type"].startswith("Bitmap"):
            yield from _conditions(child)


def ask(connection: Connection, sql: str, values: Mapping[str, Any]) -> Answer:
    """Run it and stream the answer: rows can be taken while the transaction is open.

    Raises:
        Misuse: it is not one SELECT.
    """
    options = {"no_parameters": True, "stream_results": True, "yield_per": CHUNK}
    result = connection.exec_driver_sql(rendered(connection, sql, values), execution_options=options)
    described: Any = result.cursor.description
    return Answer(
        columns=tuple(result.keys()),
        types=tuple(column[1] for column in described),
        rows=(tuple(row) for row in result),
    )

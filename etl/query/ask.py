"""Ask one question: one SELECT, as the reader, in a read-only transaction, with a time bound whose ends are literals.

A bound that is not known while the statement is planned (``now()``, a value from another table) opens every daily
partition, and locks it with its indexes. So bounds are sent as literals, and a plan that would read days of
``zeek.conn`` without a condition on ``"@timestamp"`` (or on one uid) is refused before it runs.
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

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
_LEAF = re.compile(r"(conn_\d{8})(_\d+)?")
"""A daily partition, or one of its shards on Citus."""
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
        execute(connection, "session.roomy")
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
        until = until or datetime.now(UTC)
        if since >= until:
            raise Misuse(
                f"--since {since} is not before {until}", hint="give an earlier --since, or a later --until"
            )
        return Span(since=since, until=until)
    if not everything and (question is None or question.bound == "time"):
        if question is None and until is None:
            return None
        raise Misuse(
            "a time bound is missing",
            hint="give --since (and --until), or --all for everything that is loaded",
        )
    name = "asking.loaded_hours" if question is not None and question.bound == "rollup" else "asking.loaded"
    row = execute(connection, name).one()
    first, last = row.first or datetime(1990, 1, 1, tzinfo=UTC), row.last or datetime(1990, 1, 1, tzinfo=UTC)
    return Span(since=first, until=until or last + timedelta(microseconds=1))


def named(connection: Connection, question: Question) -> str:
    """Its SQL, with a column of names for each address where networks have been imported."""
    if not question.names or not execute(connection, "asking.has_names").scalar_one():
        return question.sql
    columns = "".join(
        f", zeek.network_of(answer.{name}, NULL, :until) AS {name}_name" for name in question.names
    )
    return f"SELECT answer.*{columns}\nFROM (\n{question.sql}\n) AS answer"


def notes(connection: Connection, question: Question, values: Mapping[str, Any], *, empty: bool) -> list[str]:
    """What a reader has to know beside the lines: that rows are missing to compare with, or to answer from."""
    rollup = question.bound == "rollup"
    found: list[str] = []
    if question.compares:
        begin, end = (values[name] for name in question.compares)
        first = first_of(connection, "hour" if rollup else "destination", begin, end)
        if first is None:
            found.append(f"no rows are loaded from {begin} to {end}: there is nothing to compare with")
        elif first - begin >= timedelta(days=1):
            found.append(f"the rows to compare with begin at {first}, not at {begin}")
    since, until = values["since"], values["until"]
    # rollups outlive the rows of dropped days
    dropped = (
        0 if rollup else execute(connection, "asking.dropped_days", since=since, until=until).scalar_one()
    )
    if dropped:
        days = "a day" if dropped == 1 else f"{dropped:,} days"
        found.append(f"retention dropped {days} of this span: their rows are not in the answer")
    elif empty and first_of(connection, "hour" if rollup else "row", since, until) is None:
        found.append(_loaded(connection, values))
    return found


def first_of(
    connection: Connection, what: Literal["row", "hour", "destination"], since: datetime, until: datetime
) -> datetime | None:
    """The first row of a span, or what a rollup has from before it was dropped; None where there is none."""
    first: datetime | None = execute(
        connection, f"asking.first_{what}", since=since, until=until
    ).scalar_one()
    return first


def _loaded(connection: Connection, values: Mapping[str, Any]) -> str:
    row = execute(connection, "asking.loaded").one()
    has = f"loaded rows are from {row.first} to {row.last}" if row.first else "nothing is loaded yet"
    return f"no rows are loaded from {values['since']} to {values['until']}: {has}"


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
    return sorted({leaf for leaf, bounded in leaves(root) if not bounded})


def leaves(node: Any) -> Iterator[tuple[str, bool]]:
    """The daily partitions that a plan reads, and whether with a bound.

    Wherever they stand in it: Citus has plans inside a plan (Distributed Query, Job, Tasks, Remote Plan; Subplans).
    """
    if isinstance(node, dict):
        if leaf := _LEAF.fullmatch(str(node.get("Relation Name", ""))):
            yield leaf[1], any(_BOUNDED.search(text) for text in _conditions(node))
        node = list(node.values())
    if isinstance(node, list):
        for child in node:
            yield from leaves(child)


def _conditions(node: Mapping[str, Any]) -> Iterator[str]:
    """All conditions on a scan, those of its bitmaps too."""
    yield from (str(node[key]) for key in _CONDITIONS if key in node)
    for child in node.get("Plans", []):
        if child["Node Type"].startswith("Bitmap"):
            yield from _conditions(child)


def peeked(answer: Answer) -> tuple[Answer, bool]:
    """The answer, whose first row has been fetched, and whether it is empty."""
    first = next(answer.rows, None)
    rows = answer.rows if first is None else itertools.chain([first], answer.rows)
    return Answer(columns=answer.columns, types=answer.types, rows=rows), first is None


def ask(connection: Connection, sql: str, values: Mapping[str, Any], *, lines: int | None = None) -> Answer:
    """Run it and stream the answer: rows can be taken while the transaction is open.

    An answer of few ``lines`` is fetched at once, for which PostgreSQL may use several processors; rows that stream
    come from a cursor, for which it uses one.

    Raises:
        Misuse: it is not one SELECT.
    """
    streamed = lines is None or lines > CHUNK
    options = {"no_parameters": True} | ({"stream_results": True, "yield_per": CHUNK} if streamed else {})
    if streamed:
        execute(connection, "session.whole_cursors")
    result = connection.exec_driver_sql(rendered(connection, sql, values), execution_options=options)
    described: Any = result.cursor.description
    return Answer(
        columns=tuple(result.keys()),
        types=tuple(column[1] for column in described),
        rows=(tuple(row) for row in result),
    )

"""SQL by name: all of its text lives in ``sql/``, none of it in Python.

``statement("ledger.register")`` is the part of ``sql/statements/ledger.sql`` under the line ``-- name: register``.
Parameters are written ``:name``. A parameter cannot be the name of a relation: a statement that acts on a relation
whose name is made (a day's partition, a batch's staging) has a word in its place, and ``statement_on`` puts the name
in.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping
from enum import StrEnum
from functools import cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql.psycopg2 import PGDialect_psycopg2
from sqlalchemy.engine import Connection

from etl.resources import resource_dir

STREAMED = 1_000
"""Rows that are in memory at a time, of a statement that is streamed."""
COPY_BYTES = 1 << 20
"""Sent at a time: the driver's own 8 KiB take Python's lock from the reading thread thousands of times a second."""


def statement(name: str) -> sa.TextClause:
    """The named SQL, ``file.part``."""
    file, _, part = name.partition(".")
    return _statements(file)[part]


def statement_on(name: str, relations: Mapping[str, str]) -> sa.TextClause:
    """The named SQL with names of relations in the place of words, which stand in its text.

    The names are ours, or quoted by the server: nothing from a log is ever one.
    """
    text = statement(name).text
    for word, relation in relations.items():
        text = text.replace(word, relation)
    return sa.text(text)


def execute(connection: Connection, name: str, /, **parameters: Any) -> sa.CursorResult[Any]:
    """Run one named statement."""
    return connection.execute(statement(name), parameters)


def stream(connection: Connection, name: str, /, **parameters: Any) -> sa.CursorResult[Any]:
    """Run one named statement whose rows are read as they are needed, inside a transaction: there may be millions."""
    return connection.execute(statement(name), parameters, execution_options={"yield_per": STREAMED})


def execute_on(
    connection: Connection, name: str, relations: Mapping[str, str], /, **parameters: Any
) -> sa.CursorResult[Any]:
    """Run one named statement on relations: see ``statement_on``.

    SQLAlchemy does not keep its form: a batch's names never come again, and hundreds would be kept.
    """
    return connection.execute(
        statement_on(name, relations), parameters, execution_options={"compiled_cache": None}
    )


@cache
def compiled(name: str) -> str:
    """The named SQL as the driver takes it, for the few places without an SQLAlchemy connection."""
    dialect: Any = PGDialect_psycopg2
    return str(statement(name).compile(dialect=dialect()))


@cache
def _statements(file: str) -> Mapping[str, sa.TextClause]:
    text = (resource_dir("sql") / "statements" / f"{file}.sql").read_text(encoding="utf-8")
    parts = re.split(r"^-- name: (\w+)$", text, flags=re.MULTILINE)
    return {name: sa.text(_alone(body)) for name, body in zip(parts[1::2], parts[2::2], strict=True)}


def _alone(body: str) -> str:
    """A statement without the lines that describe it: some readers of SQL want its verb first."""
    lines = itertools.dropwhile(lambda line: line.startswith("--"), body.strip().splitlines())
    return "\n".join(lines).rstrip(";")


class CopyFormat(StrEnum):
    """A form of rows that COPY takes; NULL is the empty cell, in CSV without quotes."""

    CSV = "FORMAT csv"
    TEXT = "FORMAT text, NULL ''"


def copy_in(
    connection: Connection,
    table: str,
    columns: tuple[str, ...],
    data: bytes,
    form: CopyFormat = CopyFormat.CSV,
) -> int:
    """COPY one piece of rows into a table and return the rows taken.

    ``table`` is a name of ours, never one from a log.
    """
    from io import BytesIO

    from psycopg2 import sql

    command = sql.SQL("COPY {} ({}) FROM STDIN ({})").format(
        sql.Identifier(*table.split(".")),
        sql.SQL(", ").join(map(sql.Identifier, columns)),
        sql.SQL(form.value),
    )
    driver = connection.connection.driver_connection
    assert driver is not None
    try:
        with driver.cursor() as cursor:
            cursor.copy_expert(command, BytesIO(data), COPY_BYTES)
            return int(cursor.rowcount)
    except driver.Error as error:
        raise sa.exc.DBAPIError(None, None, error) from error

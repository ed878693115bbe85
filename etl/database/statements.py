"""SQL by name: all of its text lives in ``sql/``, none of it in Python.

``statement("ledger.register")`` is the part of ``sql/statements/ledger.sql`` under the line ``-- name: register``.
Parameters are written ``:name``. What loads is written for ``zeek.conn`` and serves the table of any log: its name
is put in, and the columns behind ``key_of(rows)`` and ``same_values(rows, others)``, which look like functions so that
the files stay SQL.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache

import sqlalchemy as sa

from etl.fields import CONN, Field, Log
from etl.resources import resource_dir


def statement(name: str, log: Log = CONN) -> sa.TextClause:
    """The named SQL, ``file.part``, for the table of a log."""
    file, _, part = name.partition(".")
    return _statements(file, log)[part]


@cache
def _statements(file: str, log: Log) -> Mapping[str, sa.TextClause]:
    text = _for(log, (resource_dir("sql") / "statements" / f"{file}.sql").read_text(encoding="utf-8"))
    parts = re.split(r"^-- name: (\w+)$", text, flags=re.MULTILINE)
    return {
        name: sa.text(body.strip().rstrip(";")) for name, body in zip(parts[1::2], parts[2::2], strict=True)
    }


def _for(log: Log, text: str) -> str:
    text = re.sub(r"zeek\.conn(?!_[a-z])", f"zeek.{log.name}", text)  # its days too, but not conn_hour
    text = re.sub(r"key_of\((\w+)\)", lambda found: _key(log, found[1]), text)
    return re.sub(r"same_values\((\w+), (\w+)\)", lambda found: _same(log, found[1], found[2]), text)


def _key(log: Log, rows: str) -> str:
    return ", ".join(f'{rows}."{field.standard}"' for field in log.fields if field.key)


def _same(log: Log, rows: str, others: str) -> str:
    return " AND ".join(_equal(field, rows, others) for field in log.fields if not field.key)


def _equal(field: Field, rows: str, others: str) -> str:
    """TSV rounds a duration to six decimals, JSON does not: both are within 0.0000006 of each other."""
    one, other = f'{rows}."{field.standard}"', f'{others}."{field.standard}"'
    if field.pg_type != "double precision":
        return f"{one} IS NOT DISTINCT FROM {other}"
    return f"({one} IS NULL) = ({other} IS NULL) AND coalesce(abs({one} - {other}) < 0.0000006, true)"

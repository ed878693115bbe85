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
from functools import cache

import sqlalchemy as sa

from etl.resources import resource_dir


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


@cache
def _statements(file: str) -> Mapping[str, sa.TextClause]:
    text = (resource_dir("sql") / "statements" / f"{file}.sql").read_text(encoding="utf-8")
    parts = re.split(r"^-- name: (\w+)$", text, flags=re.MULTILINE)
    return {name: sa.text(_alone(body)) for name, body in zip(parts[1::2], parts[2::2], strict=True)}


def _alone(body: str) -> str:
    """A statement without the lines that describe it: some readers of SQL want its verb first."""
    lines = itertools.dropwhile(lambda line: line.startswith("--"), body.strip().splitlines())
    return "\n".join(lines).rstrip(";")

"""Great Expectations' statements in a form that PostgreSQL runs faster; they say the same.

Great Expectations builds its statements with SQLAlchemy, whose dialects decide how one is written. The engines of
the gate have a compiler that writes two things differently:

- ``sum(CASE WHEN … THEN 1 ELSE 0 END)``, one for each rule, as ``count(*) FILTER (WHERE …)``;
- a bound such as ``0.0``, which pydantic made of the suite's ``0``, as ``0``: a bigint beside ``0.0`` is compared as
  numeric.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql.base import PGCompiler
from sqlalchemy.engine import Engine

EXACT = 2**53
"""Up to here a double has every whole number."""
ENGINE_OPTIONS = {"query_cache_size": 0}
"""Without the cache a statement is compiled with the values that it is run with, so that these may be replaced."""


def write_cheaply(engine: Engine) -> None:
    """Let all statements of this engine be written so; it is made with ``ENGINE_OPTIONS``."""
    engine.dialect.statement_compiler = GateCompiler


class GateCompiler(PGCompiler):
    """Writes what is described above; all else as always."""

    def visit_sum_func(self, func: sa.Function[Any], **kw: Any) -> str:
        """A sum of ones is a count."""
        (summed,) = func.clauses
        if isinstance(summed, sa.Case) and (condition := _counted(summed)) is not None:
            return f"count(*) FILTER (WHERE {self.process(condition, **kw)})"
        return f"sum{self.function_argspec(func, **kw)}"

    def visit_bindparam(self, bindparam: sa.BindParameter[Any], *args: Any, **kw: Any) -> str:
        """A whole number is sent as one."""
        if (whole := _whole(bindparam.value)) is not None:
            bindparam = sa.literal(whole)
        return str(super().visit_bindparam(bindparam, *args, **kw))  # type: ignore[no-untyped-call]


def _counted(case: sa.Case[Any]) -> Any:
    """The condition of ``CASE WHEN condition THEN 1 ELSE 0 END``; None for any other CASE."""
    if case.value is not None or len(case.whens) != 1:
        return None
    condition, then = case.whens[0]
    return condition if (_value(then), _value(case.else_)) == (1, 0) else None


def _value(element: Any) -> Any:
    return getattr(element, "value", None)


def _whole(value: Any) -> int | None:
    """The whole number that a float stands for; None for any other value."""
    is_whole = isinstance(value, float) and value.is_integer() and abs(value) <= EXACT
    return int(value) if is_whole else None

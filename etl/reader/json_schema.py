"""The schema of a JSON log, inferred from a sample of its lines: which key feeds which field, and of what type."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import polars as pl

from etl.errors import TooLarge
from etl.fields import BY_ZEEK, Field
from etl.mapping.bounds import FILE_KEYS
from etl.mapping.names import STREAM_COLUMNS, Names
from etl.reader import json_exact

_MOST_COLUMNS = 300
LISTS = (pl.List(pl.String), pl.List(pl.Int64))
_FIELD_TYPES: dict[str, Any] = {
    "date_time": pl.Float64,
    "integer": pl.Int64,
    "float": pl.Float64,
    "boolean": pl.Boolean,
    "ip": pl.String,
    "string": pl.String,
}
_FURTHER_TYPES: dict[type, Any] = {bool: pl.Boolean, int: pl.Int64, float: pl.Float64, str: pl.String}
JSON_TYPES: dict[Any, str] = {
    pl.Boolean: "boolean", pl.Int64: "number", pl.Float64: "number", pl.String: "string",
}  # fmt: skip
_decode = msgspec.json.Decoder().decode

Path = tuple[str, ...]
"""Keys from the outermost object to a value."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Column:
    """One key of the log, or a member of a nested object whose members are columns."""

    path: Path
    field: str | None
    """Zeek's name of the field that it feeds; None for one beyond the dictionary."""
    dtype: Any

    @property
    def name(self) -> str:
        """The dotted form."""
        return ".".join(self.path)

    @property
    def expr(self) -> pl.Expr:
        """The values, in a frame that polars parsed by the schema."""
        return member(self.path)


def member(path: Path) -> pl.Expr:
    """Return the expression of a value, or of a nested object."""
    expr = pl.col(path[0])
    for key in path[1:]:
        expr = expr.struct.field(key)
    return expr


def objects(lines: Sequence[bytes]) -> list[dict[str, Any]]:
    """Return those lines that are JSON objects, decoded."""
    found = []
    for line in lines:
        try:
            members = _decode(line)
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
            continue
        if isinstance(members, dict):
            found.append(members)
    return found


def infer(sample: Sequence[dict[str, Any]], names: Names) -> list[Column]:
    """Return the columns. A key with values of several types, or of one that polars cannot keep, is left out.

    Raises:
        TooLarge: the sample has more different keys than any log.
    """
    values: dict[Path, list[Any]] = {}
    for members in sample:
        for path, value in _leaves(members, names.roots):
            values.setdefault(path, []).append(value)
    require_few(values)
    by_name: dict[str, list[Path]] = {}
    for path in values:
        by_name.setdefault(".".join(path), []).append(path)
    nodes = {path[:depth] for path in values for depth in range(1, len(path))}
    fields = names.resolve(by_name)
    columns: list[Column] = []
    for path, seen in values.items():
        name = ".".join(path)
        field = fields.get(name)
        contested = field is None and names.find(name)[0] is not None
        if contested or len(by_name[name]) > 1 or path in nodes or json_exact.unstorable(name):
            continue
        dtype = _field_type(BY_ZEEK[field], seen) if field else _further_type(path, seen)
        if dtype is not None and len(columns) < _MOST_COLUMNS:
            columns.append(Column(path=path, field=field, dtype=dtype))
    return columns


def require_few(keys: Collection[object]) -> None:
    """Raise TooLarge where a file has more different keys than any log."""
    if len(keys) > FILE_KEYS:
        raise TooLarge(
            f"more than {FILE_KEYS:,} different keys",
            hint="no log has; keep what varies in one nested object",
        )


def polars_schema(columns: Sequence[Column]) -> dict[str, Any]:
    """Return what polars parses the lines by, nested objects as structs."""
    tree: dict[str, Any] = {}
    for column in columns:
        node = tree
        for key in column.path[:-1]:
            node = node.setdefault(key, {})
        node[column.path[-1]] = column.dtype
    return {key: _as_struct(node) for key, node in tree.items()}


def nested_objects(columns: Sequence[Column]) -> list[Path]:
    """Return the paths of the nested objects."""
    return list(dict.fromkeys(c.path[:depth] for c in columns for depth in range(1, len(c.path))))


def _as_struct(node: Any) -> Any:
    return (
        pl.Struct({key: _as_struct(inner) for key, inner in node.items()}) if isinstance(node, dict) else node
    )


def _leaves(members: dict[str, Any], roots: Collection[str]) -> Iterator[tuple[Path, Any]]:
    for key, value in members.items():
        if key in roots and isinstance(value, dict):
            yield from _inner_leaves((key,), value)
        else:
            yield (key,), value


def _inner_leaves(path: Path, members: dict[str, Any]) -> Iterator[tuple[Path, Any]]:
    for key, value in members.items():
        if isinstance(value, dict) and len(path) < json_exact.DEPTH:
            yield from _inner_leaves((*path, key), value)
        else:
            yield (*path, key), value


def _field_type(field: Field, seen: Sequence[Any]) -> Any:
    """The form that most values have: a field may come as text, whatever its type."""
    text = sum(isinstance(value, str) for value in seen) * 2 > sum(value is not None for value in seen)
    if text:
        return pl.String
    return pl.List(pl.String) if field.is_set else _FIELD_TYPES[field.standard_type]


def _further_type(path: Path, seen: Sequence[Any]) -> Any:
    """A type that keeps all values exactly; None where there is none."""
    filled = [value for value in seen if value is not None]
    kinds = {type(value) for value in filled}
    if path[0] in STREAM_COLUMNS:
        return pl.String if kinds <= {str} else None
    if kinds == {list}:
        elements = {type(element) for value in filled for element in value}
        return pl.List(pl.String) if elements <= {str} else pl.List(pl.Int64) if elements == {int} else None
    if kinds == {float} and len(path) > 1:
        return None  # their digits are found again by the key, which nested objects may share
    return _FURTHER_TYPES.get(kinds.pop()) if len(kinds) == 1 else None

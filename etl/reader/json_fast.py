"""How to parse the lines of a JSON log fast: which key is which field, of what type, learnt from a sample."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
import polars as pl

from etl.fields import BY_ZEEK, LOG, Field
from etl.mapping.names import LOG_COLUMN, Names
from etl.reader import extra, json_exact
from etl.reader.compression import TAKEN_FOR_PACKED
from etl.reader.lines import Lines, Mask, Said, agree, agreeing

_MOST_COLUMNS = 300
_FEW = 4
_EXACT = float(1 << 53)
"""Whole numbers from here on do not all fit a double."""
_PARENTS = "tunnel_parents"
_LISTS = (pl.List(pl.String), pl.List(pl.Int64))
_FIELD_TYPES: dict[str, Any] = {
    "integer": pl.Int64,
    "float": pl.Float64,
    "ip": pl.String,
    "string": pl.String,
}
_FURTHER_TYPES: dict[type, Any] = {bool: pl.Boolean, int: pl.Int64, float: pl.Float64, str: pl.String}
_JSON_TYPES: dict[Any, str] = {
    pl.Boolean: "boolean", pl.Int64: "number", pl.Float64: "number", pl.String: "string",
}  # fmt: skip
_decode = msgspec.json.Decoder().decode
_check = msgspec.json.Decoder(msgspec.Raw).decode


@dataclass(frozen=True, kw_only=True, slots=True)
class _Column:
    key: str
    inner: str | None = None
    """Set for a member of the nested ``id``."""
    field: str | None
    dtype: Any

    @property
    def name(self) -> str:
        return self.key if self.inner is None else f"{self.key}.{self.inner}"

    @property
    def expr(self) -> pl.Expr:
        column = pl.col(self.key)
        return column if self.inner is None else column.struct.field(self.inner)


@dataclass(frozen=True, kw_only=True, slots=True)
class Raw:
    """What one plan made of some lines."""

    frame: pl.DataFrame
    other_log: list[int]
    """Lines that name another log."""
    extra: dict[str, str]


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


def learnt(sample: Sequence[dict[str, Any]], names: Names) -> Plan:
    """Learn a plan. A key whose values have several types, or a type that polars cannot keep, stays out of it."""
    values: dict[tuple[str, str | None], list[Any]] = {}
    for members in sample:
        for key, value in members.items():
            if key == "id" and isinstance(value, dict):
                for inner, nested in value.items():
                    values.setdefault((key, inner), []).append(nested)
            else:
                values.setdefault((key, None), []).append(value)
    nested = any(inner is not None for _, inner in values)
    fields = names.resolve(key if inner is None else f"{key}.{inner}" for key, inner in values)
    columns: list[_Column] = []
    for (key, inner), seen in values.items():
        name = key if inner is None else f"{key}.{inner}"
        field = fields.get(name)
        contested = field is None and names.find(name)[0] is not None
        spelt_twice = inner is not None and (name, None) in values
        if (
            contested
            or spelt_twice
            or (nested and key == "id" and inner is None)
            or json_exact.unstorable(name)
        ):
            continue
        dtype = _field_type(BY_ZEEK[field], seen) if field else _further_type(name, seen)
        if dtype is not None and len(columns) < _MOST_COLUMNS:
            columns.append(_Column(key=key, inner=inner, field=field, dtype=dtype))
    return Plan(columns)


def _field_type(field: Field, seen: Sequence[Any]) -> Any:
    """The form that most values have, where a field comes in several."""
    text = sum(isinstance(value, str) for value in seen) * 2 > sum(value is not None for value in seen)
    if field.zeek == _PARENTS:
        return pl.String if text else pl.List(pl.String)
    if field.standard_type == "date_time":
        return pl.String if text else pl.Float64
    if field.standard_type == "boolean":
        return pl.String if text else pl.Boolean
    return _FIELD_TYPES[field.standard_type]


def _further_type(name: str, seen: Sequence[Any]) -> Any:
    """A type that keeps all values exactly; None where there is none."""
    if name == LOG_COLUMN:
        return pl.String
    filled = [value for value in seen if value is not None]
    kinds = {type(value) for value in filled}
    if kinds == {list}:
        elements = {type(element) for value in filled for element in value}
        return pl.List(pl.String) if elements <= {str} else pl.List(pl.Int64) if elements == {int} else None
    return _FURTHER_TYPES.get(kinds.pop()) if len(kinds) == 1 else None


class Plan:
    """Reads lines of one shape."""

    def __init__(self, columns: Sequence[_Column]) -> None:
        """Without columns every line is doubtful."""
        self._schema: dict[str, Any] = {c.key: c.dtype for c in columns if c.inner is None}
        if nested := {c.inner: c.dtype for c in columns if c.inner is not None}:
            self._schema["id"] = pl.Struct(nested)
        self._fields = [c for c in columns if c.field]
        self._further = [c for c in columns if not c.field and c.name != LOG_COLUMN]
        self._counted = _counted(columns)
        self._tests = [
            c.expr.list.eval(pl.element().is_null()).list.any() for c in columns if c.dtype in _LISTS
        ]
        self._tests += [c.expr.abs() >= _EXACT for c in self._further if c.dtype == pl.Float64]
        self._screens = 0
        """How much screening the last block needed before it could be parsed at all."""

    def read(self, lines: Lines) -> tuple[Raw, Lines]:
        """Return the rows that are certain, and the lines that have to be looked at again (blank ones among them)."""
        if not self._schema:
            return self._raw(self._none(), lines.numbers[:0]), lines
        frame, certain = self._parsed(lines)
        kept = lines.kept(certain)
        fits = self._fitting(frame, kept)
        if not fits.all():
            frame = frame.filter(pl.Series(fits))
            certain[np.flatnonzero(certain)[~fits]] = False
        return self._raw(frame, kept.numbers[fits]), lines.kept(~certain)

    # --- syntax -----------------------------------------------------------------------------------------------

    def _parsed(self, lines: Lines) -> tuple[pl.DataFrame, Mask]:
        """Parse what can be parsed; the mask says which lines that is."""
        mask = np.ones(len(lines), np.bool_)
        kept = lines
        for screens in range(self._screens, 3):
            if screens:
                mask &= lines.look_like_objects()
            if screens > 1:
                mask[mask] = lines.kept(mask).where(_is_json)
            kept = lines.kept(mask)
            if (frame := self._lenient(kept)) is not None:
                self._screens = screens
                return frame, mask
        bad = self._search(kept, 0, len(kept))
        mask[np.flatnonzero(mask)[bad]] = False
        frame = self._lenient(lines.kept(mask))
        return (frame, mask) if frame is not None else (self._none(), np.zeros(len(lines), np.bool_))

    def _lenient(self, lines: Lines) -> pl.DataFrame | None:
        if not len(lines):
            return self._none()
        if lines.data.startswith(TAKEN_FOR_PACKED):
            return None
        try:
            frame = pl.read_ndjson(lines.data, schema=self._schema, ignore_errors=True)
        except pl.exceptions.PolarsError:
            return None
        # polars leaves a chunk for each thousand rows or so, which all that comes after would pay for
        return frame.rechunk() if frame.height == len(lines) else None

    def _none(self) -> pl.DataFrame:
        return pl.DataFrame(schema=self._schema)

    def _search(self, lines: Lines, start: int, stop: int) -> list[int]:
        """Find by halves the lines that polars alone refuses (nested very deep, numbers beyond a double)."""
        mask = np.zeros(len(lines), np.bool_)
        mask[start:stop] = True
        if self._lenient(lines.kept(mask)) is not None:
            return []
        if stop - start <= _FEW:
            return list(range(start, stop))
        middle = (start + stop) // 2
        return self._search(lines, start, middle) + self._search(lines, middle, stop)

    # --- what the lenient parser passed over ------------------------------------------------------------------

    def _fitting(self, frame: pl.DataFrame, lines: Lines) -> Mask:
        """Which rows hold all that their lines say, no more and no less."""
        if not len(lines):
            return np.ones(0, np.bool_)
        sums = frame.select(
            _sum(name, [expr.sum() for expr in exprs]) for name, exprs in self._counted.items()
        )
        cells, strings, lists, nested = sums.row(0)
        doubtful = self._doubtful(frame)
        said = Said(cells=cells, strings=strings, lists=lists, objects=nested + len(lines))
        if agree(lines.data, said):
            return ~doubtful
        by_row = frame.select(_sum(name, exprs) for name, exprs in self._counted.items())
        by_row = by_row.with_columns(pl.col("objects") + 1)
        return agreeing(lines, by_row.to_numpy()) & ~doubtful

    def _doubtful(self, frame: pl.DataFrame) -> Mask:
        """Rows with nothing at all, a null in a list (an element of another type), a number too great for a double."""
        tests = list(self._tests)
        if min(frame.null_count().row(0)):
            tests.append(pl.all_horizontal(pl.all().is_null()))
        if not tests:
            return np.zeros(frame.height, np.bool_)
        return (
            frame.select(pl.any_horizontal(test.fill_null(value=False) for test in tests))
            .to_series()
            .to_numpy()
        )

    # --- the raw frame ----------------------------------------------------------------------------------------

    def _raw(self, frame: pl.DataFrame, numbers: npt.NDArray[np.int64]) -> Raw:
        other: list[int] = []
        if LOG_COLUMN in self._schema:
            here = frame[LOG_COLUMN].is_null() | (frame[LOG_COLUMN] == LOG)
            if not here.all():
                other = numbers[~here.to_numpy()].tolist()
                frame, numbers = frame.filter(here), numbers[here.to_numpy()]
        fields = frame.select(c.expr.alias(c.field or "") for c in self._fields)
        further = frame.select(c.expr.alias(c.name) for c in self._further)
        filled = [c for c in self._further if further[c.name].null_count() < frame.height]
        members = [extra.Member(name=c.name, values=further[c.name]) for c in filled]
        if _PARENTS in fields.columns:
            fields = fields.with_columns(_parents(fields[_PARENTS]))
        return Raw(
            frame=fields.with_columns(
                pl.Series("etl_line", numbers, dtype=pl.Int64),
                extra.encode(members, frame.height).alias("extra"),
            ),
            other_log=other,
            extra={c.name: _JSON_TYPES.get(c.dtype, "array") for c in filled},
        )


def _counted(columns: Sequence[_Column]) -> dict[str, list[pl.Expr]]:
    """What adds up to the marks in a row's bytes, by the attributes of ``Said``."""
    filled = [c.expr.is_not_null() for c in columns]
    nested = [pl.col("id").is_not_null()] if any(c.inner is not None for c in columns) else []
    texts = [c.expr.is_not_null() for c in columns if c.dtype == pl.String]
    elements = [c.expr.list.len().fill_null(0) for c in columns if c.dtype == pl.List(pl.String)]
    lists = [c.expr.is_not_null() for c in columns if c.dtype in _LISTS]
    return {"cells": filled + nested, "strings": texts + elements, "lists": lists, "objects": nested}


def _sum(name: str, counts: Sequence[pl.Expr]) -> pl.Expr:
    total = pl.sum_horizontal(counts) if counts else pl.lit(0)
    return total.cast(pl.Int64).alias(name)


def _is_json(line: bytes) -> bool:
    try:
        _check(line)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return False
    return True


def _parents(values: pl.Series) -> pl.Series:
    """Lists of uids, or the text that some writers make of them, as the text of JSON arrays."""
    if values.dtype == pl.String:
        distinct = values.drop_nulls().unique()
        texts = [json_exact.parents_text(json_exact.uids_in(text)) for text in distinct]
        return (
            values.replace_strict(distinct, texts, default=None, return_dtype=pl.String) if texts else values
        )
    length = values.list.len()
    filled = (length > 0).fill_null(value=False)
    empty = values.to_frame().select(pl.when(length == 0).then(pl.lit("[]")).alias(values.name)).to_series()
    return empty.scatter(
        filled.arg_true(), [json_exact.parents_text(uids) for uids in values.filter(filled).to_list()]
    )

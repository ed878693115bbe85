"""Parse lines of a JSON log by its inferred schema, and find those that the parser did not read to the letter.

polars parses leniently: what does not fit becomes null, further keys are dropped, and numbers in text columns are
printed again. None of that may pass, so the bytes are audited (``json_audit``); lines that fail are doubtful.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
import numpy.typing as npt
import polars as pl

from etl.fields import BY_ZEEK, OWN_COLUMNS
from etl.mapping.names import STREAM_COLUMNS, Names
from etl.reader import extra, json_exact
from etl.reader.compression import TAKEN_FOR_PACKED
from etl.reader.json_audit import ExpectedCounts, matches, matching_lines
from etl.reader.json_schema import JSON_TYPES, LISTS, Column, member, nested_objects, polars_schema
from etl.reader.lines import Lines, Mask

_FEW = 4
_check = msgspec.json.Decoder(msgspec.Raw).decode


@dataclass(frozen=True, kw_only=True, slots=True)
class Parsed:
    """What one schema made of some lines."""

    frame: pl.DataFrame
    """What ``mapping.standard`` takes."""
    other_log: list[int]
    """Lines of another log."""
    extra: dict[str, str]
    """Column beyond the dictionary → its JSON type."""


class FastParser:
    """Reads lines of one schema."""

    def __init__(self, columns: Sequence[Column], names: Names) -> None:
        """Without columns every line is doubtful."""
        self._names = names
        self._schema = polars_schema(columns)
        self._fields = [c for c in columns if c.field]
        self._streams = sorted(
            (c for c in columns if c.path[0] in STREAM_COLUMNS), key=lambda c: STREAM_COLUMNS.index(c.path[0])
        )
        self._further = [c for c in columns if not c.field and c.path[0] not in STREAM_COLUMNS]
        self._floats = [c for c in self._further if c.dtype == pl.Float64]
        self._counted = _counted(columns)
        self._tests = [
            c.expr.list.eval(pl.element().is_null()).list.any() for c in columns if c.dtype in LISTS
        ]
        self._other = _other_log(columns, names)
        self._screens = 0
        """How much screening the last block needed before it could be parsed at all."""

    def read(self, lines: Lines) -> tuple[Parsed, Lines]:
        """Return the rows that are certain, and the lines that have to be read exactly (blank ones among them)."""
        if not self._schema:
            return self._parsed_rows(self._none(), lines.numbers[:0]), lines
        frame, certain = self._parsed(lines)
        kept = lines.kept(certain)
        fits = self._fitting(frame, kept)
        if self._floats and len(kept):
            frame, exact = self._with_digits(frame, kept)
            fits &= exact
        if not fits.all():
            frame = frame.filter(pl.Series(fits))
            certain[np.flatnonzero(certain)[~fits]] = False
        return self._parsed_rows(frame, kept.numbers[fits]), lines.kept(~certain)

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
        # polars leaves a part for each thousand rows or so, which all that comes after would pay for
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
        """Which rows hold all that their lines hold, no more and no less."""
        if not len(lines):
            return np.ones(0, np.bool_)
        sums = frame.select(
            _sum(name, [expr.sum() for expr in exprs]) for name, exprs in self._counted.items()
        )
        cells, strings, lists, nested = sums.row(0)
        doubtful = self._doubtful(frame)
        expected = ExpectedCounts(cells=cells, strings=strings, lists=lists, objects=nested + len(lines))
        if matches(lines.data, expected):
            return ~doubtful
        by_row = frame.select(_sum(name, exprs) for name, exprs in self._counted.items())
        by_row = by_row.with_columns(pl.col("objects") + 1)
        return matching_lines(lines, by_row.to_numpy()) & ~doubtful

    def _doubtful(self, frame: pl.DataFrame) -> Mask:
        """Rows with nothing at all, or with a null in a list (an element of another type)."""
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

    def _with_digits(self, frame: pl.DataFrame, lines: Lines) -> tuple[pl.DataFrame, Mask]:
        """Numbers beyond the dictionary as they are written: a double would lose digits of some.

        A key between its quotes and a colon stands nowhere but where it is a key: quotes inside texts are escaped.
        """
        try:
            texts = pl.Series("line", lines.data.decode().split("\n")[:-1])
        except UnicodeDecodeError:
            return frame, np.zeros(frame.height, np.bool_)
        exact = np.ones(frame.height, np.bool_)
        digits: list[pl.Series] = []
        for column in self._floats:
            key = re.escape(column.name)
            pattern = rf'"{key}"[ \t]*:[ \t]*({json_exact.PLAIN_NUMBER.pattern})[ \t\r]*[,}}]'
            written = texts.str.extract(pattern, 1).set(frame[column.name].is_null(), None)
            exact &= frame[column.name].eq_missing(written.cast(pl.Float64, strict=False)).to_numpy()
            digits.append(written.alias(column.name))
        return frame.with_columns(digits), exact

    # --- the raw frame ----------------------------------------------------------------------------------------

    def _parsed_rows(self, frame: pl.DataFrame, numbers: npt.NDArray[np.int64]) -> Parsed:
        frame, numbers, other = self._own_rows(frame, numbers)
        fields = {c.field or "": c.expr for c in self._fields}
        if not fields:
            values = pl.DataFrame(height=frame.height)
        else:
            values = frame.select(expr.alias(name) for name, expr in fields.items())
        values = self._without_marks(values)
        further = (
            frame.select(c.expr.alias(c.name) for c in self._further) if self._further else pl.DataFrame()
        )
        filled = [c for c in self._further if further[c.name].null_count() < frame.height]
        members = [
            extra.Member(name=c.name, values=further[c.name], encoded=c in self._floats) for c in filled
        ]
        named = {c.name: _unless_stream(frame[c.name], self._names) for c in self._streams}
        members += [extra.Member(name=n, values=v) for n, v in named.items() if v.null_count() < frame.height]
        return Parsed(
            frame=values.with_columns(
                pl.Series("etl_line", numbers, dtype=pl.Int64),
                extra.encode(members, frame.height).alias("extra"),
            ),
            other_log=other,
            extra={c.name: JSON_TYPES.get(c.dtype, "array") for c in filled}
            | {m.name: "string" for m in members if m.name in named},
        )

    def _own_rows(
        self, frame: pl.DataFrame, numbers: npt.NDArray[np.int64]
    ) -> tuple[pl.DataFrame, npt.NDArray[np.int64], list[int]]:
        """Rows of this log with their lines, and the lines of rows of another."""
        if not frame.height or (not self._streams and self._other is None):
            return frame, numbers, []
        unnamed = pl.Series(np.ones(frame.height, np.bool_))
        other = ~unnamed
        for column in self._streams:
            values = frame[column.name]
            named = [v for v in values.drop_nulls().unique() if self._names.is_stream_name(column.name, v)]
            others = [value for value in named if not self._names.is_own(value)]
            names_it = values.is_in(named).fill_null(value=False) & unnamed
            other |= names_it & values.is_in(others).fill_null(value=False)
            unnamed &= ~names_it
        if self._other is not None:
            other |= unnamed & frame.select(self._other.alias("other")).to_series()
        if not other.any():
            return frame, numbers, []
        mask = other.to_numpy()
        return frame.filter(~other), numbers[~mask], numbers[mask].tolist()

    def _without_marks(self, values: pl.DataFrame) -> pl.DataFrame:
        """Fields that came as text: Zeek's marks of an unset and of an empty value, and sets as JSON text."""
        changed: list[pl.Series] = []
        for column in self._fields:
            series = values[column.field or ""]
            field = BY_ZEEK[column.field or ""]
            if field.is_set:
                changed.append(_sets(series))
            elif (
                series.dtype == pl.String
                and (marked := _marked(series, is_text=field.standard_type == "string")) is not None
            ):
                changed.append(marked)
        return values.with_columns(changed) if changed else values


def _marked(series: pl.Series, *, is_text: bool) -> pl.Series | None:
    """The same with null for ``-``, and an empty text for ``(empty)``; None where there is neither."""
    unset = series == json_exact.UNSET
    is_empty = series == json_exact.EMPTY
    if not unset.any() and not (is_text and is_empty.any()):
        return None
    cells = pl.col(series.name)
    filled = pl.when(cells == json_exact.EMPTY).then(pl.lit("")).otherwise(cells) if is_text else cells
    return (
        series.to_frame()
        .select(pl.when(cells != json_exact.UNSET).then(filled))
        .to_series()
        .alias(series.name)
    )


def _unless_stream(values: pl.Series, names: Names) -> pl.Series:
    """A column's values but those that name a stream, which a row does not keep."""
    known = [value for value in values.drop_nulls().unique() if names.is_stream_name(values.name, value)]
    return values.set(values.is_in(known).fill_null(value=False), None) if known else values


def _other_log(columns: Sequence[Column], names: Names) -> pl.Expr | None:
    """Which rows have columns of other logs and none of this log's own; None where no column is another log's."""
    foreign = [c.expr.is_not_null() for c in columns if not c.field and c.name in names.foreign]
    if not foreign:
        return None
    own = [c.expr.is_not_null() for c in columns if c.field in OWN_COLUMNS]
    is_foreign = pl.any_horizontal(foreign)
    return is_foreign & ~pl.any_horizontal(own) if own else is_foreign


def _counted(columns: Sequence[Column]) -> dict[str, list[pl.Expr]]:
    """What adds up to the marks in a row's bytes, by the attributes of ``ExpectedCounts``."""
    filled = [c.expr.is_not_null() for c in columns]
    nested = [member(path).is_not_null() for path in nested_objects(columns)]
    texts = [c.expr.is_not_null() for c in columns if c.dtype == pl.String]
    elements = [c.expr.list.len().fill_null(0) for c in columns if c.dtype == pl.List(pl.String)]
    lists = [c.expr.is_not_null() for c in columns if c.dtype in LISTS]
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


def _sets(values: pl.Series) -> pl.Series:
    """Lists of texts, or the text that some writers make of them, as the text of JSON arrays."""
    if values.dtype == pl.String:
        distinct = values.drop_nulls().unique()
        texts = [json_exact.set_of_text(text) for text in distinct]
        return (
            values.replace_strict(distinct, texts, default=None, return_dtype=pl.String) if texts else values
        )
    length = values.list.len()
    filled = (length > 0).fill_null(value=False)
    empty = values.to_frame().select(pl.when(length == 0).then(pl.lit("[]")).alias(values.name)).to_series()
    return empty.scatter(
        filled.arg_true(), [json_exact.set_of_list(texts) for texts in values.filter(filled).to_list()]
    )

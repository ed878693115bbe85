"""The shared mapping: a raw frame of Zeek columns → the standard frame and the values that cannot be cast. No I/O.

A raw column is typed where the reader's fast path could type it, and text where it could not; both end in the same
conversion here. Each conversion gives null for what it cannot cast, and the nulls before and after are compared:
a value that turned into null is a fault of its line, never a silent loss.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import AddressValueError, IPv6Address
from typing import Any

import polars as pl

from etl.fields import BY_ZEEK, FIELDS, FRAME_COLUMNS, Field
from etl.mapping import times
from etl.mapping.bounds import KEY_BYTES, TEXT_BYTES

_TYPES: dict[str, pl.DataType | type[pl.DataType]] = {
    "date_time": pl.Datetime("us", "UTC"),
    "ip": pl.String,
    "integer": pl.Int64,
    "float": pl.Float64,
    "boolean": pl.Boolean,
    "string": pl.String,
}
INT4 = 2**31

_OCTET = "(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
_IPV4 = rf"(?:{_OCTET}\.){{3}}{_OCTET}"
_GROUP = "[0-9a-fA-F]{1,4}"
_IPV6 = "|".join(
    [f"(?:{_GROUP}:){{7}}{_GROUP}", f"(?:{_GROUP}:){{1,7}}:", f":(?::{_GROUP}){{1,7}}", "::"]
    + [f"(?:{_GROUP}:){{1,{7 - right}}}(?::{_GROUP}){{1,{right}}}" for right in range(1, 7)]
)
_ADDRESS = f"^(?:{_IPV4}|{_IPV6})$"
_BOOLEANS = {"T": True, "F": False, "true": True, "false": False}
_DIGITS = re.compile(r"-?[0-9]+")


@dataclass(frozen=True, kw_only=True, slots=True)
class Fault:
    """Why one line is not a row: a value of ``field`` (Zeek's name), or the line as a whole (None)."""

    line: int
    field: str | None
    reason: str

    @property
    def rule(self) -> str:
        """The gate's rule in whose verdict it counts."""
        known = BY_ZEEK.get(self.field or "")
        return f"type.{known.standard}" if known else "row.shape"


def frame_schema() -> pl.Schema:
    """Columns and types of a standard frame: the fields under their standard names, then etl_line and extra."""
    fields = {field.standard: _TYPES[field.standard_type] for field in FIELDS}
    return pl.Schema({**fields, "etl_line": pl.Int64, "extra": pl.String})


def standard(raw: pl.DataFrame) -> tuple[pl.DataFrame, list[Fault]]:
    """Map a raw frame to the standard one.

    Args:
        raw: any of the fields by Zeek's name; text, or typed as ``frame_schema`` has it (``ts`` Float64); plus
            ``etl_line`` Int64 and perhaps ``extra`` String. Null is unset.

    Returns:
        A frame of ``frame_schema`` with the rows whose values could all be cast, in the same order, and the first
        fault of each other row. The two add up to ``raw.height``.
    """
    mapped = raw.select(_conversions(tuple(raw.schema.items())))
    lost = _lost(raw, mapped)
    if settled := [_settled(field, raw, mapped) for field in lost if _has_rare_forms(field, raw)]:
        mapped = mapped.with_columns(settled)
        lost = _lost(raw, mapped)
    if not lost:
        return mapped, []
    faults: dict[int, Fault] = {}
    for field in lost:
        gone = raw[field.zeek].is_not_null() & mapped[field.standard].is_null()
        bad = raw.filter(gone)
        for line, value in zip(bad["etl_line"].to_list(), bad[field.zeek].to_list(), strict=True):
            faults.setdefault(line, Fault(line=line, field=field.zeek, reason=_reason(field, value)))
    return mapped.filter(~mapped["etl_line"].is_in(list(faults))), list(faults.values())


def text_frame(rows: list[dict[str, Any]]) -> pl.DataFrame:
    """A raw frame of rows that were read one by one: every field that some row has as text, etl_line, extra."""
    return pl.DataFrame(rows, {**dict.fromkeys([*BY_ZEEK, "extra"], pl.String), "etl_line": pl.Int64})


def empty() -> pl.DataFrame:
    """Return a standard frame without rows."""
    return pl.DataFrame(schema=frame_schema())


def _lost(raw: pl.DataFrame, mapped: pl.DataFrame) -> list[Field]:
    before = dict(zip(raw.columns, raw.null_count().row(0), strict=True))
    after = dict(zip(FRAME_COLUMNS, mapped.null_count().row(0), strict=True))
    return [field for field in FIELDS if field.zeek in before and after[field.standard] > before[field.zeek]]


@lru_cache(maxsize=64)
def _conversions(raw: tuple[tuple[str, pl.DataType], ...]) -> tuple[pl.Expr, ...]:
    """The expressions for a raw frame's schema; small files spend their time on building them."""
    schema = dict(raw)
    further = pl.col("extra") if "extra" in schema else pl.lit(None, pl.String).alias("extra")
    return *(_converted(field, schema.get(field.zeek)) for field in FIELDS), pl.col("etl_line"), further


def _converted(field: Field, dtype: pl.DataType | None) -> pl.Expr:
    if dtype is None:
        return pl.lit(None, _TYPES[field.standard_type]).alias(field.standard)
    return _CONVERSIONS[field.standard_type](pl.col(field.zeek), field, dtype).alias(field.standard)


def _time(value: pl.Expr, _field: Field, dtype: pl.DataType) -> pl.Expr:
    microseconds = times.from_text(value) if dtype == pl.String else times.from_number(value)
    return microseconds.cast(pl.Datetime("us", "UTC"))


def _ip(value: pl.Expr, _field: Field, _dtype: pl.DataType) -> pl.Expr:
    return pl.when(value.str.contains(_ADDRESS)).then(value)


def _integer(value: pl.Expr, field: Field, dtype: pl.DataType) -> pl.Expr:
    number = _without_plus(value).cast(pl.Int64, strict=False) if dtype == pl.String else value
    if field.pg_type != "integer":
        return number
    return pl.when(number.is_between(-INT4, INT4 - 1)).then(number)


def _float(value: pl.Expr, _field: Field, dtype: pl.DataType) -> pl.Expr:
    number = _without_plus(value).cast(pl.Float64, strict=False) if dtype == pl.String else value
    return pl.when(number.is_finite()).then(number)


def _without_plus(text: pl.Expr) -> pl.Expr:
    """A sign that no log writes but the cast would take."""
    return pl.when(~text.str.starts_with("+")).then(text)


def _boolean(value: pl.Expr, _field: Field, dtype: pl.DataType) -> pl.Expr:
    if dtype != pl.String:
        return value
    # equal to one text or the other: four times as fast as a lookup in a dictionary
    true, false = (
        pl.any_horizontal(value == text for text, meant in _BOOLEANS.items() if meant is means)
        for means in (True, False)
    )
    return pl.when(true).then(statement=True).when(false).then(statement=False)


def _string(value: pl.Expr, field: Field, dtype: pl.DataType) -> pl.Expr:
    if dtype == pl.Null:
        return value.cast(pl.String)
    return pl.when(value.str.len_bytes() <= (KEY_BYTES if field.key else TEXT_BYTES)).then(value)


_CONVERSIONS: dict[str, Callable[[pl.Expr, Field, pl.DataType], pl.Expr]] = {
    "date_time": _time,
    "ip": _ip,
    "integer": _integer,
    "float": _float,
    "boolean": _boolean,
    "string": _string,
}


def _has_rare_forms(field: Field, raw: pl.DataFrame) -> bool:
    """Whether values of a field can be right in ways that the vectorised conversion leaves open."""
    if field.zeek_type == "interval":
        return raw.schema[field.zeek] == pl.String
    return field.zeek_type == "time" or field.standard_type == "ip"


def _settled(field: Field, raw: pl.DataFrame, mapped: pl.DataFrame) -> pl.Series:
    """Decide, value by value, what the vectorised conversion left open (rare forms, and what is wrong)."""
    settled = mapped[field.standard]
    rows = (raw[field.zeek].is_not_null() & settled.is_null()).arg_true()
    values = raw[field.zeek].gather(rows)
    distinct = values.unique()
    if field.zeek_type == "time":
        parsed = [at if isinstance(at := times.parse(value), int) else None for value in distinct]
        found = pl.Series(parsed, dtype=pl.Int64).cast(_TYPES["date_time"])
    elif field.zeek_type == "interval":
        found = pl.Series([times.seconds_of(value) for value in distinct], dtype=pl.Float64)
    else:
        found = pl.Series([value if _is_address(value) else None for value in distinct], dtype=pl.String)
    return settled.scatter(rows, values.replace_strict(distinct, found, default=None))


def _is_address(text: str) -> bool:
    """Whether it is one whole IPv6 address without zone or netmask; ``_ip`` leaves no form of IPv4 open."""
    try:
        IPv6Address(text)
    except AddressValueError:
        return False
    return "%" not in text


def _reason(field: Field, value: object) -> str:
    if value == "":
        return "empty_value"
    match field.standard_type:
        case "date_time":
            return str(times.parse(str(value)))
        case "integer":
            return "integer_out_of_range" if _DIGITS.fullmatch(str(value)) else "not_an_integer"
        case "string":
            return "value_too_long"
        case other:
            return {"ip": "not_an_ip", "float": "not_a_number", "boolean": "not_a_boolean"}[other]

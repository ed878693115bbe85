"""Answers as CSV, TSV, JSON and Parquet: numbers stay numbers, moments are ISO 8601 in UTC, NULL is empty or null."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import IO, TYPE_CHECKING, Any

from etl.query.ask import Answer

if TYPE_CHECKING:
    import polars as pl

INT64 = 1 << 63
"""Sums of counters are numeric in SQL: past this they go to Parquet as text, exact."""

_BY_OID = {16: "Boolean", 20: "Int64", 21: "Int16", 23: "Int32", 700: "Float32", 701: "Float64", 1082: "Date"}
_NUMERIC, _TIMESTAMPTZ = 1700, 1184


def plain(value: Any) -> Any:
    """A value as JSON has it: whole decimals are integers, others floats."""
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, memoryview | bytes):
        return bytes(value).hex()
    return value


def rows(answer: Answer) -> Iterator[list[Any]]:
    """The rows, each value as JSON has it."""
    for row in answer.rows:
        yield [plain(value) for value in row]


def as_object(answer: Answer, asked: Mapping[str, Any]) -> dict[str, Any]:
    """The object of ``--json``: what was asked, columns, rows (an object each)."""
    return {
        **asked,
        "columns": list(answer.columns),
        "rows": [dict(zip(answer.columns, row, strict=True)) for row in rows(answer)],
    }


def write_csv(answer: Answer, file: IO[str]) -> None:
    """Stream the answer with a header line; lists and objects are JSON in their cell."""
    writer = csv.writer(file, lineterminator="\n")
    quoting = csv.writer(file, lineterminator="\n", quoting=csv.QUOTE_ALL)
    writer.writerow(answer.columns)
    for row in rows(answer):
        cells = [_cell(value) for value in row]
        # Python before 3.13 leaves a carriage return bare, which readers take for the end of the row
        broken = any(isinstance(cell, str) and "\r" in cell for cell in cells)
        (quoting if broken else writer).writerow(cells)


_ESCAPED = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})


_FORMULA = "=+-@\t\r\n\uff1d\uff0b\uff0d\uff20"
"""What a spreadsheet takes for the beginning of a formula, also behind blanks and in full width."""


def for_spreadsheets(answer: Answer) -> Answer:
    """The answer with a quote before each text that a spreadsheet would run as a formula; numbers stay numbers."""
    return replace(
        answer,
        columns=tuple(map(_defused, answer.columns)),
        rows=(
            tuple(_defused(value) if isinstance(value, str) else value for value in row)
            for row in answer.rows
        ),
    )


def _defused(text: str) -> str:
    return f"'{text}" if text.lstrip(" \u00a0")[:1] in tuple(_FORMULA) else text


def write_tsv(answer: Answer, file: IO[str]) -> None:
    """Stream the answer with a header line, tabs between values; a tab, line end or backslash in a value is escaped."""
    file.write("\t".join(answer.columns) + "\n")
    for row in rows(answer):
        cells = ("" if value is None else str(_cell(value)).translate(_ESCAPED) for value in row)
        file.write("\t".join(cells) + "\n")


def _cell(value: Any) -> Any:
    if isinstance(value, bool):
        return "true" if value else "false"
    return json.dumps(value, ensure_ascii=False) if isinstance(value, list | dict) else value


def write_parquet(answer: Answer, file: IO[bytes]) -> None:
    """Write the answer with the columns' own types; addresses and what else Parquet lacks are text."""
    frame(answer).write_parquet(file)


def frame(answer: Answer) -> pl.DataFrame:
    """The whole answer as a polars frame."""
    import polars as pl

    columns: Sequence[Sequence[Any]] = list(zip(*answer.rows, strict=True)) or [[] for _ in answer.columns]
    return pl.DataFrame(
        [
            _series(name, oid, values)
            for name, oid, values in zip(answer.columns, answer.types, columns, strict=True)
        ]
    )


def _series(name: str, oid: int, values: Sequence[Any]) -> pl.Series:
    import polars as pl

    if oid == _TIMESTAMPTZ:
        return pl.Series(name, values, dtype=pl.Datetime("us", "UTC"))
    if oid == _NUMERIC:
        return _numbers(name, [plain(value) for value in values])
    if oid in _BY_OID:
        return pl.Series(name, values, dtype=getattr(pl, _BY_OID[oid]))
    return pl.Series(name, [None if v is None else str(_cell(plain(v))) for v in values], dtype=pl.String)


def _numbers(name: str, values: Sequence[int | float | None]) -> pl.Series:
    import polars as pl

    if any(isinstance(value, float) for value in values):
        return pl.Series(name, [None if v is None else float(v) for v in values], dtype=pl.Float64)
    if any(value is not None and not -INT64 <= value < INT64 for value in values):
        return pl.Series(name, [None if v is None else str(v) for v in values], dtype=pl.String)
    return pl.Series(name, values, dtype=pl.Int64)

"""The rows of Zeek's TSV under one header, as a raw frame.

Cells are split first and unescaped afterwards: an escaped tab, ``-``, ``(empty)`` or set separator is a value, not
syntax. polars reads numbers typed while a block is plain; where anything is odd (an empty cell, a wrong column count, a
cell that is no number) lines that cannot be split are taken out by number, and the others are read as text, which the
mapping casts and compares.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import polars as pl

from etl.fields import BY_ZEEK
from etl.mapping.names import STREAM_COLUMNS, Names
from etl.mapping.values import Fault
from etl.models import Format
from etl.reader import extra
from etl.reader.chunks import NEWLINE
from etl.reader.compression import TAKEN_FOR_PACKED
from etl.reader.header import Run, unescaped
from etl.reader.lines import Lines, without
from etl.reader.raw_block import RawBlock

_TYPED: dict[str, type[pl.DataType]] = {
    **dict.fromkeys(("integer", "count", "int", "port"), pl.Int64),
    **dict.fromkeys(("float", "date_time", "double", "interval", "time"), pl.Float64),
}
"""Standard types of fields, and Zeek types of further columns, that polars casts itself."""
_FAST_SEPARATORS = frozenset("\t,;|~^ \x01\x02\x03\x1e\x1f")
_CONTAINER = re.compile(r"(?:set|table|vector)\[(\w+)\]")
_JSON_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]{0,299})(?:\.[0-9]{1,300})?(?:[eE][+-]?[0-9]{1,3})?")
_BOOLEANS = {"T": "true", "F": "false"}
_CHUNK = 1 << 18


@dataclass(frozen=True, kw_only=True, slots=True)
class Column:
    """One column of the header."""

    id: str
    """Name within polars: the field, or ``+`` and the position."""
    field: str | None
    name: str
    zeek_type: str
    """Zeek's; of a field its standard type."""
    is_set: bool = False
    """A field that is a set of texts."""

    @property
    def typed(self) -> type[pl.DataType]:
        """What polars reads it as while nothing is odd; a double would lose digits of a column that goes to extra."""
        found = _TYPED.get(self.zeek_type, pl.String)
        return pl.String if self.field is None and found == pl.Float64 else found

    @property
    def is_text(self) -> bool:
        """Whether cells are texts that may be escaped or marked as empty."""
        if self.field:
            return self.zeek_type == "string" and not self.is_set
        return self.zeek_type not in {*_TYPED, "bool"} and not _CONTAINER.fullmatch(self.zeek_type)


def columns_of(format_: Format, names: Names) -> list[Column]:
    """Return the header's columns. Of a name that comes twice the second is kept beside the first, as ``name#2``."""
    fields = names.resolve(format_.fields)
    columns: list[Column] = []
    seen: dict[str, int] = {}
    types = [*format_.types, *["string"] * len(format_.fields)]
    for i, name in enumerate(format_.fields):
        seen[name] = times = seen.get(name, 0) + 1
        field = fields.get(name) if times == 1 else None
        columns.append(
            Column(
                id=field or f"+{i}",
                field=field,
                name=name if times == 1 else f"{name}#{times}",
                zeek_type=BY_ZEEK[field].standard_type if field else types[i],
                is_set=field is not None and BY_ZEEK[field].is_set,
            )
        )
    return columns


class Table:
    """The rows under one header."""

    def __init__(self, format_: Format, columns: list[Column], names: Names) -> None:
        self._format = format_
        self._columns = columns
        self._names = names
        self._streams = [c for c in columns if not c.field and c.name in STREAM_COLUMNS and c.is_text]
        self._separator = format_.separator or "\t"
        self._unset = format_.unset_field if format_.unset_field is not None else "-"
        self._typed_pays = self._separator in _FAST_SEPARATORS

    def read(self, run: Run) -> RawBlock:
        """Return the rows of a run, and the lines that are none."""
        data = run.data.replace(b"\r\n", b"\n") if b"\r" in run.data else run.data
        if self._typed_pays and run.ended and self._is_plain(data, run.lines):
            frame = self._typed(data, run.lines)
            if frame is not None:
                numbers = pl.int_range(run.first, run.first + run.lines, dtype=pl.Int64, eager=True)
                return self._block(frame, numbers, [], data)
            self._typed_pays = False
        return self._searched(data, run)

    # --- the fast path: numbers typed by the parser -----------------------------------------------------------

    def _is_plain(self, data: bytes, lines: int) -> bool:
        """Whether nothing is there that the parser would pass over in silence.

        That is: blank lines and empty cells (null to it), a space or plus before a number, short lines (filled up with
        null), NUL.
        """
        separator, allowed = ord(self._separator), self._unset == ""
        if b"\0" in data or data[:1] in (b" ", b"+", self._separator.encode(), b"\n"):
            return False
        cells, separators = np.frombuffer(data, np.uint8), 0
        for at in range(0, len(cells), _CHUNK):
            chunk = cells[at : at + _CHUNK + 1]
            is_separator = chunk == separator
            is_end = is_separator | (chunk == NEWLINE)
            odd = (chunk == ord(" ")) | (chunk == ord("+"))
            if not allowed:
                odd |= is_end
            if np.any(is_end[:-1] & odd[1:]):
                return False
            separators += int(np.count_nonzero(is_separator[:_CHUNK]))
        return separators == lines * (len(self._columns) - 1)

    def _typed(self, data: bytes, lines: int) -> pl.DataFrame | None:
        if data.startswith(TAKEN_FOR_PACKED):
            return None
        try:
            frame = self._parsed(data, {column.id: column.typed for column in self._columns})
        except pl.exceptions.PolarsError:
            return None
        return frame if frame.height == lines else None

    def _parsed(self, data: bytes, schema: dict[str, type[pl.DataType]]) -> pl.DataFrame:
        return pl.read_csv(
            data,
            separator=self._separator,
            has_header=False,
            schema=schema,
            quote_char=None,
            null_values=[self._unset],
            empty_string_is_null=self._unset == "",
        )

    # --- the search: lines that cannot be split are taken out, the rest is read as text -----------------------

    def _searched(self, data: bytes, run: Run) -> RawBlock:
        numbers = np.arange(run.first, run.first + run.lines, dtype=np.int64)
        lines = Lines(data if run.ended else data + b"\n", numbers)
        lines = lines.kept(~lines.blank())
        reasons = self._shape_faults(lines)
        if not run.ended and len(lines) and lines.numbers[-1] == numbers[-1]:
            reasons[len(lines) - 1] = "unterminated"
        faults = [Fault(line=int(lines.numbers[i]), field=None, reason=reasons[i]) for i in sorted(reasons)]
        good = lines.kept(without(len(lines), list(reasons)))
        if not len(good):
            return RawBlock(format=self._format, rows=len(faults), faults=faults)
        return self._block(self._text(good), pl.Series(good.numbers, dtype=pl.Int64), faults, good.data)

    def _shape_faults(self, lines: Lines) -> dict[int, str]:
        """What is wrong with the shape of which line, by index; the gravest last."""
        wanted = len(self._columns) - 1
        if len(self._separator.encode()) == 1:
            counts = lines.count(ord(self._separator))
        else:
            separator = self._separator.encode()
            counts = np.array([lines.line(i).count(separator) for i in range(len(lines))], np.intp)
        return {
            **dict.fromkeys(np.flatnonzero(counts != wanted).tolist(), "wrong_column_count"),
            **dict.fromkeys(np.flatnonzero(lines.not_utf8()).tolist(), "invalid_utf8"),
            **dict.fromkeys(
                np.flatnonzero(lines.count(0)).tolist() if b"\0" in lines.data else (), "nul_byte"
            ),
        }

    def _text(self, lines: Lines) -> pl.DataFrame:
        schema: dict[str, type[pl.DataType]] = {column.id: pl.String for column in self._columns}
        if self._separator in _FAST_SEPARATORS and not lines.data.startswith(TAKEN_FOR_PACKED):
            frame = self._parsed(lines.data, schema)
            if frame.height == len(lines):
                return frame
        rows = [lines.line(i).decode().split(self._separator) for i in range(len(lines))]
        cells = [[None if cell == self._unset else cell for cell in row] for row in rows]
        return pl.DataFrame(cells, schema=schema, orient="row")

    # --- cells to values --------------------------------------------------------------------------------------

    def _block(self, frame: pl.DataFrame, numbers: pl.Series, faults: list[Fault], data: bytes) -> RawBlock:
        rows = frame.height + len(faults)
        for column in self._streams:
            frame, numbers, other = self._own_rows(column, frame, numbers)
            faults = faults + [Fault(line=line, field=None, reason="other_log") for line in other]
        return RawBlock(format=self._format, rows=rows, frame=self._raw(frame, numbers, data), faults=faults)

    def _own_rows(
        self, column: Column, frame: pl.DataFrame, numbers: pl.Series
    ) -> tuple[pl.DataFrame, pl.Series, list[int]]:
        """Rows that a column of streams does not give to another log, without their names, and the others' lines."""
        values = frame[column.id]
        named = [v for v in values.drop_nulls().unique() if self._names.is_stream_name(column.name, v)]
        others = values.is_in([v for v in named if not self._names.is_own(v)]).fill_null(value=False)
        named_here = values.is_in(named).fill_null(value=False)
        frame = frame.with_columns(values.set(named_here, None)).filter(~others)
        return frame, numbers.filter(~others), numbers.filter(others).to_list()

    def _raw(self, frame: pl.DataFrame, numbers: pl.Series, data: bytes) -> pl.DataFrame:
        """What the mapping takes: cells unescaped, sets as JSON text, further columns as ``extra``."""
        frame = self._unescaped(frame) if self._may_be_escaped(data) else frame
        fields = frame.select(column.id for column in self._columns if column.field)
        sets = [column.id for column in self._columns if column.is_set]
        fields = fields.with_columns(
            _mapped(fields[name], lambda cell: self._array(cell, "string")) for name in sets
        )
        members = [self._member(c, frame[c.id]) for c in self._columns if not c.field]
        further = extra.encode(members, frame.height)
        return fields.with_columns(numbers.alias("etl_line"), further.alias("extra"))

    def _may_be_escaped(self, data: bytes) -> bool:
        """Whether lines have the first byte of an escape or of the mark of an empty text: quicker than each cell."""
        mark = (self._format.empty_field or "").encode()[:1]
        return b"\\" in data or (mark != b"" and mark in data)

    def _unescaped(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Cells of text columns as they are meant."""
        texts = [c.id for c in self._columns if c.is_text]
        escaped = pl.col(texts).str.contains("\\", literal=True)
        if any(odd := frame.select(escaped.any()).row(0) if texts else ()):
            wanted = [name for name, found in zip(texts, odd, strict=True) if found]
            cells = frame.select(
                pl.when(pl.col(n).str.contains("\\", literal=True)).then(n).alias(n) for n in wanted
            )
            decoded = pl.DataFrame(
                [_mapped(cells[name], unescaped).alias(f"{name} decoded") for name in wanted]
            )
            frame = frame.hstack(decoded).with_columns(
                pl.coalesce(f"{name} decoded", self._filled(name)).alias(name) for name in wanted
            )
            texts = [name for name in texts if name not in wanted]
        return frame.with_columns(self._filled(name).alias(name) for name in texts)

    def _filled(self, name: str) -> pl.Expr:
        """The mark of an empty text is an empty text."""
        return pl.when(pl.col(name) == self._format.empty_field).then(pl.lit("")).otherwise(pl.col(name))

    def _array(self, cell: str, inner: str) -> str:
        """A set or vector as the text of a JSON array, in the log's order."""
        if cell in ("", self._format.empty_field):
            return "[]"
        elements = cell.split(self._format.set_separator) if self._format.set_separator else [cell]
        return f"[{','.join(self._element(element, inner) for element in elements)}]"

    def _element(self, element: str, inner: str) -> str:
        if inner in _TYPED and _JSON_NUMBER.fullmatch(element):
            return element
        if inner == "bool" and element in _BOOLEANS:
            return _BOOLEANS[element]
        text = "" if element == self._format.empty_field else unescaped(element)
        return f'"{text}"' if text.isalnum() else json.dumps(text, ensure_ascii=False)

    def _member(self, column: Column, cells: pl.Series) -> extra.Member:
        """A further column, typed as Zeek says; a cell that its type does not fit is kept as a string."""
        if cells.dtype != pl.String or column.is_text:
            return extra.Member(name=column.name, values=cells)
        container = _CONTAINER.fullmatch(column.zeek_type)
        if container:
            inner = container[1]
            array = _mapped(cells, lambda cell: self._array(cell, inner))
            return extra.Member(name=column.name, values=array, encoded=True)
        if column.zeek_type in _TYPED and cells.str.contains(f"^(?:{_JSON_NUMBER.pattern})$").all():
            return extra.Member(name=column.name, values=cells, encoded=True)
        text = _mapped(cells, lambda cell: self._element(cell, column.zeek_type))
        return extra.Member(name=column.name, values=text, encoded=True)


def _mapped(cells: pl.Series, function: Callable[[str], str]) -> pl.Series:
    """Apply ``function`` once to each distinct text; null stays null."""
    distinct = cells.drop_nulls().unique()
    if distinct.is_empty():
        return cells
    return cells.replace_strict(
        distinct, [function(text) for text in distinct], default=None, return_dtype=pl.String
    )

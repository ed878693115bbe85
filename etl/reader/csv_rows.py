r"""Rows under one plain header line: CSV with Zeek's names, and what Zeek's writer option ``tsv`` makes.

Neither says its types or its marks. An empty cell of CSV is unset, as ``-`` is. Each line is written as Zeek's TSV
again, which is read as always: ``csv:,`` has the separator, ``header`` stands for tabs, where only the header changes.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence

from etl.fields import BY_ZEEK, REQUIRED
from etl.mapping.names import Names
from etl.mapping.values import Fault
from etl.reader.chunks import Chunk
from etl.reader.json_exact import Bad
from etl.reader.wrapping import inner_lines

HEADER = "header"
CSV = "csv:"
SEPARATORS = ("\t", ",", ";", "|")
_FEW = 5
"""Lines among which the header is; those before it are rejected."""
_ENOUGH = 4
"""Required fields by which a line is known as a header."""
_ENOUGH_OF_OTHERS = 2
_BOOLEANS = {"True": "T", "False": "F", "TRUE": "T", "FALSE": "F"}
_MARKS = (b"True", b"False", b"TRUE", b"FALSE", b"[", b"{", b'.0"')
_SET = "set"
_EMPTY = "(empty)"
_WHOLE = re.compile(r"([0-9]+)\.0+")


class PlainRows:
    """Writes the lines of one file as Zeek's TSV."""

    def __init__(self, step: str, names: Names, columns: Sequence[str] = ()) -> None:
        """``step`` as ``learnt`` returned it; ``columns`` of a header that was met already."""
        self.steps = (step,)
        self._names = names
        self._separator = "\t" if step == HEADER else step.removeprefix(CSV)
        self._is_quoted = step != HEADER
        self._marks = (*_MARKS, b".0" + self._separator.encode())
        """What a line has that may hold a value as other programs than Zeek write it."""
        self._first: bytes | None = None
        """The header line, once it was met."""
        self._types = self._types_of(columns)
        """Standard types of its columns; "" beyond the dictionary."""

    def inner(self, line: bytes) -> bytes:
        """Return one line as a row or a header of TSV.

        Raises:
            Bad: its quotes do not fit.
        """
        line = line.removesuffix(b"\r")
        if self._may_be_header(line):
            names = [name.strip() for name in _split(line, self._separator)]
            if is_header(names, self._names):
                self._first = line
                self._types = self._types_of(names)
                return b"\t".join([b"#fields", *(_escaped(name) for name in names)])
        if not self._is_quoted or b"\0" in line:
            return line
        cells = _split(line, self._separator)
        if len(cells) == len(self._types) and (
            line.endswith(b".0") or any(mark in line for mark in self._marks)
        ):
            cells = [_as_zeek_writes(cell, type_) for cell, type_ in zip(cells, self._types, strict=True)]
        if b"\\" in line or b"\t" in line:
            return b"\t".join(map(_cell, cells))
        return "\t".join([cell or "-" for cell in cells]).encode("utf-8", "surrogateescape")

    def _types_of(self, columns: Sequence[str]) -> list[str]:
        fields = self._names.resolve(columns)
        known = {column: BY_ZEEK[field] for column, field in fields.items()}
        return [
            "" if (field := known.get(column)) is None else _SET if field.is_set else field.standard_type
            for column in columns
        ]

    def _may_be_header(self, line: bytes) -> bool:
        """Rows begin with a time, headers with a name: a digit is enough to tell."""
        return self._first is None or line == self._first or not line[:2].strip(b'"- ')[:1].isdigit()

    def _has_header(self, data: bytes) -> bool:
        """Whether a line begins as the first header does."""
        name = (self._first or b"").partition(b"\t")[0] + b"\t"
        return data.startswith(name) or b"\n" + name in data

    def unwrapped(self, chunk: Chunk) -> tuple[Chunk, list[Fault]]:
        """Return the chunk as TSV, and the faults of lines that are none, blank there."""
        if not self._is_quoted and self._first is not None and not self._has_header(chunk.data):
            return chunk, []
        return inner_lines(chunk, self.inner)


def learnt(lines: Sequence[bytes], names: Names) -> str | None:
    """Return the step of a file whose first lines have a plain header; None where they have none."""
    for line in [line for line in lines if line.strip()][:_FEW]:
        if line.lstrip().startswith((b"{", b"[")):
            return None
        for separator in SEPARATORS:
            if separator.encode() not in line:
                continue
            try:
                cells = _split(line.removesuffix(b"\r"), separator)
            except Bad:
                continue
            if is_header([cell.strip() for cell in cells], names):
                return HEADER if separator == "\t" and b'"' not in line else f"{CSV}{separator}"
    return None


def is_header(cells: Sequence[str], names: Names) -> bool:
    """Whether cells are names of columns: of a conn log, or of another log with a time."""
    fields = {names.find(cell)[0] for cell in cells}
    required = sum(field.zeek in fields for field in REQUIRED)
    if required >= _ENOUGH:
        return True
    return "ts" in fields and len(names.foreign.intersection(cells)) >= _ENOUGH_OF_OTHERS


def _split(line: bytes, separator: str) -> list[str]:
    text = line.decode("utf-8", "surrogateescape")
    if '"' not in text:
        return text.split(separator)
    try:
        return next(csv.reader([text], delimiter=separator, strict=True), [])
    except csv.Error:
        raise Bad("not_csv") from None


def _as_zeek_writes(cell: str, type_: str) -> str:
    """Values as other programs write them: ``True``, ``443.0`` where a column has unset values, ``['C1', 'C2']``."""
    if type_ == "boolean":
        return _BOOLEANS.get(cell, cell)
    if type_ == "integer" and "." in cell and (whole := _WHOLE.fullmatch(cell)):
        return whole[1]
    if type_ == _SET and cell[:1] + cell[-1:] in {"[]", "{}"}:
        return ",".join(element.strip(" '\"") for element in cell[1:-1].split(",")) or _EMPTY
    return cell


def _cell(text: str) -> bytes:
    return b"-" if text in ("", "-") else _escaped(text)


def _escaped(text: str) -> bytes:
    if "\\" in text or "\t" in text:
        text = text.replace("\\", "\\\\").replace("\t", "\\x09")
    return text.encode("utf-8", "surrogateescape")

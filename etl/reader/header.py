"""The header of Zeek's TSV: lines that begin with ``#`` and give the cells below them their meaning.

It may come again in mid-file with other columns, as it does when logs are concatenated. The separator stands escaped in
its own line, after a space in some versions and a tab in others.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from etl.models import Format
from etl.reader.chunks import Chunk

_USUAL = 4_096
"""Bytes of a header line that is remembered; a longer one would stay in memory after its file."""

START = Format(kind="tsv", separator="\t", set_separator=",", empty_field="(empty)", unset_field="-")
"""Zeek's defaults, and what a ``#separator`` line goes back to."""

_DIRECTIVE = re.compile(rb"#(separator|set_separator|empty_field|unset_field|path|open|close|fields|types)\b")
_LINE_ENDS = {"\n", "\r"}
"""No separator of cells: a line could not hold two."""
_BLANKS = re.compile(r"(?<=\S) +(?=\S)")
BLANKS = "blanks:"
"""Step of ``Format.wrapping``: the last cell holds several, with at least this many blanks between them."""
_ESCAPES = re.compile(r"(?:\\x[0-9a-fA-F]{2})+|\\\\")


def is_header(line: bytes) -> bool:
    """Whether a line is one of those that Zeek heads or closes a log with. Zeek escapes a ``#`` that begins a row."""
    return _DIRECTIVE.match(line) is not None


def headed(before: Format, line: bytes) -> Format:
    """Return the format after one header line; logs of many hours in one file have the same ones again and again."""
    return _remembered(before, line) if len(line) <= _USUAL else _headed(before, line)


def _headed(before: Format, line: bytes) -> Format:
    found = _DIRECTIVE.match(line)
    name = found[1].decode() if found else "open"
    rest = line[found.end() if found else 0 :].rstrip(b"\r\n").decode("utf-8", "backslashreplace")
    rest = rest.replace("\0", r"\x00")  # which no text or jsonb of PostgreSQL's can hold
    separator = before.separator or "\t"
    value = rest[len(separator) :] if rest.startswith(separator) else rest[1:]
    if name == "separator":
        written = unescaped(value.strip(" \t") or value)
        return replace(START, separator="\t" if not written or _LINE_ENDS & set(written) else written)
    if name in {"open", "close"}:  # the sensor's local time, which nothing here depends on
        return before
    many = name in {"fields", "types"}
    if name == "path":  # which has blanks around it where a terminal made blanks of the tabs
        value = value.strip()
    change: dict[str, Any] = {
        name: tuple(map(unescaped, value.split(separator))) if many else unescaped(value)
    }
    return _with_split_cells(replace(before, **change))


_remembered = lru_cache(maxsize=32)(_headed)


def _with_split_cells(after: Format) -> Format:
    """The header of the labelled research sets: the last cell of names holds several, with blanks between."""
    if not after.fields or " " not in after.fields[-1].strip():
        return after
    last = after.fields[-1].strip()
    width = min(len(found[0]) for found in _BLANKS.finditer(last))
    names = re.split(f" {{{width},}}", last)
    fields = (*after.fields[:-1], *names)
    types = after.types
    if types and len(types) < len(fields):
        types = (*types[:-1], *re.split(f" {{{width},}}", types[-1].strip()))
    steps = tuple(step for step in after.wrapping if not step.startswith(BLANKS))
    return replace(after, fields=fields, types=types, wrapping=(*steps, f"{BLANKS}{width}:{len(names)}"))


def unescaped(text: str) -> str:
    r"""Resolve ``\xHH`` and ``\\``, once. Bytes that are not UTF-8 then, and NUL, stay as written."""
    return _ESCAPES.sub(_unescaped_run, text) if "\\" in text else text


def _unescaped_run(found: re.Match[str]) -> str:
    written = found[0]
    if written == "\\\\":
        return "\\"
    data, text, at = bytes.fromhex(written.replace("\\x", "")), "", 0
    while at < len(data):
        char, size = _first_char(data[at : at + 4])
        text += char or written[4 * at : 4 * (at + size)]
        at += size
    return text


def _first_char(data: bytes) -> tuple[str, int]:
    """The character that ``data`` begins with and its size; '' and 1 when that is none, or NUL."""
    for size in range(1, len(data) + 1):
        try:
            char = data[:size].decode()
        except UnicodeDecodeError:
            continue
        return ("" if char == "\0" else char), size
    return "", 1


@dataclass(frozen=True, kw_only=True, slots=True)
class Run:
    """Consecutive data lines under one header, or one line that begins with ``#``."""

    data: bytes
    first: int
    lines: int
    ended: bool
    """False when the last line has no newline."""
    hash: bool = False

    @classmethod
    def of(cls, chunk: Chunk) -> Run:
        """Return a whole chunk as one run."""
        return cls(data=chunk.data, first=chunk.first, lines=chunk.lines, ended=chunk.ended)


def runs(chunk: Chunk) -> Iterator[Run]:
    """Split a chunk at its lines that begin with ``#``."""
    data, at, number = chunk.data, 0, chunk.first
    while (start := _next_hash(data, at)) >= 0:
        if start > at:
            lines = data.count(b"\n", at, start)
            yield Run(data=data[at:start], first=number, lines=lines, ended=True)
            number += lines
        at = data.find(b"\n", start) + 1 or len(data)
        line = data[start:at]
        yield Run(data=line, first=number, lines=1, ended=line.endswith(b"\n"), hash=True)
        number += 1
    if at < len(data):
        lines = chunk.first + chunk.lines - number
        yield Run(data=data[at:] if at else data, first=number, lines=lines, ended=chunk.ended)


def _next_hash(data: bytes, at: int) -> int:
    """Where the next line that begins with ``#`` begins, from the line at ``at`` on; -1 when there is none."""
    if data.startswith(b"#", at):
        return at
    # a single byte is found many times faster than two, and most chunks have not even that
    near = data.find(b"#", at)
    return data.find(b"\n#", near - 1) + 1 or -1 if near >= 0 else -1

"""Lines of quarantine through the present reader and mapping: each with the format that it was once read under.

A TSV line means nothing without its header, and a JSON line alone would be judged as a file of one line. So the format
comes from where the line was kept, and no line can have the others refused.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import polars as pl

from etl.errors import FileError
from etl.mapping.names import Names, names_of
from etl.mapping.values import Fault, empty, standard, text_frame
from etl.models import Format, ReadOptions
from etl.reader import json_exact
from etl.reader.chunks import Chunk
from etl.reader.formats import unwrapper
from etl.reader.holes import whole_row
from etl.reader.jsonl import JsonSource
from etl.reader.tsv import TsvSource

_NOTHING = Chunk(data=b"", first=1, lines=0)


def stored_format(value: Mapping[str, Any]) -> Format:
    """The format as ``Format.as_json`` wrote it."""
    lists = {name: tuple(value.get(name, ())) for name in ("fields", "types", "wrapping")}
    return Format(**{**value, **lists})


def read_again(
    lines: Sequence[tuple[int, bytes]], format_: Format, options: ReadOptions
) -> tuple[pl.DataFrame, list[Fault]]:
    """Map lines (number, bytes without line end) of one file and format.

    Returns:
        A standard frame (``mapping.frame_schema``) of those that are rows now, and the fault of each other line.
    """
    names = names_of(options)
    is_whole = _source(format_, names).whole_in(_NOTHING)
    lines = [(number, _without_holes(line, is_whole)) for number, line in lines]
    inner, faults = _unwrapped(lines, format_, names, options)
    read = _tsv if format_.kind == "tsv" else _json
    raws, more = read(inner, format_, names)
    faults += more
    frames = []
    for raw in raws:
        frame, uncast = standard(raw)
        frames.append(frame)
        faults += uncast
    frame = pl.concat(frames) if frames else empty()
    if frame.height + len(faults) != len(lines):
        raise RuntimeError(f"{len(lines)} lines read again, {frame.height} mapped, {len(faults)} at fault")
    return frame, faults


def row_within(line: bytes, format_: Format) -> bytes:
    """Return the row that a line is wrapped around, as TSV or JSON; the line itself where there is none."""
    names = Names({})
    unwrap = unwrapper(format_, names)
    line = _without_holes(line, _source(format_, names).whole_in(_NOTHING))
    try:
        return unwrap.inner(line) if unwrap else line
    except json_exact.Bad:
        return line


def _source(format_: Format, names: Names) -> TsvSource | JsonSource:
    source = TsvSource(names) if format_.kind == "tsv" else JsonSource(names)
    source.format = format_
    return source


def _without_holes(line: bytes, is_whole: Callable[[bytes], bool]) -> bytes:
    """The line as the file's reader had it: quarantine keeps the NUL bytes within it."""
    return whole_row(line.lstrip(b"\0"), is_whole)


def _unwrapped(
    lines: Sequence[tuple[int, bytes]], format_: Format, names: Names, options: ReadOptions
) -> tuple[list[tuple[int, bytes]], list[Fault]]:
    """The row within each line, and the faults of lines without one."""
    unwrap = unwrapper(format_, names, keep_wrapper=options.keep_wrapper)
    inner: list[tuple[int, bytes]] = []
    faults: list[Fault] = []
    for number, line in lines:
        try:
            inner.append((number, unwrap.inner(line) if unwrap else line))
        except json_exact.Bad as bad:
            faults.append(Fault(line=number, field=bad.field, reason=bad.reason))
    return inner, faults


def _tsv(
    lines: Sequence[tuple[int, bytes]], format_: Format, names: Names
) -> tuple[list[pl.DataFrame], list[Fault]]:
    source = _source(format_, names)
    data = b"".join(line + b"\n" for _, line in lines)
    numbers = pl.Series([number for number, _ in lines], dtype=pl.Int64)
    raws: list[pl.DataFrame] = []
    faults: list[Fault] = []
    try:
        for block in source.read(Chunk(data=data, first=1, lines=len(lines))) if lines else ():
            faults += [
                Fault(line=lines[fault.line - 1][0], field=fault.field, reason=fault.reason)
                for fault in block.faults
            ]
            if block.frame is not None and block.frame.height:
                original = numbers.gather(block.frame["etl_line"] - 1)
                raws.append(block.frame.with_columns(original.alias("etl_line")))
    except FileError as error:
        return [], [Fault(line=number, field=None, reason=error.kind) for number, _ in lines]
    return raws, faults


def _json(
    lines: Sequence[tuple[int, bytes]], _format: Format, names: Names
) -> tuple[list[pl.DataFrame], list[Fault]]:
    rows: list[dict[str, Any]] = []
    faults: list[Fault] = []
    for number, line in lines:
        try:
            row, further = json_exact.parse(line, names)
            rows.append({**row, "etl_line": number, "extra": json_exact.encoded(further)})
        except json_exact.Bad as bad:
            faults.append(Fault(line=number, field=bad.field, reason=bad.reason))
    return ([text_frame(rows)] if rows else []), faults

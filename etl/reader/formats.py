"""Which format a log has, told by its first lines: Zeek's TSV, rows under a plain header, or JSON lines."""

from __future__ import annotations

from dataclasses import dataclass, replace

from etl.mapping.names import Names
from etl.models import Format
from etl.reader import csv_rows, header, signatures, wrapping
from etl.reader.jsonl import FORMAT as JSON

Unwrap = wrapping.Wrapping | csv_rows.PlainRows
_HEADER_LINES = 200
"""Lines that decide the format, one of which may be damaged."""
_SAMPLE = 1_000
_FIRST, _EACH = 50, 20
"""Lines of the sample that tell of a wrapper: the first ones, and one in so many of the others."""
_SAMPLE_BYTES = 1 << 22
_HEAD = 1 << 20


@dataclass(frozen=True, kw_only=True, slots=True)
class Detected:
    """The format of a log's first lines, and what unwraps them; None for lines that are rows as they stand."""

    format: Format
    unwrap: Unwrap | None = None


def unwrapper(format_: Format, names: Names, *, keep_wrapper: bool = False) -> Unwrap | None:
    """Return what takes off a format's lines what is around their rows; None where nothing is."""
    if format_.kind == "json":
        return wrapping.Wrapping(format_.wrapping, names, keep=keep_wrapper) if format_.wrapping else None
    plain = next((s for s in format_.wrapping if s == csv_rows.HEADER or s.startswith(csv_rows.CSV)), None)
    return csv_rows.PlainRows(plain, names, format_.fields) if plain else None


def detect(data: bytes, names: Names, *, keep_wrapper: bool = False) -> Detected:
    """Tell the format by the first chunk of a log.

    Raises:
        NotAConnLog: neither a header, nor anything that begins like JSON; or TSV within JSON.
        OtherLog: JSON lines that each hold a row of another stream.
    """
    lines = [line for line in data[:_HEAD].split(b"\n", _HEADER_LINES)[:_HEADER_LINES] if line.strip()]
    if any(header.is_header(line) for line in lines):
        return Detected(format=header.START)
    if step := csv_rows.learnt(lines, names):
        plain = replace(header.START, wrapping=(step,))
        return Detected(format=plain, unwrap=unwrapper(plain, names))
    if not any(line.lstrip(b" \t\x1e").startswith((b"{", b"[")) or wrapping.prefix(line) for line in lines):
        raise signatures.unknown(data)
    sample = data[:_SAMPLE_BYTES].split(b"\n", _SAMPLE)[:_SAMPLE]
    if steps := wrapping.learnt([*sample[:_FIRST], *sample[_FIRST::_EACH]], names, data):
        wrapped = replace(JSON, wrapping=steps)
        return Detected(format=wrapped, unwrap=unwrapper(wrapped, names, keep_wrapper=keep_wrapper))
    return Detected(format=JSON)

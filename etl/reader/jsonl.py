"""Read JSON lines into raw frames.

A plan, learnt from a sample of lines, says which key is which field and of what type; polars parses a block by it, in
its lenient mode: what does not fit becomes null, further keys are dropped, and numbers in text columns are printed
anew. None of that may pass, so keys, quotes, brackets and braces of the bytes are counted against the frame's cells.
They differ → the same counts line by line tell which lines; those are read by another plan if they are many (a log
that mixes forms), else one by one by ``careful``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from etl.errors import MissingColumn, NotAConnLog, OtherLog
from etl.fields import LOG, REQUIRED
from etl.mapping.names import LOG_COLUMN, Names, is_other_log
from etl.mapping.values import Fault, text_frame
from etl.models import Format
from etl.reader import json_exact
from etl.reader.chunks import Piece
from etl.reader.json_fast import Plan, learnt, objects
from etl.reader.lines import Lines, without
from etl.reader.parts import Part

FORMAT = Format(kind="json")
_SAMPLE = 1_000
_MANY = 500
"""Doubtful lines from which another plan pays."""
_PLANS = 3
_MOST_KEYS = 10_000
_CROWDED = _MOST_KEYS * len('"":0,')


class JsonSource:
    """Reads the pieces of one file; plans are kept from one piece to the next."""

    def __init__(self, names: Names) -> None:
        self.format = FORMAT
        self.extra: dict[str, str] = {}
        self._names = names
        self._plans: list[Plan] = []
        self._seen: set[str] = set()

    def read(self, piece: Piece) -> Iterator[Part]:
        """Yield the parts of a piece.

        Raises:
            NotAConnLog: the file begins with no object on one line (pretty-printed JSON among others).
            MissingColumn: nothing in the first piece has a column that every row needs.
            OtherLog: the first piece names another log alone, or has no column that only conn has.
        """
        lines, crowded = _without_crowded(Lines.of(piece))
        if crowded:
            yield Part(format=FORMAT, rows=len(crowded), faults=crowded)
        first = not self._plans
        if first:
            lines = _without_blank(lines)
            if not len(lines):
                return
            self._begin(lines)
        parts = list(self._parts(lines, 0))
        if first:
            self._judge(parts)
        for part in parts:
            yield part if piece.ended else _unterminated(part, piece.first + piece.lines - 1)

    # --- the file as a whole ----------------------------------------------------------------------------------

    def _begin(self, lines: Lines) -> None:
        found = objects(lines.sample(_SAMPLE))
        if not found:
            _refuse_shape(lines)
        self._seen = {key for keys in found for key in json_exact.flat_keys(keys)}
        paths = [members[LOG_COLUMN] for members in found if members.get(LOG_COLUMN) is not None]
        marks = (f'"_path":{space}"{LOG}"'.encode() for space in ("", " "))
        named_here = any(mark in lines.data for mark in marks)
        if paths and LOG not in paths and len(paths) == len(found) and not named_here:
            raise OtherLog(f"a log of {str(paths[0])[:100]}, not of {LOG}")
        if found and not paths and is_other_log(self._seen):
            raise OtherLog(f"JSON with columns of another log, and none that only {LOG} has")
        self._plans.append(learnt(found, self._names))

    def _judge(self, parts: list[Part]) -> None:
        """A column cut away by a filter of Zeek's is missing everywhere."""
        raws = [part.raw for part in parts if part.raw is not None]
        if not (rows := sum(raw.height for raw in raws)):
            return
        seen = {field for key in self._seen if (field := self._names.find(key)[0])}
        seen |= {name for raw in raws for name in raw.columns if raw[name].null_count() < raw.height}
        if missing := [field.zeek for field in REQUIRED if field.zeek not in seen]:
            raise MissingColumn(f"none of its first {rows:,} rows has {', '.join(missing)}")

    # --- lines by plan, the doubtful ones again ---------------------------------------------------------------

    def _parts(self, lines: Lines, depth: int) -> Iterator[Part]:
        raw, doubtful = self._plan(lines, depth).read(lines)
        if raw.frame.height:
            self.extra = {**raw.extra, **self.extra}
            yield Part(format=FORMAT, rows=raw.frame.height, raw=raw.frame, faults=[])
        if raw.other_log:
            faults = [Fault(line=line, field=None, reason="other_log") for line in raw.other_log]
            yield Part(format=FORMAT, rows=len(faults), faults=faults)
        doubtful = _without_blank(doubtful)
        if len(doubtful) > _MANY and depth + 1 < _PLANS:
            yield from self._parts(doubtful, depth + 1)
        elif len(doubtful):
            yield self._one_by_one(doubtful)

    def _plan(self, lines: Lines, depth: int) -> Plan:
        if depth == len(self._plans) or depth == _PLANS - 1:
            del self._plans[depth:]
            self._plans.append(learnt(objects(lines.sample(_SAMPLE)), self._names))
        return self._plans[depth]

    def _one_by_one(self, lines: Lines) -> Part:
        rows: list[dict[str, Any]] = []
        faults: list[Fault] = []
        for i, number in enumerate(lines.numbers.tolist()):
            line = lines.line(i)
            if not line.strip():
                continue
            try:
                row, further = json_exact.parse(line, self._names)
                text = json_exact.encoded(further)
            except json_exact.Bad as bad:
                faults.append(Fault(line=number, field=bad.field, reason=bad.reason))
                continue
            for key, value in further.items():
                self.extra.setdefault(key, json_exact.kind(value))
            rows.append({**row, "etl_line": number, "extra": text})
        raw = text_frame(rows) if rows else None
        return Part(format=FORMAT, rows=len(rows) + len(faults), raw=raw, faults=faults)


def _without_blank(lines: Lines) -> Lines:
    """Take out lines without anything: by the million in a bomb, so not one by one."""
    return lines.kept(~lines.blank()) if len(lines) else lines


def _without_crowded(lines: Lines) -> tuple[Lines, list[Fault]]:
    """Take out lines with far more keys than any log has: each would cost seconds, its names a place in the plan."""
    if lines.shorter_than(_CROWDED):
        return lines, []
    long = np.flatnonzero(np.diff(lines.ends, prepend=-1) > _CROWDED)
    crowded = [int(i) for i in long if lines.line(int(i)).count(b'":') > _MOST_KEYS]
    if not crowded:
        return lines, []
    faults = [Fault(line=int(lines.numbers[i]), field=None, reason="too_many_keys") for i in crowded]
    return lines.kept(without(len(lines), crowded)), faults


def _refuse_shape(lines: Lines) -> None:
    """No line is an object: say what it may be, unless it looks like a log of one half-written line."""
    first = next((line for i in range(len(lines)) if (line := lines.line(i).strip())), b"")
    if first in (b"{", b"[", b"[{") or (first.startswith(b"[") and not first.startswith(b"[\0")):
        raise NotAConnLog(
            "pretty-printed JSON: a conn log has one object on each line",
            hint="jq -c turns it into JSON lines",
        )
    if not first.startswith(b'{"'):
        raise NotAConnLog("neither Zeek TSV nor JSON lines")


def _unterminated(part: Part, last: int) -> Part:
    """A half object at the end without a newline is a torn line, whatever is wrong with it."""
    torn = ("not_json", "invalid_utf8", "not_an_object")
    faults = [
        replace(fault, reason="unterminated") if fault.line == last and fault.reason in torn else fault
        for fault in part.faults
    ]
    return replace(part, faults=faults)

"""Read JSON lines into raw frames.

A schema, inferred from a sample of lines, lets polars parse a block fast (``json_fast``). Lines that were not read to
the letter are read by a further schema if they are many (a log that mixes forms), else one by one (``json_exact``).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from etl.errors import MissingColumn, NotAConnLog, OtherLog
from etl.fields import LOG, OWN_COLUMNS, REQUIRED
from etl.mapping.alias_sets import ALIAS_SETS
from etl.mapping.bounds import LINE_KEYS, SHOWN
from etl.mapping.names import STREAM_COLUMNS, Names
from etl.mapping.values import Fault, text_frame
from etl.models import Format
from etl.reader import json_exact, signatures
from etl.reader.chunks import Chunk
from etl.reader.json_fast import FastParser
from etl.reader.json_schema import infer, objects, require_few
from etl.reader.lines import Lines, without
from etl.reader.raw_block import RawBlock

FORMAT = Format(kind="json")
_SAMPLE = 1_000
_MANY = 500
"""Doubtful lines from which another schema pays."""
_SCHEMAS = 3
_FEW = 20
"""Objects of the sample that hints are made from."""
_CROWDED = LINE_KEYS * len('"":0,')
_JOINT = re.compile(rb"\}[ ,]*\{")
_JOINED_FOR_EACH_ROW = 2


class JsonSource:
    """Reads the chunks of one file; schemas are kept from one chunk to the next."""

    def __init__(self, names: Names, wrapping: tuple[str, ...] = ()) -> None:
        self.format = replace(FORMAT, wrapping=wrapping)
        self.extra: dict[str, str] = {}
        self._names = names
        self._parsers: list[FastParser] = []
        self._seen: set[str] = set()
        self._sample: list[dict[str, Any]] = []
        self._rows = self._joined = 0

    def read(self, chunk: Chunk) -> Iterator[RawBlock]:
        """Yield the raw blocks of a chunk.

        Raises:
            NotAConnLog: the file begins with no object on one line (pretty-printed JSON among others).
            MissingColumn: nothing in the first chunk has a column that every row needs.
            OtherLog: each row of the first chunk is of another log.
            TooLarge: the file has more different keys than any log.
        """
        lines, crowded = _without_crowded(Lines.of(chunk))
        if crowded:
            yield RawBlock(format=self.format, rows=len(crowded), faults=crowded)
        first = not self._parsers
        if first:
            lines = _without_blank(lines)
            if not len(lines):
                return
            self._begin(lines)
        blocks = list(self._blocks(lines, 0))
        if first:
            self._judge(blocks)
        for block in blocks:
            self._rows += block.frame.height if block.frame is not None else 0
            yield block if chunk.ended else _unterminated(block, chunk.first + chunk.lines - 1)

    def whole_in(self, _chunk: Chunk) -> Callable[[bytes], bool]:
        """Return what tells whether bytes of a chunk are one whole row."""
        return lambda line: bool(objects([line]))

    def finish(self) -> None:
        """Judge the file as a whole.

        Raises:
            NotAConnLog: most of its objects stand several on a line, where no line can be a row.
        """
        if self._joined > _JOINED_FOR_EACH_ROW * self._rows:
            raise signatures.joined_objects()

    # --- the file as a whole ----------------------------------------------------------------------------------

    def _begin(self, lines: Lines) -> None:
        sample = lines.sample(_SAMPLE)
        found = objects(sample)
        signatures.refuse_json_shape(sample, found, self._names)
        self._seen = {key for members in found for key in json_exact.flat_keys(members, self._names.roots)}
        require_few(self._seen)
        if found and all(map(self._is_other, found)) and not self._may_be_own(lines.data):
            stream = self._names.stream_of(found[0])
            named = f"a log of {stream[:SHOWN]}, not of {LOG}" if stream else None
            raise OtherLog(named or f"JSON with columns of another log, and none that only {LOG} has")
        self._sample = found[:_FEW]
        self._parsers.append(FastParser(infer(found, self._names), self._names))

    def _is_other(self, members: dict[str, Any]) -> bool:
        filled = {key: value for key, value in members.items() if value is not None}
        return self._names.is_other(
            self._names.stream_of(members), json_exact.flat_keys(filled, self._names.roots)
        )

    def _may_be_own(self, data: bytes) -> bool:
        """Whether a row that the sample left out may be of this log."""
        own = [f'"{name}"'.encode() for name in OWN_COLUMNS]
        named = [f'"{c}":{blank}"{LOG}"'.encode() for c in STREAM_COLUMNS for blank in ("", " ")]
        return any(mark in data for mark in (*named, *own))

    def _judge(self, blocks: list[RawBlock]) -> None:
        """A column cut away by a filter of Zeek's is missing everywhere."""
        frames = [block.frame for block in blocks if block.frame is not None]
        if not (rows := sum(frame.height for frame in frames)):
            return
        seen = {field for key in self._seen if (field := self._names.find(key)[0])}
        seen |= {
            name for frame in frames for name in frame.columns if frame[name].null_count() < frame.height
        }
        missing = [field.zeek for field in REQUIRED if field.zeek not in seen]
        if not missing:
            return
        hint = next(
            (f"CONN_ETL_ALIAS_SETS='[\"{name}\"]' knows them" for name in self._sets_that_fit()), None
        )
        if len(missing) == len(REQUIRED):
            raise NotAConnLog(
                "JSON lines without one column of a conn log",
                hint=hint or "CONN_ETL_ALIASES can give its columns other names",
            )
        raise MissingColumn(f"none of its first {rows:,} rows has {', '.join(missing)}", hint=hint)

    def _sets_that_fit(self) -> Iterator[str]:
        """Sets of aliases that would find all columns which every row needs."""
        for name in ALIAS_SETS:
            names = Names({}, alias_sets=[name])
            keys = {key for members in self._sample for key in json_exact.flat_keys(members, names.roots)}
            if {field.zeek for field in REQUIRED} <= {names.find(key)[0] for key in keys}:
                yield name

    # --- lines by schema, the doubtful ones again -------------------------------------------------------------

    def _blocks(self, lines: Lines, depth: int) -> Iterator[RawBlock]:
        parsed, doubtful = self._parser(lines, depth).read(lines)
        if parsed.frame.height:
            self.extra = {**parsed.extra, **self.extra}
            yield RawBlock(format=self.format, rows=parsed.frame.height, frame=parsed.frame, faults=[])
        if parsed.other_log:
            faults = [Fault(line=line, field=None, reason="other_log") for line in parsed.other_log]
            yield RawBlock(format=self.format, rows=len(faults), faults=faults)
        doubtful = _without_blank(doubtful)
        if len(doubtful) > _MANY and depth + 1 < _SCHEMAS:
            yield from self._blocks(doubtful, depth + 1)
        elif len(doubtful):
            yield self._one_by_one(doubtful)

    def _parser(self, lines: Lines, depth: int) -> FastParser:
        if depth == len(self._parsers) or depth == _SCHEMAS - 1:
            del self._parsers[depth:]
            columns = infer(objects(lines.sample(_SAMPLE)), self._names)
            self._parsers.append(FastParser(columns, self._names))
        return self._parsers[depth]

    def _one_by_one(self, lines: Lines) -> RawBlock:
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
                if bad.reason == "not_json":
                    self._joined += _objects_joined(line)
                continue
            for key, value in further.items():
                self.extra.setdefault(key, json_exact.kind(value))
            require_few(self.extra)
            rows.append({**row, "etl_line": number, "extra": text})
        frame = text_frame(rows) if rows else None
        return RawBlock(format=self.format, rows=len(rows) + len(faults), frame=frame, faults=faults)


def _objects_joined(line: bytes) -> int:
    """How many objects stand on a line that is no JSON; 0 when it is wrong for another reason."""
    joints = len(_JOINT.findall(line))
    return (
        joints + 1 if joints and line.lstrip().startswith(b"{") and line.rstrip(b" ,\r").endswith(b"}") else 0
    )


def _without_blank(lines: Lines) -> Lines:
    """Take out lines without anything: by the million in a bomb, so not one by one."""
    return lines.kept(~lines.blank()) if len(lines) else lines


def _without_crowded(lines: Lines) -> tuple[Lines, list[Fault]]:
    """Take out lines with far more keys than any log has: each would cost seconds, its names a place in the schema."""
    if lines.shorter_than(_CROWDED):
        return lines, []
    long = np.flatnonzero(np.diff(lines.ends, prepend=-1) > _CROWDED)
    crowded = [int(i) for i in long if lines.line(int(i)).count(b'":') > LINE_KEYS]
    if not crowded:
        return lines, []
    faults = [Fault(line=int(lines.numbers[i]), field=None, reason="too_many_keys") for i in crowded]
    return lines.kept(without(len(lines), crowded)), faults


def _unterminated(block: RawBlock, last: int) -> RawBlock:
    """A half object at the end without a newline is a torn line, whatever is wrong with it."""
    torn = ("not_json", "invalid_utf8", "not_an_object")
    faults = [
        replace(fault, reason="unterminated") if fault.line == last and fault.reason in torn else fault
        for fault in block.faults
    ]
    return replace(block, faults=faults)

r"""What a row may be wrapped in, learnt from a sample of lines: taken off each line before the line is read.

Steps, from outside in:

- ``prefix``: what syslog, Docker Compose or Kubernetes write before the JSON: ``Mar  1 09:00:00 north zeek: {"ts": …}``
- ``key:_source``: the row is the value of a key, as an object or as text: ``{"_source": {"ts": …}}``
- ``csv:,``: quoted cells and another separator, written as Zeek's TSV again (``csv_rows``)
- ``header``: Zeek's ``tsv`` option, whose first line names the columns without a ``#`` (``csv_rows``)

A line keeps its number, and its bytes as they are in the log: only what the reader sees is unwrapped.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any

import msgspec

from etl.errors import NotAConnLog, OtherLog
from etl.fields import LOG, REQUIRED
from etl.mapping.names import Names
from etl.mapping.streams import is_stream
from etl.mapping.values import Fault
from etl.reader.chunks import Chunk
from etl.reader.json_exact import Bad, flat_keys

PREFIX = "prefix"
KEY = "key:"
DEPTH = 3
KEYS = (
    *(
        "_raw",
        "_source",
        "result",
        "event",
        "original",
        "event.original",
        "json",
        "message",
        "log",
        "MESSAGE",
    ),
    *("data", "zeek", "payload", "value", "record", "body", "line", "short_message", "full_message"),
)
"""Keys that shippers put a row under, beside the stream's own name; the first that holds a row is it."""
_ENOUGH = 4
"""Required fields by which an object is known as a row."""
_MOST = 0.9
"""Share of the sample's lines that have a prefix, so that one torn line does not refuse a file."""
_TABS = 8
_CANDIDATES = 20
"""Lines that may hold the first row of this log, among rows of others."""

_CLOCK = r"\d\d:\d\d:\d\d(?:[.,]\d+)?"
_MOMENT = (
    rf"(?:[A-Z][a-z]{{2}} [ \d]?\d (?:\d{{4}} )?{_CLOCK}(?: \d{{4}})?"  # RFC 3164, and with a year
    rf"|\d{{4}}-\d\d-\d\d[T ]{_CLOCK}(?:Z|[+-]\d\d:?\d\d)?)"  # RFC 3339, as in RFC 5424, rsyslog and Kubernetes
)
_REST = r'(?:[^{"]|"(?:[^"\\]|\\.)*")*?'
"""Up to the row's brace; structured data of RFC 5424 has its braces in quotes."""
_PREFIXED = re.compile(
    rf"(?:(?:\d+ )?<\d{{1,3}}>(?:\d )?(?:{_MOMENT}|-)?|{_MOMENT}|[\w./-]{{1,100}} *\|){_REST}(?=\{{)".encode()
)
_LONGEST_PREFIX = 4_096
_members = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_text = msgspec.json.Decoder(str).decode
_object = msgspec.json.Decoder(dict[str, Any]).decode
_check = msgspec.json.Decoder(msgspec.Raw).decode
_ERRORS = (msgspec.DecodeError, RecursionError, UnicodeDecodeError)


class Wrapping:
    """Takes the steps off lines of one file."""

    def __init__(self, steps: Sequence[str], names: Names, *, keep: bool = False) -> None:
        """``keep``: what else a wrapper says goes into the row, as its member ``wrapper``."""
        self.steps = tuple(steps)
        self._names = names
        self._keep = keep

    def inner(self, line: bytes) -> bytes:
        """Return the row within a line.

        Raises:
            Bad: the line is not JSON, of another log, or there is no row in it.
        """
        kept: dict[str, bytes] = {}
        for step in self.steps:
            if step == PREFIX:
                line = line[prefix(line) :]
            elif step.startswith(KEY):
                line = self._member(line, step.removeprefix(KEY), kept)
        return _with_wrapper(line, kept) if kept else line

    def _member(self, line: bytes, key: str, kept: dict[str, bytes]) -> bytes:
        try:
            members = _members(line)
        except UnicodeDecodeError:
            raise Bad("invalid_utf8") from None
        except (msgspec.DecodeError, RecursionError):
            raise Bad("nul_byte" if b"\0" in line else "not_json") from None
        if key not in members:
            if is_row(members, self._names):
                return line
            if _other_stream(members, self._names):
                raise Bad("other_log")
            raise Bad("no_row_inside")
        if line.count(f'"{key}"'.encode()) > 1 and _is_repeated(line, key):
            raise Bad("duplicate_key")
        if self._keep:
            for name, value in members.items():
                if name != key:
                    kept.setdefault(name, bytes(value))
        return _row(bytes(members[key]))

    def unwrapped(self, chunk: Chunk) -> tuple[Chunk, list[Fault]]:
        """Return the chunk with each line's row in its place, and the faults of lines without one, blank there."""
        return inner_lines(chunk, self.inner)


def inner_lines(chunk: Chunk, inner: Callable[[bytes], bytes]) -> tuple[Chunk, list[Fault]]:
    """Return the chunk with each line as ``inner`` gives it, and the faults of lines that it calls bad, blank there."""
    lines = chunk.data.split(b"\n")
    faults: list[Fault] = []
    for i, line in enumerate(lines):
        if not line.strip():
            continue
        try:
            lines[i] = inner(line)
        except Bad as bad:
            lines[i] = b""
            torn = not chunk.ended and i == len(lines) - 1
            reason = "unterminated" if torn else bad.reason
            faults.append(Fault(line=chunk.first + i, field=None, reason=reason))
    return replace(chunk, data=b"\n".join(lines), _ends=[]), faults


def learnt(lines: Sequence[bytes], names: Names, data: bytes = b"") -> tuple[str, ...]:
    """Return the steps that most rows in a sample of JSON are wrapped in; none for plain rows.

    ``data`` is what the sample was taken from: where the sample has other streams alone, it may have a row of this log.

    Raises:
        OtherLog: each line holds a row of another stream under its name.
        NotAConnLog: the lines hold Zeek's TSV, which means nothing without its header, or rows under an unknown key.
    """
    steps: tuple[str, ...] = ()
    filled = [line for line in lines if line.strip()]
    lengths = [prefix(line) for line in filled]
    if filled and sum(length > 0 for length in lengths) >= _MOST * len(filled):
        steps = (PREFIX,)
        filled = [line[length:] for line, length in zip(filled, lengths, strict=True)]
    found = [members for line in filled if (members := _decoded(line)) is not None]
    ways = Counter(way for members in found if (way := _way(members, names)) is not None)
    others = [] if ways else [_other_stream(members, names) for members in found]
    if any(others):
        if own := _own_way(data, names):
            return steps + own
        if all(others):
            raise OtherLog(f"a log of {others[0]}, not of {LOG}")
    way, count = max(ways.items(), key=lambda item: item[1], default=((), 0))
    if 2 * count <= ways.total():
        way = ()
    if not way and (key := _tsv_key(found)):
        raise NotAConnLog(
            f"lines of Zeek TSV inside the key {key}",
            hint=f"unpack them with their header first: jq -r .{key} FILE | conn-etl ingest -",
        )
    if not (ways or any(others)) and (key := _unknown_key(found, names)):
        raise NotAConnLog(
            f"rows inside the key {key}",
            hint=f"jq -r '.[{json.dumps(key)}]|tostring' FILE | conn-etl ingest -",
        )
    return steps + _steps(way)


def prefix(line: bytes) -> int:
    """Return the length of what stands before a line's JSON; 0 where there is nothing known."""
    if line.startswith(b"{"):
        return 0
    found = _PREFIXED.match(line, 0, _LONGEST_PREFIX)
    return found.end() if found else 0


def is_row(members: dict[str, Any], names: Names) -> bool:
    """Whether an object has so many of the required fields that it is a row."""
    fields = {names.find(key)[0] for key in flat_keys(members, names.roots)}
    return sum(field.zeek in fields for field in REQUIRED) >= _ENOUGH


def _way(members: dict[str, Any], names: Names) -> tuple[str, ...] | None:
    """The keys that lead to the row; () for a plain row, None where there is none of any log."""
    return () if is_row(members, names) else next(_ways(members, names, DEPTH), None)


def _own_way(data: bytes, names: Names) -> tuple[str, ...]:
    """The step to the first row of this log among wrapped rows of others; none where there is no such row."""
    streams = b"|".join(re.escape(stream.encode()) for stream in sorted(names.streams))
    named = re.compile(rb'"(?:%s)"\s*:\s*[{"]' % streams, re.IGNORECASE)
    for found in islice(named.finditer(data), _CANDIDATES):
        line = data[data.rfind(b"\n", 0, found.start()) + 1 :].partition(b"\n")[0]
        members = _decoded(line[line.find(b"{") :])
        if members is not None and (way := _way(members, names)):
            return _steps(way)
    return ()


def _steps(way: Sequence[str]) -> tuple[str, ...]:
    return tuple(f"{KEY}{key}" for key in way)


def _unknown_key(found: Sequence[dict[str, Any]], names: Names) -> str | None:
    """A key that holds rows, and is none of those that are known."""
    for members in found:
        for key, value in members.items():
            inner = _inner(value)
            if inner is not None and is_row(inner, names):
                return key
    return None


def _ways(members: dict[str, Any], names: Names, depth: int) -> Iterator[tuple[str, ...]]:
    own = [key for key in members if names.is_own(key)]
    for key in (*own, *(key for key in KEYS if key in members)):
        inner = _inner(members[key])
        if inner is None:
            continue
        if depth > 1:
            deeper = _ways(inner, names, depth - 1)
            yield from ((key, *way) for way in deeper if "_raw" in way or not is_row(inner, names))
        if is_row(inner, names):
            yield (key,)


def _inner(value: object) -> dict[str, Any] | None:
    """The object that a value is, or that it holds as text."""
    if isinstance(value, str):
        return _decoded(value.encode("utf-8", "surrogatepass")) if "{" in value[:100] else None
    return value if isinstance(value, dict) else None


def _other_stream(members: dict[str, Any], names: Names) -> str | None:
    """The other stream whose row a line has under its name: ``{"dns": {…}}``, also beside keys of a shipper."""
    for key, value in members.items():
        if not is_stream(key.lower()) or names.is_own(key):
            continue
        inner = _decoded(bytes(value)) if isinstance(value, msgspec.Raw) else value
        if isinstance(inner, dict) and (len(members) == 1 or "ts" in inner):
            return key
    return None


def _tsv_key(found: Sequence[dict[str, Any]]) -> str | None:
    """The key whose texts are lines of TSV."""
    for key in KEYS:
        texts = [text for members in found if isinstance(text := members.get(key), str)]
        if texts and 2 * sum(text.count("\t") >= _TABS for text in texts) > len(texts):
            return key
    return None


def _decoded(line: bytes) -> dict[str, Any] | None:
    try:
        return _object(line)
    except _ERRORS:
        return None


def _row(value: bytes) -> bytes:
    """The bytes of an object, or of one that a text holds."""
    value = value.strip()
    if value.startswith(b'"'):
        try:
            value = _text(value).encode().strip()
        except (*_ERRORS, UnicodeEncodeError):
            raise Bad("not_json") from None
    if not value.startswith(b"{"):
        raise Bad("no_row_inside")
    if b"\n" in value:  # between members, where JSON allows it; inside of a text it is no JSON
        try:
            _check(value)
        except _ERRORS:
            raise Bad("not_json") from None
        value = value.replace(b"\n", b" ")
    return value


def _is_repeated(line: bytes, key: str) -> bool:
    """Whether the outermost object has a key twice: the last one would win in silence."""
    seen: list[int] = []

    def pairs(found: list[tuple[str, Any]]) -> None:
        seen.append(sum(name == key for name, _ in found))

    try:
        json.loads(line.decode("utf-8", "replace"), object_pairs_hook=pairs, parse_int=str)
    except (ValueError, RecursionError):
        raise Bad("not_json") from None
    return seen[-1] > 1


def _with_wrapper(line: bytes, kept: dict[str, bytes]) -> bytes:
    """The row with one more member, which holds what the wrappers said beside it."""
    body = line.rstrip()
    if not body.endswith(b"}"):
        return line
    members = b",".join(msgspec.json.encode(name) + b":" + value for name, value in kept.items())
    comma = b"" if body[1:-1].strip() == b"" else b","
    return body[:-1] + comma + b'"wrapper":{' + members + b"}}"

"""Seeded damage to conn logs: broken lines between whole ones, and whole files."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import random
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from backports import zstd

from tests.logs import TYPES, flow, json_lines, tsv

GOLDEN = Path(__file__).resolve().parents[1] / "data" / "conn"
REPORTED = GOLDEN.with_name("reported")
SAMPLES = Path(__file__).resolve().parents[2] / "samples" / "logs"
CELLS = (
    b"", b"-", b"(empty)", b"\\.", b"\\N", b'"', b"'", b'""', b"\\", b"\\x00", b"\\xff", b"\\x0a", b"\\x09", b"\0", b"\xff",
    b"\xc3(", b"\xed\xa0\x80", b"NaN", b"inf", b"-inf", b"1e400", b"-0", b"+1", b" 1", b"1 ", b"0x10", b"1_000", b"T", b"F",
    b"true", b"null", b"9" * 30, b"-" + b"9" * 19, b"9223372036854775807", b"9223372036854775808", b"18446744073709551615",
    b"65536", b"-1", b"1.0", b"1e3", b"8.8.8.999", b"::1", b"fe80::1%eth0", b"10.0.0.0/8", b"::ffff:1.2.3.4", b"1.2.3",
    b"2026-03-01T08:00:00.1234567Z", b"1772352000000", b"0", b"253402300800", b"\xef\xbb\xbf", b"; DROP TABLE zeek.conn; --",
    b"'||(SELECT 1)||'", b"%s %(x)s {0} :name", b"a,b", b"\r", b"\x1a", b"\x7f", "é\u2028".encode(), b"x" * 3_000,
)  # fmt: skip
JSON_CELLS = (
    b"null", b"true", b"false", b"0", b"-1", b"1e400", b"1E5", b"-0.0", b"9" * 400, b'""', b'"-"', b'"(empty)"', b"[]",
    b"{}", b"[[[[[]]]]]", b'{"a":{"b":[1]}}', b'["C1","C2"]', b"[null]", b'"\\u0000"', b'"\\ud800"', b'"\\\\x07"', b'"\\u0007"',
    b'"\\."', b'"\\N"', b'"\x00"', b'"\xff"', b"NaN", b"Infinity", b"01", b"1.", b".5", b"+1", b"'x'", b"undefined", b'"',
    b"18446744073709551615", b"9223372036854775808", b'"8.8.8.999"', b'"::1"', b'"fe80::1%eth0"', b'"2026-03-01T08:00:00Z"',
)  # fmt: skip
KEYS = (
    b"uid", b"id", b"_path", b'x\\"; DROP TABLE zeek.conn; --', b"extra", b"etl_file_id", b"@timestamp", b"", b"\\u0000", b"a" * 300,
    b"constructor", b"ts", b"id.orig_h", b"id_orig_h", b"src", b"%s", b"{0}",
)  # fmt: skip
SPLICES = (
    b"\n", b"\r\n", b"\0", b"\t", b'"', b"\\", b"{", b"}", b"[", b"]", b",", b":", b"#", b"\xff", b"\xef\xbb\xbf", b" ",
    b"\n\n", b"\n#close\t2026\n", b"\\x", b"\\u", b'"}\n{"', b"\n{}\n", b"\nnull\n", b"\n-\n",
)  # fmt: skip
HEADERS = (
    b"#fields\tts\n", b"#fields\tts\tuid\n", b"#separator ,\n", b"#separator \\x2c\n", b"#separator \\x0a\n", b"#path\tdns\n",
    b"#path\tconn\n", b"#unset_field\t(empty)\n", b"#empty_field\t\n", b"#set_separator\t\t\n", b"#types\ttime\n", b"#\n", b"#fields\n",
    b'#fields\tts\tuid\tid.orig_h\tid.orig_p\tid.resp_h\tid.resp_p\tproto\t"; DROP TABLE zeek.conn; --\n',
)  # fmt: skip


@dataclass(frozen=True, kw_only=True, slots=True)
class Log:
    """A damaged log: its bytes, how many lines were damaged, and the uids of its whole lines that must load."""

    data: bytes
    damaged: int
    whole: frozenset[str]


def lines(rng: random.Random, count: int) -> Log:
    """A log of ``count`` damaged lines and one whole one for every eight; nothing damaged ends its neighbours."""
    is_json = rng.random() < 0.5
    base = rng.randrange(10**6)
    made: list[bytes] = []
    whole: set[str] = set()
    for number in range(count):
        if number % 8 == 0:
            row = flow(base + number)
            made.append(_line(row, is_json))
            whole.add(row["uid"])
        made.append(_damaged(rng, _line(flow(base + number, uid=f"D{number}"), is_json), is_json))
    made.append(_line(flow(base + count), is_json))
    whole.add(flow(base + count)["uid"])
    head = b"" if is_json else b"\n".join(tsv([]).split(b"\n")[:8]) + b"\n"
    body = b"".join(line + b"\n" for line in made)
    if is_json:
        head = _line(flow(base + count + 1), is_json) + b"\n"
    return Log(data=head + body, damaged=count, whole=frozenset(whole))


def _line(row: dict[str, object], is_json: bool) -> bytes:
    if is_json:
        return json_lines([row]).removesuffix(b"\n")
    return tsv([row]).split(b"\n")[8]


def _damaged(rng: random.Random, line: bytes, is_json: bool) -> bytes:
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        line = _damage_json(rng, line) if is_json else _damage_tsv(rng, line)
    # a line of this log, whatever came of it: a header in its middle is another trial's business
    return line.replace(b"\n#", b"\n_").removeprefix(b"#")


def _damage_tsv(rng: random.Random, line: bytes) -> bytes:
    cells = line.split(b"\t")
    match rng.randrange(6):
        case 0 | 1 | 2:
            cells[rng.randrange(len(cells))] = rng.choice(CELLS)
        case 3:
            cells[rng.randrange(len(cells))] += rng.choice(CELLS)
        case 4:
            cells = (
                cells[: rng.randrange(1, len(cells) + 1)]
                if rng.random() < 0.5
                else [*cells, rng.choice(CELLS)]
            )
        case _:
            return _bytes(rng, line)
    return b"\t".join(cells)


def _damage_json(rng: random.Random, line: bytes) -> bytes:
    match rng.randrange(6):
        case 0 | 1 | 2:
            parts = line.split(b",")
            at = rng.randrange(len(parts))
            key = parts[at].partition(b":")[0]
            parts[at] = key + b":" + rng.choice(JSON_CELLS) + (b"}" if at == len(parts) - 1 else b"")
            return b",".join(parts)
        case 3:
            return line[:-1] + b',"' + rng.choice(KEYS) + b'":' + rng.choice(JSON_CELLS) + b"}"
        case 4:
            return line.replace(
                b'"' + rng.choice(list(TYPES)).encode() + b'"', b'"' + rng.choice(KEYS) + b'"'
            )
        case _:
            return _bytes(rng, line)


def _bytes(rng: random.Random, data: bytes) -> bytes:
    at = rng.randrange(len(data) + 1)
    match rng.randrange(5):
        case 0:
            return data[:at] + rng.choice(SPLICES) + data[at + rng.choice((0, 0, 1, 7)) :]
        case 1:
            return data[:at] + bytes([rng.randrange(256)]) + data[at + 1 :]
        case 2:
            return data[:at]
        case 3:
            return data + data[at:]
        case _:
            return data[at:] + data[:at]


@cache
def corpus() -> tuple[bytes, ...]:
    """The golden cases and the samples, as stored."""
    inputs = sorted([*GOLDEN.glob("*/input.*"), *(path for path in REPORTED.rglob("*") if path.is_file())])
    found = [path.read_bytes() for path in inputs if path.stat().st_size < 80_000]
    found += [path.read_bytes()[:20_000] for path in sorted(SAMPLES.rglob("*.log*"))]
    return tuple(found)


def whole_file(rng: random.Random) -> bytes:
    """A golden case or sample with its format, headers, packing or bytes damaged."""
    data = rng.choice(corpus())
    for _ in range(rng.choice((1, 1, 2, 4))):
        match rng.randrange(7):
            case 0:
                at = rng.choice([0, *(i + 1 for i, byte in enumerate(data) if byte == 10)])
                data = data[:at] + rng.choice(HEADERS) + data[at:]
            case 1:
                parts = data.split(b"\n")
                rng.shuffle(parts)
                data = b"\n".join(parts)
            case 2:
                data += rng.choice(corpus())
            case 3:
                data = rng.choice(_PACKERS)(data[:50_000])
            case _:
                data = _bytes(rng, data) if data else rng.choice(SPLICES)
    return data[:200_000]


OTHER_ROWS = (
    {"name": "a"}, {"a": 1}, {"k" * 8_192: 1}, {}, {"level": "info", "message": "x"}, {"ts": 1.5, "name": "x", "num_seen": 3},
    {"ts": 1.5, "uid": "D1", "id.orig_h": "10.0.0.1", "id.orig_p": 1, "id.resp_h": "10.0.0.2", "id.resp_p": 53, "proto": "udp",
     "query": "a.example", "rtt": 0.125}, {"_path": "dns", "query": "x"}, {"@stream": "weird", "name": "x"}, {"dns": {"query": "x"}},
    {"message": "plain text"}, {"event": []}, {"result": {"_raw": "{"}}, {"stream": "stdout", "log": "x"}, {"id": "x", "old_value": 1},
)  # fmt: skip
"""Objects without a known key, and rows of other logs."""
PREFIXES = (
    b"Mar  1 09:00:00 north zeek: ",
    b'<134>1 2026-03-01T09:00:00Z n z 7 I [x k="{"] ',
    b"zeek-1  | ",
    b"2026-03-01T09:00:00Z stdout F ",
)


def _wrapped(rng: random.Random, line: bytes) -> bytes:
    """A row in one of the wrappers that are known."""
    text = json.dumps(line.decode("utf-8", "replace"))
    match rng.randrange(6):
        case 0:
            return b'{"conn":' + line + b"}"
        case 1:
            return f'{{"@timestamp":"x","message":{text}}}'.encode()
        case 2:
            return b'{"_index":"z","_source":' + line + b',"_id":"1"}'
        case 3:
            return f'{{"result":{{"host":"h","_raw":{text}}}}}'.encode()
        case 4:
            return rng.choice(PREFIXES) + line
        case _:
            return f'{{"_source":{{"event":{text}}}}}'.encode()


def new_kind(rng: random.Random) -> bytes:
    """A log in a wrapper, with holes, as CSV, or of rows that are none; some of its lines damaged."""
    rows = [_line(flow(rng.randrange(10**6)), is_json=True) for _ in range(rng.choice((1, 3, 12)))]
    foreign = [json.dumps(rng.choice(OTHER_ROWS)).encode() for _ in range(rng.choice((0, 1, 4)))]
    kind = rng.randrange(5)
    if kind == 0:
        made = foreign or [b'{"name":"a"}']
    elif kind == 1:
        state = rng.getstate()
        made = []
        for row in rows:
            rng.setstate(state)
            made.append(_wrapped(rng, row))
        made += foreign
    elif kind == 2:
        plain = tsv([flow(number) for number in range(len(rows))]).split(b"\n")
        separator = rng.choice((b"\t", b",", b";"))
        names = plain[6].split(b"\t")[1:]
        made = [separator.join(names), *(separator.join(line.split(b"\t")) for line in plain[8:-2])]
    else:
        made = rows + foreign
    rng.shuffle(made)
    for _ in range(rng.choice((0, 0, 1, 2))):
        at = rng.randrange(len(made))
        made[at] = _damage_json(rng, made[at])
    data = b"".join(line + b"\n" for line in made)
    for _ in range(rng.choice((0, 1, 3))):
        at = rng.choice([0, data.find(b"\n") + 1, rng.randrange(len(data) + 1), len(data)])
        data = data[:at] + b"\0" * rng.choice((1, 15, 16, 5_000)) + data[at:]
    return rng.choice(_PACKERS)(data) if rng.random() < _PACKED else data


_PACKED = 0.05
_PACKERS: Sequence = (gzip.compress, bz2.compress, lzma.compress, zstd.compress)

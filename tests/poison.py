"""Files that are odd in one way each: size, depth, count, length, encoding, name, path, window; and good files beside.

Shared by the tests that load them by the command, by the steps, and by the DAG, with what all of these look for.
"""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import os
import socket
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from backports import zstd

from tests.logs import flow, flows, json_lines, tsv

START = 1_772_352_000
LONG = "x" * 8_000
HUGE = "y" * 3_000_000
ROW = json_lines([flow(1)]).rstrip(b"\n")


def row(**changes: Any) -> bytes:
    """A good row, and one with these fields."""
    return json_lines([flow(1), flow(2, **changes)])


def extra(text: str) -> bytes:
    """A good row, and one with a further member whose value is this JSON."""
    return ROW + b"\n" + json_lines([flow(2)]).rstrip(b"}\n") + b',"note":' + text.encode() + b"}\n"


def columns(*names: str) -> bytes:
    """A TSV log whose header has these names too."""
    lines = tsv(flows(3)).decode().split("\n")
    lines[6] += "".join(f"\t{name}" for name in names)
    lines[7] += "\tstring" * len(names)
    body = [line + "\tz" * len(names) if line and not line.startswith("#") else line for line in lines[8:]]
    return "\n".join([*lines[:8], *body]).encode("utf-8", "surrogateescape")


def header(place: int, line: bytes) -> bytes:
    """A TSV log with this line in the place of one of its header, counted from 0."""
    lines = tsv(flows(3)).split(b"\n")
    lines[place] = line
    return b"\n".join(lines)


def member(key: str, value: bytes) -> bytes:
    """A good row, and one with this further member, as bytes that need not be JSON."""
    return ROW + b"\n" + json_lines([flow(2)]).rstrip(b"}\n") + b',"' + key.encode() + b'":' + value + b"}\n"


def time(text: str) -> bytes:
    """A good row, and one whose time is this text."""
    return row(ts=0).replace(b'"ts":0,', b'"ts":"' + text.encode() + b'",')


def hungry_xz(content: bytes) -> bytes:
    """An xz file that says its dictionary has 3 GiB, with a right checksum of that."""
    packed = bytearray(lzma.compress(content))
    end = 12 + packed[12] * 4
    packed[16] = 39
    packed[end : end + 4] = struct.pack("<L", zlib.crc32(packed[12:end]))
    return bytes(packed)


FIELDS = tsv([]).split(b"\n")[6]
CONTENT: dict[str, bytes] = {
    # size and count
    "nothing": b"",
    "one byte": b"{",
    "one line end": b"\n",
    "blank lines": b"\n" * 5_000,
    "a header alone": tsv([]),
    "a line of 3 MB": ROW + b"\n" + HUGE.encode() + b"\n",
    "a member of 3 MB": row(note=HUGE),
    "a service of 3 MB": row(service=HUGE),
    "a service of 8 kB": row(service=LONG),
    "a uid of 8 kB": row(uid=LONG),
    "a uid of 3 MB": row(uid=HUGE),
    "a history of 8 kB": row(history="S" * 8_000),
    "a state of 8 kB": row(conn_state=LONG),
    "a protocol of 8 kB": row(proto=LONG),
    "an address of 8 kB": row(id_resp_h=LONG),
    "a number of 8 kB": row(orig_bytes=int("9" * 4_000)),
    "a key of 8 kB": row(**{LONG: 1}),
    "a key of 3 MB": row(**{HUGE: 1}),
    "5,000 keys": row(**{f"k{i}": i for i in range(5_000)}),
    "3,000 tunnel parents": row(tunnel_parents=[f"C{i}" for i in range(3_000)]),
    "500 bad lines": json_lines(flows(500, conn_state="??")),
    "500 broken lines": b"{broken\n" * 500,
    "100 header names": columns(*(f"c{i}" for i in range(100))),
    "a header name of 8 kB": columns(LONG),
    "a header name without a letter": columns(" "),
    "the same header name twice": columns("twice", "twice"),
    "2,000 header names and bad lines": columns(*(f"c{i}" for i in range(2_000))) + b"bad\n" * 200,
    "the same row 300 times": json_lines([flow(1)]) * 300,
    # depth
    "nested 300 deep": extra("[" * 300 + "]" * 300),
    "nested 20,000 deep": extra("[" * 20_000 + "]" * 20_000),
    "objects 2,000 deep": extra('{"a":' * 2_000 + "1" + "}" * 2_000),
    # numbers and times
    "1e999999": extra("1e999999"),
    "minus zero": extra("-0.0"),
    "400 digits": extra("7" * 400),
    "NaN": extra("NaN"),
    "a time of 1e300": row(ts=1e300),
    "a time of zero": row(ts=0),
    "a time in 9999": row(ts=253_402_300_799),
    "a negative time": row(ts=-62_135_596_801),
    "a duration of 1e308": row(duration=1e308),
    "a negative duration": row(duration=-5),
    "a port of -1": row(id_resp_p=-1),
    "a port of 70,000": row(id_resp_p=70_000),
    "2^63 bytes": row(orig_bytes=2**63),
    "a boolean as text": row(local_orig="perhaps"),
    "rows of 500 days": json_lines([flow(i, ts=START - i * 86_400) for i in range(500)]),
    # encoding
    "NUL bytes": b"\0" * 4_096,
    "NUL in a value": row(service="a\0b"),
    "NUL in a key": row(**{"a\0b": 1}),
    "half a surrogate": extra('"\\ud800"'),
    "half a surrogate in a key": ROW.rstrip(b"}") + b',"\\udfff":1}\n',
    "no UTF-8": tsv(flows(3)).replace(b"ShADadFf", b"caf\xe9\xff"),
    "no UTF-8 in a header": columns("caf\udce9"),
    "UTF-16": json_lines(flows(2)).decode().encode("utf-16"),
    "a byte-order mark": b"\xef\xbb\xbf" + json_lines(flows(2, 10)),
    "CR LF": tsv(flows(3, 20)).replace(b"\n", b"\r\n"),
    "an escape of COPY": row(service="\\."),
    "quotes": row(service='"",;\\N'),
    # other things than logs
    "one plain object": b'{"a":1}\n',
    "text in an object": b'{"name":"a"}\n',
    "an array": b"[1,2,3]\n",
    "null": b"null\n",
    "a string": b'"conn"\n',
    "prose": b"Dear reader,\n",
    "an ELF": b"\x7fELF" + bytes(range(256)) * 9,
    "a PNG": b"\x89PNG\r\n\x1a\n" + b"\0" * 99,
    "pretty JSON": json.dumps(flow(1), indent=2).encode(),
    # packing
    "half a gzip": gzip.compress(tsv(flows(400)))[:900],
    "a gzip with rubbish behind": gzip.compress(tsv(flows(3, 30))) + b"rubbish",
    "a gzip of a gzip": gzip.compress(gzip.compress(tsv(flows(3)))),
    "half an xz": lzma.compress(tsv(flows(400)))[:700],
    "a damaged bz2": bz2.compress(tsv(flows(400)))[:-40] + b"\0" * 40,
    "an empty gzip": gzip.compress(b""),
    "50 MB of zeros in a gzip": gzip.compress(b"\0" * 50_000_000),
    # what a second attack tried
    "nested 100,000 deep": extra("[" * 100_000 + "]" * 100_000),
    "a uid nested 100,000 deep": row().replace(b'"C00000000000000002"', b"[" * 100_000 + b"]" * 100_000),
    "100,000 header names": columns(*(f"c{i}" for i in range(100_000))),
    "a header that names the uid twice": header(6, FIELDS.replace(b"\tservice", b"\tuid")),
    "a header of tabs": header(6, b"#fields" + b"\t" * 22),
    "100,000 header types": header(7, b"#types" + b"\ttime" * 100_000),
    "a NUL as separator": header(0, b"#separator \\x00"),
    "an unset mark of 200 kB": header(3, b"#unset_field\t" + b"z" * 200_000),
    "header names for SQL and formats": columns(
        ":name", "%s", "%(x)s", "{0}", '"', "'", "\\", "$1", "--", ";"
    ),
    "keys that differ in case": member("Note", b'1,"note":2,"NOTE":3,"UID":"other"'),
    "one key in two normal forms": member("caf\u00e9", b'1,"cafe\xcc\x81":2'),
    "the same key twice": member("note", b'1,"note":2'),
    "an empty key": member("", b"1"),
    "keys of our own columns": member("etl_line", b'1,"etl_file_id":2,"@timestamp":"x","extra":{"a":1}'),
    "a number of a billion digits": extra("1e1000000000"),
    "a counter of a billion digits": row().replace(b'"orig_bytes":6', b'"orig_bytes":1e1000000000'),
    "infinity": extra("-Infinity"),
    "a surrogate as bytes": member("note", b'"\xed\xa0\x80"'),
    "100,000 tunnel parents": row(tunnel_parents=["C"] * 100_000),
    "the year 0000": time("0000-01-01T00:00:00Z"),
    "the year 300000": time("+300000-01-01T00:00:00Z"),
    "the year 9999 elsewhere": time("9999-12-31T23:59:59-23:59"),
    "a leap second": time("2026-12-31T23:59:60Z"),
    "UTF-32": tsv(flows(2)).decode().encode("utf-32"),
    "half a character of UTF-16": tsv(flows(2)).decode().encode("utf-16")[:-1],
    "EBCDIC": tsv(flows(2)).decode().encode("cp500"),
    "carriage returns alone": tsv(flows(2)).replace(b"\n", b"\r"),
    "5 MB of brackets": b"[" * 5_000_000,
    "a quote that never ends": b"ts,uid,id.orig_h,id.orig_p,id.resp_h,id.resp_p,proto\n" + b'"' * 5_000_000,
    "20,000 empty gzips before one": gzip.compress(b"") * 20_000 + gzip.compress(tsv(flows(3, 40))),
    "a gzip of another length": gzip.compress(tsv(flows(3)))[:-4] + b"\xff" * 4,
    "a gzip with a cut name": b"\x1f\x8b\x08\x08" + bytes(6) + b"\x1b[2Jconn",
    "a skippable frame of 4 GB": b"\x50\x2a\x4d\x18" + b"\xff" * 4 + zstd.compress(tsv(flows(3))),
    "a zstd window of a terabyte": b"\x28\xb5\x2f\xfd\x00\xf8" + zstd.compress(tsv(flows(3)))[6:],
    "an xz that needs 3 GB": hungry_xz(tsv(flows(3, 60))),
}
NAMES = [
    "conn.log ",
    "conn-\U0001f480.log",
    "conn-\u202egol.log",
    "conn-%s%d.log",
    "conn-'; DROP TABLE x;--.log",
    "conn.99:99:99-00:00:00.log",
    "conn.00:00:00-99:99:99.log",
    "conn-" + "n" * 200 + ".log",
    "conn-\n.log",
    "conn-\\.log",
    "conn-\x1b[2J\x1b]0;title\x07.log",
    "conn-\u2066\u200b.log",
    "conn-e\u0301.log",
    "conn-\u00e9.log",
    "conn-[a-z]*?.log",
    "conn.tar!.log",
    "--accept",
    "conn__2026-03-01-00-00-00__2026-03-01-00-00-00__.log",
    "conn__0000-01-01-00-00-00__0000-01-01-01-00-00__.log",
    "conn__9999-12-31-23-00-00__9999-12-31-23-59-60__.log",
    "conn__9999-12-31-00-00-00__0001-01-01-00-00-00__.log",
    "conn__300000-01-01-00-00-00__300000-01-01-01-00-00__.log",
    "conn-99999999999999999999.log",
    "conn_20260301_00:00:00-01:00:00-9999.log",
]
"""Names of good logs: they load."""


BYTES = [b"conn-caf\xe9.log", b"conn-\xed\xa0\x80.log"]
"""The same, of bytes that are no text."""
LINKS = {
    "conn-link.log": "conn-link.log",
    "conn-dangling.log": "nothing",
    "loop": ".",
    "conn-kernel.log": "/proc/kmsg",
    "conn-secrets.log": "/proc/self/environ",
    "conn-zeros.log": "/dev/zero",
}
OTHERS = ["conn-pipe.log", "conn-socket.log", "conn-archive.zip", "conn-good-000.log.gz"]
"""A pipe, a socket, a zip file with an odd end, and a packed copy with a hole of a terabyte behind it."""
GOOD = len(CONTENT) + len(NAMES) + len(BYTES)
"""Good files, of three rows each."""


def plant(tmp_path: Path) -> None:
    """Files ``odd-….log`` and ``good-….log``, one of each for every oddity, and good logs of odd names."""
    for number, content in enumerate(CONTENT.values()):
        (tmp_path / f"conn-odd-{number:03}.log").write_bytes(content)
        rows = flows(3, 10_000 + number * 10)
        (tmp_path / f"conn-good-{number:03}.log").write_bytes((tsv, json_lines)[number % 2](rows))
    for number, name in enumerate([*map(os.fsencode, NAMES), *BYTES]):
        path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name))
        path.write_bytes(tsv(flows(3, 50_000 + number * 10)))
    for name, target in LINKS.items():
        (tmp_path / name).symlink_to(target)
    os.mkfifo(tmp_path / "conn-pipe.log")
    _socket(tmp_path)
    _archive(tmp_path)
    with (tmp_path / "conn-good-000.log.gz").open("wb") as packed:
        packed.write(gzip.compress((tmp_path / "conn-good-000.log").read_bytes()))
        packed.truncate(1 << 40)
    os.utime(tmp_path / "conn-good-000.log", (-10_000_000_000, -10_000_000_000))
    os.utime(tmp_path / "conn-good-001.log", (9_000_000_000, 9_000_000_000))


def _socket(folder: Path) -> None:
    """A socket; by way of its folder's number, since the path of one may have a hundred bytes."""
    number = os.open(folder, os.O_DIRECTORY)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(f"/proc/self/fd/{number}/conn-socket.log")
    os.close(number)


def _archive(folder: Path) -> None:
    """A zip file whose end says that it goes on in four billion other files."""
    path = folder / "conn-archive.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("conn.log", tsv(flows(3)))
    content = path.read_bytes()
    end = content.rindex(b"PK\x05\x06")
    odd = b"PK\x06\x06" + b"\xff" * 52 + b"PK\x06\x07" + b"\xff" * 16
    path.write_bytes(content[:end] + odd + content[end:])


def check(ask: Callable[[str], list[tuple[Any, ...]]]) -> None:
    """After a load of all of them: the good rows are there, each odd file has a state and a foreseen reason."""
    good = (
        "SELECT count(*) FROM zeek.conn INNER JOIN etl.file USING (etl_file_id) "
        "WHERE path NOT LIKE '%conn-odd-%'"
    )
    assert ask(good) == [(3 * GOOD,)]
    found = {
        path.rpartition("/")[2]: told
        for path, *told in ask("SELECT path, state, kind, reason FROM etl.file ORDER BY etl_file_id")
    }
    odd = {name: found[f"conn-odd-{number:03}.log"] for number, name in enumerate(CONTENT)}
    odd |= {name: found[name] for name in (*LINKS, *OTHERS)}
    assert {name: told for name, told in odd.items() if told[0] in ("found", "staged")} == {}
    assert {name: told for name, told in odd.items() if told[1] == "unforeseen"} == {}
    silent = {
        name: told for name, told in odd.items() if told[0] not in ("published", "known") and not told[2]
    }
    assert silent == {}


def states(ask: Callable[[str], list[tuple[Any, ...]]]) -> list[tuple[Any, ...]]:
    """What a second run must leave as it is."""
    return ask("SELECT etl_file_id, state FROM etl.file ORDER BY etl_file_id")

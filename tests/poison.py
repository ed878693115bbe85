"""Files that are odd in one way each: size, depth, count, length, encoding, name, path, window; and good files beside.

Shared by the tests that load them by the command, by the steps, and by the DAG.
"""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import os
from pathlib import Path
from typing import Any

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
]
"""Names of good logs: they load."""


def plant(tmp_path: Path) -> None:
    """Files ``odd-….log`` and ``good-….log``, one of each for every oddity, and good logs of odd names."""
    for number, content in enumerate(CONTENT.values()):
        (tmp_path / f"conn-odd-{number:03}.log").write_bytes(content)
        rows = flows(3, 10_000 + number * 10)
        (tmp_path / f"conn-good-{number:03}.log").write_bytes((tsv, json_lines)[number % 2](rows))
    for number, name in enumerate([*map(os.fsencode, NAMES), b"conn-caf\xe9.log"]):
        path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name))
        path.write_bytes(tsv(flows(3, 50_000 + number * 10)))
    (tmp_path / "conn-link.log").symlink_to(tmp_path / "conn-link.log")
    (tmp_path / "conn-dangling.log").symlink_to(tmp_path / "nothing")
    os.mkfifo(tmp_path / "conn-pipe.log")
    os.utime(tmp_path / "conn-good-000.log", (-10_000_000_000, -10_000_000_000))
    os.utime(tmp_path / "conn-good-001.log", (9_000_000_000, 9_000_000_000))

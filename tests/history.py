"""Rows for the tests of history: the committed samples read without the product's reader, and a small story.

The story (2026-03-01, and a week before) has what the samples lack: a beacon, a sweep, an upload, a service on a
strange port, flows that two sensors saw, and services to compare with.
"""

from __future__ import annotations

import gzip
import ipaddress
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from samples.committed import FOLDER, HOURS
from tests.logs import TYPES, flow, json_lines, tsv, write

Row = dict[str, Any]

SINCE, UNTIL = datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 3, 2, tzinfo=UTC)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
INTEGERS = {name for name, kind in TYPES.items() if kind in {"count", "port"}} | {"vlan", "inner_vlan"}


def story(folder: Path) -> list[Path]:
    """Write the story's logs: one of a sensor north, one of a sensor south, one a week older."""
    beacon = [
        flow(
            10_000 + n,
            ts=stamp(300 * n + n % 3),
            id_orig_h="10.9.0.1",
            id_resp_h="203.0.113.9",
            id_resp_p=8443,
        )
        for n in range(24)
    ]
    sweep = [
        flow(
            11_000 + n, ts=stamp(n), id_orig_h="10.9.0.2", id_resp_h=f"192.0.2.{n + 1}", id_resp_p=445,
            conn_state="S0" if n % 2 else "REJ", service=None, duration=None, orig_bytes=None, resp_bytes=None,
        )
        for n in range(30)
    ]  # fmt: skip
    uploads = [
        flow(
            12_000,
            id_orig_h="10.9.0.3",
            id_resp_h="203.0.113.10",
            orig_bytes=500_000_000,
            resp_bytes=1_000_000,
            orig_ip_bytes=510_000_000,
            resp_ip_bytes=1_200_000,
        ),
        flow(
            12_001,
            id_orig_h="10.9.0.3",
            id_resp_h="203.0.113.11",
            orig_bytes=200_000_000,
            resp_bytes=0,
            orig_ip_bytes=210_000_000,
            resp_ip_bytes=0,
        ),
        flow(
            12_002,
            id_orig_h="10.9.0.3",
            id_resp_h="10.9.0.9",
            orig_bytes=900_000_000,
            orig_ip_bytes=910_000_000,
            local_resp=True,
        ),
        # an RST with a wild sequence number: no byte of this payload crossed the wire
        flow(
            12_003,
            id_orig_h="10.9.0.3",
            id_resp_h="203.0.113.12",
            orig_bytes=2_000_000_000,
            missed_bytes=2_000_000_000,
        ),
        flow(
            12_004,
            id_orig_h="203.0.113.13",
            id_resp_h="10.9.0.3",
            resp_bytes=300_000_000,
            resp_ip_bytes=310_000_000,
            local_orig=False,
            local_resp=True,
        ),
    ]
    remote = [
        flow(
            13_000 + n,
            id_orig_h="10.9.0.4",
            id_resp_h="10.9.0.5",
            id_resp_p=2222 if n == 50 else 22,
            service="ssh,krb",
        )
        for n in range(100)
    ]
    shared = [
        flow(14_000, ts=stamp(20), id_orig_h="10.9.0.6", community_id="1:shared"),
        flow(14_001, ts=stamp(40), id_orig_h="10.9.0.7", id_resp_h="192.0.2.99"),
        flow(14_002, ts=stamp(60), id_orig_h="10.9.0.8", community_id="1:alone"),
        flow(14_003, ts=stamp(80), id_orig_h="10.9.0.8", id_resp_h="192.0.2.98"),
    ]
    seen_again = [
        {**shared[0], "uid": "CSouth0", "ts": stamp(21), "orig_bytes": 1},
        {**shared[1], "uid": "CSouth1", "ts": stamp(37), "orig_bytes": 2},
        {**shared[2], "uid": "CSouth2", "ts": stamp(61), "community_id": "1:other"},
        {**shared[3], "uid": "CSouth3", "ts": stamp(90)},
    ]
    week = timedelta(days=7).total_seconds()
    older = [
        flow(15_000 + n, ts=stamp(n - week), id_resp_h="203.0.113.9", service="ssl" if n % 2 else "dns")
        for n in range(40)
    ]
    return [
        write(folder / "north" / "conn.log", json_lines([*beacon, *sweep, *uploads, *remote, *shared])),
        write(folder / "south" / "conn.log.gz", json_lines(seen_again)),
        write(folder / "older" / "conn.log", tsv(older)),
    ]


def stamp(seconds: float) -> str:
    """Seconds after 2026-03-01 08:00 as Zeek writes a time."""
    return f"{1_772_352_000 + seconds:.6f}"


def all_rows(folder: Path) -> list[Row]:
    """Every good row of samples and story by Zeek's names, typed, with ``sensor``."""
    found = []
    day = FOLDER / "2026-03-01"
    for path, hour in zip(sorted(day.glob("conn.*")), HOURS, strict=True):
        rows = rows_of(path)
        found += [row | {"sensor": "samples"} for number, row in enumerate(rows) if number not in hour.broken]
    for sensor in ("north", "south", "older"):
        (path,) = (folder / sensor).iterdir()
        found += [row | {"sensor": sensor} for row in rows_of(path)]
    return found


def rows_of(path: Path) -> list[Row]:
    """The rows of one log, in its order, broken ones too."""
    text = (gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()).decode(
        "utf-8", "replace"
    )
    lines = [line for line in text.split("\n") if line]
    if lines and lines[0].startswith("{"):
        return [_typed(_loads(line)) for line in lines]
    names = next((line.split("\t")[1:] for line in lines if line.startswith("#fields")), [])
    return [_typed(_cells(names, line)) for line in lines if not line.startswith("#")]


def _loads(line: str) -> Row:
    try:
        found: Row = json.loads(line, parse_float=str)
    except ValueError:
        return {}
    return found


def _cells(names: list[str], line: str) -> Row:
    cells = zip(names, line.split("\t"), strict=False)
    row: Row = {name: cell for name, cell in cells if cell != "-"}
    if "tunnel_parents" in row:
        row["tunnel_parents"] = [] if row["tunnel_parents"] == "(empty)" else row["tunnel_parents"].split(",")
    return row


def _typed(row: Row) -> Row:
    typed: Row = {}
    for name, value in row.items():
        try:
            typed[name] = _value(name, value)
        except ValueError:
            typed[name] = None  # a broken line, left out by its number
    return typed


def _value(name: str, value: Any) -> Any:
    if name == "ts":
        whole, _, part = str(value).partition(".")
        return EPOCH + timedelta(seconds=int(whole), microseconds=int(part.ljust(6, "0")[:6]))
    if name in {"id.orig_h", "id.resp_h"}:
        return ipaddress.ip_address(value)
    if name == "duration":
        return float(value)
    if name in INTEGERS:
        return int(value)
    return {"T": True, "F": False}.get(value, value) if isinstance(value, str) else value

"""Small conn logs for tests: believable rows, written as TSV or JSON, whole or with what a test breaks in them."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

TYPES = {
    "ts": "time", "uid": "string", "id.orig_h": "addr", "id.orig_p": "port", "id.resp_h": "addr", "id.resp_p": "port",
    "proto": "enum", "service": "string", "duration": "interval", "orig_bytes": "count", "resp_bytes": "count",
    "conn_state": "string", "local_orig": "bool", "local_resp": "bool", "missed_bytes": "count", "history": "string",
    "orig_pkts": "count", "orig_ip_bytes": "count", "resp_pkts": "count", "resp_ip_bytes": "count",
    "tunnel_parents": "set[string]", "ip_proto": "count",
}  # fmt: skip
START = 1_772_352_000  # 2026-03-01 08:00 UTC


def flow(number: int, **changes: Any) -> dict[str, Any]:
    """One row by Zeek's names, different for each number; ``changes`` by name with _ for the dot."""
    row = {
        "ts": f"{START + number}.{number % 1_000_000:06d}",
        "uid": f"C{number:017d}",
        "id.orig_h": f"10.0.{number // 250 % 250}.{number % 250 + 1}",
        "id.orig_p": 1024 + number % 60_000,
        "id.resp_h": "192.0.2.7" if number % 3 else "2001:db8::7",
        "id.resp_p": 443,
        "proto": "tcp",
        "service": "ssl" if number % 2 else None,
        "duration": f"{number % 97}.250000",
        "orig_bytes": number * 3,
        "resp_bytes": number * 7,
        "conn_state": "SF",
        "local_orig": True,
        "local_resp": False,
        "missed_bytes": 0,
        "history": "ShADadFf",
        "orig_pkts": 5,
        "orig_ip_bytes": number * 3 + 200,
        "resp_pkts": 6,
        "resp_ip_bytes": number * 7 + 240,
        "tunnel_parents": None,
        "ip_proto": 6,
    }
    return row | {name.replace("id_", "id."): value for name, value in changes.items()}


def flows(count: int, first: int = 0, **changes: Any) -> list[dict[str, Any]]:
    """``count`` rows from number ``first`` on."""
    return [flow(number, **changes) for number in range(first, first + count)]


def tsv(rows: Iterable[Mapping[str, Any]]) -> bytes:
    """A whole TSV log with header and #close."""
    names = list(TYPES)
    head = [
        "#separator \\x09", "#set_separator\t,", "#empty_field\t(empty)", "#unset_field\t-", "#path\tconn",
        "#open\t2026-03-01-08-00-00", "\t".join(["#fields", *names]), "\t".join(["#types", *TYPES.values()]),
    ]  # fmt: skip
    lines = ["\t".join(_cell(row.get(name)) for name in names) for row in rows]
    return "\n".join([*head, *lines, "#close\t2026-03-01-09-00-00", ""]).encode()


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "T" if value else "F"
    if isinstance(value, list):
        return ",".join(value) or "(empty)"
    return str(value)


def json_lines(rows: Iterable[Mapping[str, Any]]) -> bytes:
    """The same rows as Zeek's JSON writer gives them: unset fields left out, times and durations as numbers."""

    def line(row: Mapping[str, Any]) -> str:
        numbers = {
            name: json.loads(row[name]) for name in ("ts", "duration") if isinstance(row.get(name), str)
        }
        return json.dumps(
            {k: v for k, v in {**row, **numbers}.items() if v is not None}, separators=(",", ":")
        )

    return "".join(line(row) + "\n" for row in rows).encode()


def write(path: Path, content: bytes) -> Path:
    """Write a log, gzipped where the name says so, and return its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(content, mtime=0) if path.suffix == ".gz" else content)
    return path

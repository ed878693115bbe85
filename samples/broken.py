"""One defect in one line: what goes wrong in real logs, made on purpose."""

from __future__ import annotations

import json
from collections.abc import Mapping

KINDS: Mapping[str, str] = {
    "cut": "the line ends in its middle: too few columns, or no whole object",
    "address": "an address that is none",
    "text": "a word in a counter",
    "state": "a connection state that Zeek does not have (REG, as one ingester shipped for REJ)",
    "huge": "a counter of 2^64-1, which no signed 64-bit integer holds",
}
_CHANGES = {
    "address": ("id.resp_h", "8.8.8.999"),
    "text": ("orig_pkts", "many"),
    "state": ("conn_state", "REG"),
    "huge": ("orig_ip_bytes", 18_446_744_073_709_551_615),
}


def break_line(line: bytes, kind: str, fmt: str, columns: list[str]) -> bytes:
    """The line with the defect ``kind`` of ``KINDS``, still ending in its newline; ``columns`` are the TSV's."""
    if kind == "cut":
        return (b"\t".join(line.split(b"\t")[:9]) if fmt == "tsv" else line[: len(line) // 2]) + b"\n"
    field, value = _CHANGES[kind]
    if fmt == "json":
        return json.dumps({**json.loads(line), field: value}, separators=(",", ":")).encode() + b"\n"
    cells = line.decode().rstrip("\n").split("\t")
    cells[columns.index(field)] = str(value)
    return "\t".join(cells).encode() + b"\n"

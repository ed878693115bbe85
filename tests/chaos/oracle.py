"""What the table must hold, read from the files by a plain parser that shares nothing with ``etl``."""

from __future__ import annotations

import gzip
import ipaddress
import json
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg2

Row = tuple[Any, ...]

# zeek field, standard name, kind; typed in by hand from the dictionary
COLUMNS = (
    ("ts", "@timestamp", "time"),
    ("proto", "network_protocol", "text"),
    ("id.orig_h", "src_ip_addr", "ip"),
    ("id.orig_p", "src_port", "int"),
    ("id.resp_h", "dst_ip_addr", "ip"),
    ("id.resp_p", "dst_port", "int"),
    ("vlan", "network_outer_vlan_id", "int"),
    ("inner_vlan", "network_inner_vlan_id", "int"),
    ("tunnel_parents", "zeek_connection_tunnel_parents", "set"),
    ("uid", "event_uid", "text"),
    ("orig_bytes", "src_bytes", "int"),
    ("orig_ip_bytes", "src_ip_bytes", "int"),
    ("orig_l2_addr", "src_mac", "text"),
    ("orig_pkts", "src_packets", "int"),
    ("local_orig", "zeek_connection_local_src", "bool"),
    ("local_resp", "zeek_connection_local_dst", "bool"),
    ("duration", "event_duration", "float"),
    ("history", "network_connection_history", "text"),
    ("conn_state", "network_connection_state", "text"),
    ("missed_bytes", "network_missed_bytes", "int"),
    ("service", "network_application", "text"),
    ("resp_bytes", "dst_bytes", "int"),
    ("resp_ip_bytes", "dst_ip_bytes", "int"),
    ("resp_l2_addr", "dst_mac", "text"),
    ("resp_pkts", "dst_packets", "int"),
)
STATES = frozenset(
    {"S0", "S1", "SF", "REJ", "S2", "S3", "RSTO", "RSTR", "RSTOS0", "RSTRH", "SH", "SHR", "OTH"}
)
_AS_SQL = {
    "time": "(extract(epoch FROM {}) * 1000000)::bigint",
    "ip": "host({})",
    "float": "round({}::numeric, 6)",
}


class Bad(ValueError):
    """A line that must be in quarantine."""


def read(paths: Sequence[Path]) -> tuple[dict[tuple[int, str], Row], set[tuple[str, int]]]:
    """Rows by identity, the first of each kept, and the (path, line) of each line that must be in quarantine."""
    rows: dict[tuple[int, str], Row] = {}
    bad: set[tuple[str, int]] = set()
    seen: set[bytes] = set()
    for path in paths:
        raw = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        if raw in seen:
            continue  # a copy: nothing of it is read twice
        seen.add(raw)
        for number, fields in _records(raw):
            try:
                row = tuple(_value(fields, zeek, kind) for zeek, _, kind in COLUMNS)
                if row[18] is not None and row[18] not in STATES:
                    raise Bad(row[18])
            except (Bad, ValueError):
                bad.add((str(path), number))
            else:
                rows.setdefault((row[0], row[9]), row)
    return rows, bad


def _records(raw: bytes) -> Iterator[tuple[int, Mapping[str, str | None] | None]]:
    names: list[str] = []
    for number, line in enumerate(raw.decode().split("\n"), 1):
        if line.startswith("#fields"):
            names = line.split("\t")[1:]
        if line.startswith("#") or not line:
            continue
        if line.startswith("{"):
            found = json.loads(line, parse_float=str, parse_int=str)
            yield number, {name: _json_text(value) for name, value in found.items()}
        else:
            cells = line.split("\t")
            yield (
                number,
                None
                if len(cells) != len(names)
                else {name: None if cell == "-" else cell for name, cell in zip(names, cells, strict=True)},
            )


def _json_text(value: Any) -> str | None:
    if isinstance(value, bool):
        return "T" if value else "F"
    return None if value is None else str(value)


def _value(fields: Mapping[str, str | None] | None, name: str, kind: str) -> Any:
    if fields is None:
        raise Bad("columns")
    text = fields.get(name)
    if text is None:
        return None
    match kind:
        case "time":
            return int(Decimal(text) * 1_000_000)
        case "int":
            return int(text)
        case "float":
            return round(Decimal(text), 6)
        case "bool":
            return {"T": True, "F": False}[text]
        case "ip":
            return str(ipaddress.ip_address(text))
        case _:
            return text


def difference(url: str, paths: Sequence[Path], *, quarantine: bool = True) -> str | None:
    """In words, how the database differs from the files; None when it does not."""
    rows, bad = read(paths)
    found, held = _ask(url)
    if len(found) != len({(row[0], row[9]) for row in found}):
        return "rows twice"
    lost = set(rows.values()) - set(found)
    more = set(found) - set(rows.values())
    if lost or more:
        return f"{len(lost)} rows lost or changed, {len(more)} that no file has; {[*lost, *more][:2]}"
    if quarantine and held != bad:
        return f"quarantine: {len(bad - held)} lines missing, {len(held - bad)} too many"
    return None


def _ask(url: str) -> tuple[list[Row], set[tuple[str, int]]]:
    connection = psycopg2.connect(url)
    try:
        with connection.cursor() as cursor:
            columns = ", ".join(_AS_SQL.get(kind, "{}").format(f'"{name}"') for _, name, kind in COLUMNS)
            cursor.execute(f"SELECT {columns} FROM zeek.conn")
            rows = cursor.fetchall()
            cursor.execute(
                "SELECT path, etl_line FROM etl.quarantine JOIN etl.file USING (etl_file_id) "
                "WHERE quarantine.state = 'open'"
            )
            return rows, set(cursor.fetchall())
    finally:
        connection.close()

"""Random connections, written as TSV and as JSON by code that shares nothing with the reader."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from typing import Any

from hypothesis import strategies as st

from etl.models import Block, ReadOptions, Scan
from etl.reader.files import ConnReader

Row = dict[str, Any]
"""Zeek name → ``ts`` in whole microseconds, a list for ``tunnel_parents``, and so on; None is unset."""

NAMES = [
    "ts", "uid", "id.orig_h", "id.orig_p", "id.resp_h", "id.resp_p", "proto", "service", "duration", "orig_bytes",
    "resp_bytes", "conn_state", "local_orig", "local_resp", "missed_bytes", "history", "orig_pkts", "orig_ip_bytes",
    "resp_pkts", "resp_ip_bytes", "tunnel_parents", "orig_l2_addr", "resp_l2_addr", "vlan", "inner_vlan",
]  # fmt: skip
TYPES = [
    "time", "string", "addr", "port", "addr", "port", "enum", "string", "interval", "count",
    "count", "string", "bool", "bool", "count", "string", "count", "count",
    "count", "count", "set[string]", "string", "string", "int", "int",
]  # fmt: skip
TYPE_OF = dict(zip(NAMES, TYPES, strict=True))

texts = st.one_of(
    st.sampled_from(
        [
            "",
            "-",
            "(empty)",
            "#",
            "a,b",
            "\\x07",
            "\\",
            "\\\\",
            "\t",
            "\n",
            "\r",
            'q"q',
            "'",
            "é",
            "🦓",
            "\x07",
        ]
    ),
    st.sampled_from(["null", "T", '":null', '":[{', " x", "+1", "\\u0041"]),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12),
)
counts = st.one_of(st.integers(0, 2**63 - 1), st.integers(0, 3))
addresses = st.one_of(st.ip_addresses().map(str), st.just("::ffff:10.0.0.1"), st.just("::"))


def unset_or(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(st.none(), values)


ROWS: st.SearchStrategy[Row] = st.fixed_dictionaries(
    {
        "ts": st.integers(0, 4_000_000_000_000_000),
        "uid": texts,
        "id.orig_h": addresses,
        "id.orig_p": st.integers(0, 70_000),
        "id.resp_h": addresses,
        "id.resp_p": st.integers(0, 65_535),
        "proto": st.sampled_from(["tcp", "udp", "icmp", "unknown_transport"]),
        "service": unset_or(texts),
        "duration": unset_or(st.integers(0, 10**13).map(lambda micros: micros / 1e6)),
        "conn_state": unset_or(st.sampled_from(["S0", "SF", "OTH"])),
        "history": unset_or(st.sampled_from(["ShADadFf", "", "^hADd", "gGxX"])),
        "local_orig": unset_or(st.booleans()),
        "local_resp": unset_or(st.booleans()),
        "tunnel_parents": unset_or(st.lists(texts.filter(lambda text: text not in ("", "-")), max_size=3)),
        "orig_l2_addr": unset_or(texts),
        "resp_l2_addr": unset_or(st.just("00:0c:29:c1:2d:24")),
        "vlan": unset_or(st.integers(0, 4095)),
        "inner_vlan": unset_or(st.integers(-(2**31), 2**31 - 1)),
        **{name: unset_or(counts) for name, zeek_type in TYPE_OF.items() if zeek_type == "count"},
    }
)


def escaped(text: str, marks: Sequence[str]) -> str:
    """As Zeek's ASCII writer has it: control characters, backslashes, separators, and a whole text that is a mark."""
    if text in marks:
        return "".join(f"\\x{byte:02x}" for byte in text.encode())
    out = ""
    for char in text:
        if char == "\\":
            out += "\\\\"
        elif ord(char) < 32 or char == "\x7f" or char in "\t," or (char == "#" and not out):
            out += f"\\x{ord(char):02x}"
        else:
            out += char
    return out


def cell(name: str, value: Any) -> str:  # noqa: PLR0911 - a table of forms
    if value is None:
        return "-"
    if name == "ts":
        return f"{value // 10**6}.{value % 10**6:06d}"
    if name == "duration":
        return f"{value:.6f}"
    if isinstance(value, bool):
        return "T" if value else "F"
    if isinstance(value, list):
        return ",".join(escaped(element, ("-", "(empty)", "")) for element in value) or "(empty)"
    if isinstance(value, str):
        return escaped(value, ("-", "(empty)")) if value else "(empty)"
    return str(value)


def header(names: Sequence[str] = NAMES, path: str = "conn") -> bytes:
    types = [TYPE_OF.get(name, "string") for name in names]
    lines = [
        "#separator \\x09", "#set_separator\t,", "#empty_field\t(empty)", "#unset_field\t-", f"#path\t{path}",
        "#open\t2024-04-19-00-00-00", "\t".join(["#fields", *names]), "\t".join(["#types", *types]),
    ]  # fmt: skip
    return "\n".join(lines).encode() + b"\n"


def tsv(rows: Sequence[Row], names: Sequence[str] = NAMES) -> bytes:
    lines = ["\t".join(cell(name, row[name]) for name in names) for row in rows]
    return header(names) + "".join(line + "\n" for line in lines).encode() + b"#close\t2024-04-19-01-00-00\n"


def json_line(row: Row, *, time_form: str = "seconds") -> bytes:
    """One line, unset fields left out."""
    members = {name: value for name, value in row.items() if value is not None}
    ts = f"{row['ts'] // 10**6}.{row['ts'] % 10**6:06d}"
    members["ts"] = "@"
    text = json.dumps(members, ensure_ascii=False, separators=(",", ":"))
    return (
        text.replace('"ts":"@"', f'"ts":{ts}' if time_form == "seconds" else f'"ts":"{ts}"', 1).encode()
        + b"\n"
    )


def read(data: bytes, **options: Any) -> tuple[list[Block], Scan]:
    reader = ConnReader(io.BytesIO(data), options=ReadOptions(**options))
    return list(reader), reader.scan()


def values(blocks: Sequence[Block]) -> list[dict[str, Any]]:
    """All rows by standard name."""
    return [row for block in blocks for row in block.frame.iter_rows(named=True)]

"""Text from logs is data all the way: COPY's escapes, quotes, control characters and SQL arrive as they were sent."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from etl import pipeline
from etl.database.store import Store
from etl.monitoring import verify
from tests.logs import TYPES, flow, flows, json_lines, tsv, write

Ask = Callable[..., list[tuple[Any, ...]]]

VALUES = (
    "\\.", "\\N", "\\", "\\\\", '"', '""', "'", "''", ",", "\t", "\n", "\r", "\r\n", "\x01", "\x1a", "\x7f", "\u2028",
    "%s %(x)s", ":name", "{0}", "$1", "NULL", "null", " ", " x ", "a,b\n\\.\nc", '"\n\\.\n"', "\\x41", "é\U0001f600",
    "'; DROP TABLE zeek.conn; --", "');TRUNCATE etl.file;--", "\\copy", "x" * 10_000,
)  # fmt: skip
FIELDS = {
    "service": "network_application",
    "uid": "event_uid",
    "orig_l2_addr": "src_mac",
    "resp_l2_addr": "dst_mac",
}
NAMES = (
    "a\"b'c",
    "x; DROP TABLE zeek.conn; --",
    "%s",
    "{}",
    "\\",
    "a b",
    "ümlaut",
    "@timestamp",
    "etl_file_id",
    ":x",
    "extra",
)


def _escaped(text: str) -> str:
    """As Zeek's ASCII writer escapes."""
    return "".join(
        f"\\x{byte:02x}" if chr(byte) in "\t\n\r\\" or byte < 32 or byte == 127 else chr(byte)
        for byte in text.encode()
    )


def _rows() -> list[dict[str, Any]]:
    rows = []
    for number, value in enumerate(VALUES):
        for place, name in enumerate(FIELDS):
            text = f"{value}{number}" if name == "uid" else value
            rows.append(flow(number * 10 + place, **{name: text[-200:] if name == "uid" else text}))
    return rows


def _tsv(rows: list[dict[str, Any]]) -> bytes:
    names = [*TYPES, "orig_l2_addr", "resp_l2_addr"]
    head = tsv([]).decode().split("\n")[:6]
    lines = [*head, "\t".join(["#fields", *names])]
    for row in rows:
        cells = [row.get(name) for name in names]
        lines.append("\t".join(_cell(cell) for cell in cells))
    return ("\n".join(lines) + "\n").encode("latin-1")


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    return ("T" if value else "F") if isinstance(value, bool) else _escaped(str(value))


@pytest.mark.parametrize("written", [_tsv, json_lines], ids=["tsv", "json"])
def test_every_value_arrives_as_it_was_sent(
    store: Store,
    ask: Ask,
    faults: Callable[[], list[verify.Disagreement]],
    tmp_path: Path,
    written: Callable[[list[dict[str, Any]]], bytes],
) -> None:
    rows = _rows()
    summary = pipeline.ingest(store, [str(write(tmp_path / "conn.log", written(rows)))])
    assert [summary.total(term) for term in pipeline.TERMS] == [len(rows), len(rows), 0, 0], summary.results
    found = ask(f'SELECT {", ".join(FIELDS.values())} FROM zeek.conn ORDER BY "@timestamp", event_uid')
    expected = sorted((row["ts"], *(row.get(name) for name in FIELDS)) for row in rows)
    assert sorted(map(repr, found)) == sorted(repr(tuple(row[1:])) for row in expected)
    assert faults() == []


def test_column_names_of_a_log_are_text_too(store: Store, ask: Ask, tmp_path: Path) -> None:
    lines = tsv(flows(2)).decode().split("\n")
    lines[6] += "".join("\t" + name for name in NAMES)
    lines[7] += "\tstring" * len(NAMES)
    for at in (8, 9):
        lines[at] += "\tv" * len(NAMES)
    further = dict.fromkeys(NAMES, "v")
    more = b"".join(
        json.dumps({**json.loads(line), **further}).encode() + b"\n"
        for line in json_lines(flows(2, 50)).splitlines()
    )
    write(tmp_path / "a.log", "\n".join(lines).encode())
    write(tmp_path / "b.log", more)
    summary = pipeline.ingest(store, [str(tmp_path)])
    assert (summary.total("rows_loaded"), summary.became_bad) == (4, [])
    for (extra,) in ask("SELECT extra FROM zeek.conn"):
        assert {name: extra.get(name) for name in NAMES if name != "@timestamp"} == {
            n: "v" for n in NAMES if n != "@timestamp"
        }
    assert ask("SELECT count(*) FROM etl.file") == [(2,)]


@pytest.mark.parametrize("line", [b"#types\ttime", b"#empty_field\t(empty)", b"\tip_proto"])
def test_a_header_with_nul_costs_neither_its_lines_nor_other_files(
    store: Store, ask: Ask, tmp_path: Path, line: bytes
) -> None:
    """The header travels with each line of quarantine, into columns that hold no NUL."""
    rows = [*flows(9), flow(9, orig_pkts="many"), flow(10, conn_state="REG")]
    assert line in tsv(rows)
    write(tmp_path / "bad.log", tsv(rows).replace(line, line + b"\0", 1))
    write(tmp_path / "good.log", tsv(flows(5, 50)))
    summary = pipeline.ingest(store, [str(tmp_path)])
    assert [summary.total(term) for term in pipeline.TERMS] == [16, 14, 0, 2], summary.results
    assert ask("SELECT count(*) FROM etl.quarantine WHERE raw IS NOT NULL") == [(2,)]

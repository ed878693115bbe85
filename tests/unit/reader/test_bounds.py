"""What a log brings is bounded: each bound with what happens at it and beyond it."""

from __future__ import annotations

import gzip
from collections.abc import Callable

import pytest

from etl.errors import NotAConnLog, TooLarge
from etl.mapping import bounds
from etl.reader import json_schema
from tests.logs import flow, flows, json_lines, tsv
from tests.unit.flows import read, values

NAMES = ["ts", "uid", "id.orig_h", "id.orig_p", "id.resp_h", "id.resp_p", "proto"]
ROW = ["1.5", "C1", "10.0.0.1", "1", "10.0.0.2", "2", "udp"]


def tsv_of(more: int, rows: int, name: str = "c") -> bytes:
    fields = [*NAMES, *(f"{name}{number}" for number in range(more))]
    lines = ["\t".join(["#fields", *fields]), *["\t".join([*ROW, *["x"] * more])] * rows]
    return ("#separator \\x09\n#path\tconn\n" + "\n".join(lines) + "\n").encode()


def test_columns_of_a_header() -> None:
    most = bounds.HEADER_COLUMNS - len(NAMES)
    assert len(values(read(tsv_of(most, 1))[0])) == 1
    with pytest.raises(TooLarge, match="columns"):
        read(tsv_of(most + 1, 1))


def test_bytes_of_a_header() -> None:
    with pytest.raises(TooLarge, match="header line"):
        read(tsv_of(1, 1, name="n" * bounds.HEADER_BYTES))


def test_rejects_under_a_long_header_share_it() -> None:
    data = tsv_of(5_000, 1, name="long_column_name_" * 2) + b"".join(
        "\t".join(["x", *ROW[1:], *["x"] * 5_000]).encode() + b"\n" for _ in range(300)
    )
    blocks, _ = read(gzip.compress(data), block_rows=500)
    rejects = [reject for block in blocks for reject in block.rejects]
    assert (len(rejects), len({id(reject.format) for reject in rejects})) == (300, 1)


def test_rejects_beside_a_common_header_are_not_bounded_by_it() -> None:
    blocks, scan = read(tsv_of(20, 30_000) + b"bad\n" * 20_000, block_rows=5_000)
    assert (sum(len(block.rejects) for block in blocks), scan.rows_read) == (20_000, 50_000)


def keyed(lines: int, keys: int, at_first: int = 0) -> bytes:
    """JSON lines with keys of their own, behind rows that have none."""
    rows = json_lines(flows(at_first + lines)).splitlines(keepends=True)
    own = [
        row[:-2] + b"".join(b',"k%d_%d":1' % (number, key) for key in range(keys)) + b"}\n"
        for number, row in enumerate(rows[at_first:])
    ]
    return b"".join([*rows[:at_first], *own])


@pytest.mark.parametrize("at_first", [0, 20, 3_000])
def test_different_keys_of_a_file(monkeypatch: pytest.MonkeyPatch, at_first: int) -> None:
    for module in (json_schema, bounds):
        monkeypatch.setattr(module, "FILE_KEYS", 2_000)
    assert read(keyed(10, 190, at_first))[1].rows_read == at_first + 10
    with pytest.raises(TooLarge, match="more than 2,000 different keys"):
        read(keyed(20, 190, at_first))


def test_different_columns_of_all_headers_of_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "FILE_KEYS", 2_000)
    logs = [tsv_of(190, 1, name=f"c{number}_") for number in range(20)]
    assert read(b"".join(logs[:10]))[1].rows_read == 10
    with pytest.raises(TooLarge, match="more than 2,000 different columns"):
        read(b"".join(logs))


@pytest.mark.parametrize("form", [json_lines, tsv])
@pytest.mark.parametrize("line", [b"\n", b"\r\n"])
def test_blank_lines_without_end(
    monkeypatch: pytest.MonkeyPatch, form: Callable[..., bytes], line: bytes
) -> None:
    monkeypatch.setattr(bounds, "IDLE_LINES", 2_000)
    log = form(flows(150))
    assert read(log + line * 2_900, block_rows=100)[1].rows_read == 150
    with pytest.raises(NotAConnLog, match="lines are blank or headers"):
        read(log + line * 3_200, block_rows=100)


@pytest.mark.parametrize("line", [b"{}\n", b'{"uid":"C1"}\n', b'{"ts":null,"proto":"tcp"}\n'])
def test_rows_without_a_time(monkeypatch: pytest.MonkeyPatch, line: bytes) -> None:
    monkeypatch.setattr(bounds, "LOST_LINES", 500)
    log = json_lines(flows(50))
    assert read(log + line * 900, block_rows=10)[1].rows_read == 950
    with pytest.raises(NotAConnLog, match="lines are no rows"):
        read(log + line * 1_200, block_rows=10)


def test_headers_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "IDLE_LINES", 2_000)
    idle = tsv([])
    lines = idle.count(b"\n")
    assert read(idle * (1_900 // lines) + tsv(flows(1)))[1].rows_read == 1
    with pytest.raises(NotAConnLog, match="blank or headers"):
        read(tsv(flows(1)) + idle * (2_200 // lines))


def test_texts_of_fields() -> None:
    rows = [
        flow(1, service="s" * 8_192),
        flow(2, service="s" * bounds.TEXT_BYTES),
        flow(3, service="s" * (bounds.TEXT_BYTES + 1)),
        flow(4, uid="C" * (bounds.KEY_BYTES + 1)),
    ]
    blocks, _ = read(json_lines(rows))
    assert [len(row["network_application"]) for row in values(blocks)] == [8_192, bounds.TEXT_BYTES]
    rejects = [(r.line, r.field, r.reason) for block in blocks for r in block.rejects]
    assert rejects == [(3, "service", "value_too_long"), (4, "uid", "value_too_long")]


def test_listed_columns() -> None:
    rows = [flow(1, **{"k" * 8_192: 1, **{f"c{number}": 1 for number in range(1_200)}}), *flows(3, 2)]
    blocks, scan = read(json_lines(rows))
    assert len(scan.extra) == bounds.LISTED_COLUMNS
    assert max(map(len, scan.extra)) == bounds.LISTED_NAME + 1
    assert "k" * 8_192 in values(blocks)[0]["extra"]

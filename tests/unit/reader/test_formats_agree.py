"""Whatever Zeek can write, both formats read back to the source's values, and by whichever path."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from etl.fields import FIELDS, STANDARD_NAMES
from etl.mapping.names import Names
from etl.mapping.values import standard
from etl.reader import json_exact
from tests.unit.flows import NAMES, ROWS, Row, json_line, read, tsv, values

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def expected(row: Row) -> dict[str, Any]:
    out = {field.standard: row[field.zeek] for field in FIELDS}
    out["@timestamp"] = EPOCH + timedelta(microseconds=row["ts"])
    if (parents := row["tunnel_parents"]) is not None:
        out["zeek_connection_tunnel_parents"] = json.dumps(parents, ensure_ascii=False, separators=(",", ":"))
    return out


def without_marks(row: Row) -> Row:
    """What JSON says with Zeek's marks, which only TSV can escape."""
    out = {name: None if value == "-" else "" if value == "(empty)" else value for name, value in row.items()}
    return {**out, "tunnel_parents": [] if row["tunnel_parents"] == ["(empty)"] else row["tunnel_parents"]}


def standard_part(found: dict[str, Any]) -> dict[str, Any]:
    return {name: found[name] for name in STANDARD_NAMES}


@settings(max_examples=40, deadline=None)
@given(st.lists(ROWS, min_size=1, max_size=8), st.integers(1, 5))
def test_tsv_and_json_read_back_to_the_source(rows: list[Row], block_rows: int) -> None:
    want = [expected(row) for row in rows]
    for data in (tsv(rows), b"".join(map(json_line, rows))):
        if data.startswith(b"{"):
            want = [expected(without_marks(row)) for row in rows]
        blocks, scan = read(data, block_rows=block_rows)
        assert [reject for block in blocks for reject in block.rejects] == []
        assert [standard_part(row) for row in values(blocks)] == want
        assert scan.rows_read == len(rows)


@settings(max_examples=30, deadline=None)
@given(st.lists(ROWS, min_size=1, max_size=5), st.randoms(use_true_random=False))
def test_the_careful_path_equals_the_fast_one(rows: list[Row], random: Any) -> None:
    lines = [json_line(row, time_form=random.choice(["seconds", "text"])) for row in rows]
    fast = read(b"".join(lines))[0][0].frame
    careful_rows = [json_exact.parse(line, Names({}))[0] for line in lines]
    schema = dict.fromkeys((field.zeek for field in FIELDS), pl.String)
    raw = pl.DataFrame(careful_rows, schema).with_columns(
        etl_line=pl.int_range(1, len(rows) + 1, dtype=pl.Int64, eager=True)
    )
    slow, faults = standard(raw)
    assert faults == []
    assert_frame_equal(fast, slow)


@settings(max_examples=15, deadline=None)
@given(st.lists(ROWS, min_size=1, max_size=6), st.permutations(["_node_name", "ip_proto", *NAMES]))
def test_columns_are_found_by_name(rows: list[Row], names: list[str]) -> None:
    widened = [row | {"_node_name": "worker-1", "ip_proto": 6} for row in rows]
    blocks, _ = read(tsv(widened, names))
    assert [standard_part(row) for row in values(blocks)] == [expected(row) for row in rows]
    assert {row["extra"] for row in values(blocks)} <= {
        '{"_node_name":"worker-1","ip_proto":"6"}', '{"ip_proto":"6","_node_name":"worker-1"}',
    }  # fmt: skip

"""What the reader lets pass, COPY takes and gives back as it was: one value that it refuses would hold up a batch."""

from __future__ import annotations

import io
import ipaddress
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import psycopg2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg2 import sql

from etl.database.statements import CopyFormat
from etl.errors import FileError
from etl.fields import COPY_COLUMNS, FIELDS
from etl.loading.copy_csv import to_copy, to_csv
from etl.mapping.values import standard
from etl.models import ReadOptions
from etl.reader.files import ConnReader
from tests.logs import flows, json_lines
from tests.unit.flows import ROWS, Row, json_line, read

CASES = Path(__file__).parents[2] / "data" / "conn"


@pytest.fixture
def table(empty_database_url: str) -> Iterator[Any]:
    """A cursor on a database with a table ``t`` of the 28 columns and their types."""
    types = {
        **{field.standard: field.pg_type for field in FIELDS},
        "etl_file_id": "bigint",
        "etl_line": "bigint",
    }
    columns = [
        sql.SQL("{} {}").format(sql.Identifier(name), sql.SQL(types.get(name, "jsonb")))
        for name in COPY_COLUMNS
    ]
    connection = psycopg2.connect(empty_database_url)
    with connection.cursor() as cursor:
        cursor.execute("SET timezone = 'UTC'")
        cursor.execute(sql.SQL("CREATE TABLE t ({})").format(sql.SQL(", ").join(columns)))
        yield cursor
    connection.close()


def copied(cursor: Any, frame: pl.DataFrame, *, as_csv: bool = False) -> list[dict[str, Any]]:
    """The rows as they come back, sent as CSV or in the form that is chosen for them."""
    data, form = (to_csv(frame, 1), CopyFormat.CSV) if as_csv else to_copy(frame, 1)
    cursor.execute("TRUNCATE t")
    cursor.copy_expert(f"COPY t FROM STDIN ({form.value})", io.BytesIO(data))
    cursor.execute("SELECT * FROM t ORDER BY etl_line")
    names = [column.name for column in cursor.description]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def comparable(row: dict[str, Any]) -> dict[str, Any]:
    out = {name: value for name, value in row.items() if name != "etl_file_id"}
    for name in ("src_ip_addr", "dst_ip_addr"):
        out[name] = out[name] and ipaddress.ip_address(out[name])
    if isinstance(out["@timestamp"], datetime):
        out["@timestamp"] = out["@timestamp"].astimezone(UTC)
    if isinstance(out["extra"], str):
        out["extra"] = json.loads(out["extra"])
    return out


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(ROWS, min_size=1, max_size=6))
def test_rows_come_back_as_they_were_read(table: Any, rows: list[Row]) -> None:
    blocks, _ = read(b"".join(map(json_line, rows)))
    frame = blocks[0].frame
    want = [comparable(row) for row in frame.iter_rows(named=True)]
    assert [comparable(row) for row in copied(table, frame)] == want


TEXTS = ("network_protocol", "network_application", "network_connection_history", "event_uid", "src_mac")
TEXT = st.none() | st.text(st.sampled_from("\t\n\r\\\"',.N aé€\x0b\x7f\u2028😀"), max_size=4)
PLAIN_TEXT = st.none() | st.text(st.characters(codec="utf-8", exclude_characters="\0\t\n\r\\"), min_size=1)


def with_texts(rows: list[tuple[str | None, ...]]) -> pl.DataFrame:
    """A row for each, with these texts in the columns of TEXTS."""
    blocks, _ = read(json_lines(flows(len(rows))))
    columns = [
        pl.Series(name, values, pl.String)
        for name, values in zip(TEXTS, zip(*rows, strict=True), strict=True)
    ]
    return blocks[0].frame.with_columns(columns)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(st.tuples(*[TEXT | PLAIN_TEXT] * len(TEXTS)), min_size=1, max_size=4))
def test_either_form_brings_the_same_rows(table: Any, rows: list[tuple[str | None, ...]]) -> None:
    frame = with_texts(rows)
    assert copied(table, frame) == copied(table, frame, as_csv=True)
    values = [value for row in rows for value in row if value is not None]
    is_safe = all(value and not set(value) & set("\t\n\r\\") for value in values)
    assert to_copy(frame, 1)[1] is (CopyFormat.TEXT if is_safe else CopyFormat.CSV)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(st.tuples(*[PLAIN_TEXT] * len(TEXTS)), min_size=1, max_size=4))
def test_text_is_the_usual_form(table: Any, rows: list[tuple[str | None, ...]]) -> None:
    frame = with_texts(rows)
    assert to_copy(frame, 1)[1] is CopyFormat.TEXT
    assert copied(table, frame) == copied(table, frame, as_csv=True)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    texts=st.lists(
        st.text("0123456789abcdefF.:", max_size=24) | st.ip_addresses().map(str), min_size=30, max_size=60
    )
)
def test_inet_takes_every_address_that_passes(table: Any, texts: list[str]) -> None:
    raw = pl.DataFrame({"id.orig_h": texts}).with_row_index("etl_line").cast({"etl_line": pl.Int64})
    frame, _ = standard(raw)
    assert len(copied(table, frame)) == frame.height


def test_every_golden_case_can_be_copied(table: Any) -> None:
    for case in sorted(CASES.iterdir()):
        (source,) = case.glob("input.*")
        with source.open("rb") as stream:
            try:
                for block in ConnReader(stream, options=ReadOptions()):
                    assert len(copied(table, block.frame)) == block.frame.height, case.name
            except FileError:
                continue


@pytest.mark.parametrize("member", [
    "9" * 300 + "e99", "1e400", "1" * 1_000, "1e99999999", "-0.0", "5e-324", '"\\u0000\\ud800"', "[" * 900 + "]" * 900,
    '{"\\u0000":{"a":[null,true]}}', '"' + "x" * 100_000 + '"',
])  # fmt: skip
def test_jsonb_takes_what_the_dictionary_lacks(table: Any, member: str) -> None:
    ids = b'"id.orig_h":"::1","id.orig_p":1,"id.resp_h":"::2","id.resp_p":2'
    line = b'{"ts":1713567603.5,"uid":"C1",' + ids + b',"proto":"tcp","duration":5e-324,"more":'
    blocks, _ = read(line + member.encode() + b"}\n")
    rows = copied(table, blocks[0].frame)
    assert len(rows) + len(blocks[0].rejects) == 1
    assert all("more" in row["extra"] for row in rows)


@pytest.mark.parametrize(
    "ts", ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z", "-62135596800", "253402300799999"]
)
def test_the_ends_of_time(table: Any, ts: str) -> None:
    frame, faults = standard(pl.DataFrame({"ts": [ts], "etl_line": [1]}))
    assert faults == []
    table.copy_expert("COPY t FROM STDIN (FORMAT csv)", io.BytesIO(to_csv(frame, 1)))
    table.execute("""SELECT extract(epoch FROM "@timestamp") * 1000000 FROM t""")
    assert table.fetchall() == [(frame["@timestamp"].dt.timestamp("us").item(),)]

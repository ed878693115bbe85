"""The mapping is pure: a raw frame in, a standard frame and faults out, which add up."""

from __future__ import annotations

import csv
import io
import struct
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etl.fields import BY_ZEEK, COPY_COLUMNS, FIELDS, FRAME_COLUMNS
from etl.loading.copy_csv import to_csv
from etl.mapping import times, values
from etl.mapping.values import Fault, empty, frame_schema, standard

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def raw(**columns: list[Any]) -> pl.DataFrame:
    named = {name.replace("__", "."): values for name, values in columns.items()}
    height = len(next(iter(named.values())))
    return pl.DataFrame(named).with_columns(etl_line=pl.int_range(1, height + 1, dtype=pl.Int64, eager=True))


@pytest.fixture(autouse=True)
def _fresh() -> None:
    """Expressions are kept by schema: without this only the first test of a schema would make them."""
    values._conversions.cache_clear()


def test_the_schema_is_the_contract() -> None:
    assert tuple(frame_schema()) == FRAME_COLUMNS
    assert standard(raw(uid=["C1"]))[0].schema == frame_schema()


def test_a_null_is_no_fault_and_a_lost_value_is_one() -> None:
    frame, faults = standard(raw(uid=["a", "b", "c"], orig_bytes=[None, "x", "7"]))
    assert frame["event_uid"].to_list() == ["a", "c"]
    assert frame["src_bytes"].to_list() == [None, 7]
    assert [(f.line, f.field, f.reason, f.rule) for f in faults] == [
        (2, "orig_bytes", "not_an_integer", "type.src_bytes")
    ]


@pytest.mark.parametrize(
    ("field", "rule"), [("orig_bytes", "type.src_bytes"), (None, "row.shape"), ("made_up", "row.shape")]
)
def test_a_fault_counts_in_the_rule_of_its_column_or_in_that_of_the_row(field: str | None, rule: str) -> None:
    assert Fault(line=1, field=field, reason="x").rule == rule


def test_a_line_with_several_faults_is_one_fault() -> None:
    frame, faults = standard(raw(id__orig_h=["x"], id__orig_p=["y"], ts=["z"]))
    assert frame.height == 0
    assert [(fault.line, fault.field) for fault in faults] == [(1, "ts")]


CASTS = [
    ("id.orig_p", "2147483647", 2**31 - 1),
    ("id.orig_p", "-2147483648", -(2**31)),
    ("id.orig_p", "2147483648", "integer_out_of_range"),
    ("id.orig_p", "-2147483649", "integer_out_of_range"),
    ("orig_bytes", "9223372036854775807", 2**63 - 1),
    ("orig_bytes", "9223372036854775808", "integer_out_of_range"),
    ("orig_bytes", "-1", -1),
    ("orig_bytes", "+1", "not_an_integer"),
    ("orig_bytes", "1.0", "not_an_integer"),
    ("orig_bytes", "", "empty_value"),
    ("duration", "0.25", 0.25),
    ("duration", "1e-3", 0.001),
    ("duration", "+1.5", "not_a_number"),
    ("duration", "inf", "not_a_number"),
    ("duration", "nan", "not_a_number"),
    ("local_orig", "T", True),
    ("local_orig", "F", False),
    ("local_orig", "true", True),
    ("local_orig", "false", False),
    ("local_orig", "1", "not_a_boolean"),
    ("uid", "x" * 1024, "x" * 1024),
    ("uid", "x" * 1025, "value_too_long"),
    ("uid", "é" * 512, "é" * 512),
    ("uid", "é" * 513, "value_too_long"),
    ("service", "x" * 2000, "x" * 2000),
    ("id.resp_h", "fe80::1%eth0", "not_an_ip"),
    ("id.resp_h", "::ffff:192.0.2.1", "::ffff:192.0.2.1"),
    ("id.resp_h", "192.0.2.256", "not_an_ip"),
    ("ts", "1e400", "time_out_of_range"),
    ("ts", "", "empty_value"),
]


@pytest.mark.parametrize(("name", "text", "becomes"), CASTS, ids=range(len(CASTS)))
def test_a_text_is_cast_or_is_a_fault_with_its_reason(name: str, text: str, becomes: object) -> None:
    """Between two rows of its column that are good whatever happens to it: null."""
    frame, faults = standard(raw(**{name: [None, text, None]}))
    standard_name = BY_ZEEK[name].standard
    assert frame.schema == frame_schema()
    if faults:
        assert [(f.line, f.field, f.reason) for f in faults] == [(2, name, becomes)]
        assert frame["etl_line"].to_list() == [1, 3]
    else:
        assert frame[standard_name].to_list() == [None, becomes, None]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("id.orig_p", 2**31),
        ("id.orig_p", -(2**31) - 1),
        ("duration", float("inf")),
        ("ts", float("nan")),
        ("ts", 1e300),
    ],
)
def test_a_typed_value_may_be_a_fault_too(name: str, value: float) -> None:
    frame, faults = standard(raw(**{name: [value, None]}))
    assert [(fault.line, fault.field) for fault in faults] == [(1, name)]
    assert frame["etl_line"].to_list() == [2]


def test_booleans_that_are_typed_pass_as_they_are() -> None:
    assert standard(raw(local_orig=[True, False, None]))[0]["zeek_connection_local_src"].to_list() == [
        True, False, None,
    ]  # fmt: skip


def test_the_empty_frame_has_the_schema() -> None:
    assert (empty().schema, empty().height) == (frame_schema(), 0)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 2**32 * 10**6 - 1), min_size=1, max_size=20))
def test_times_are_exact_to_the_microsecond(micros: list[int]) -> None:
    texts = [f"{m // 10**6}.{m % 10**6:06d}" for m in micros]
    want = [EPOCH + timedelta(microseconds=m) for m in micros]
    assert standard(raw(ts=[float(text) for text in texts]))[0]["@timestamp"].to_list() == want
    assert standard(raw(ts=texts))[0]["@timestamp"].to_list() == want
    assert [times.parse(text) for text in texts] == micros


@settings(max_examples=40, deadline=None)
@given(st.datetimes(datetime(1, 1, 1), datetime(9999, 12, 31)), st.integers(0, 6))  # noqa: DTZ001 - made aware below
def test_iso_times_are_exact_to_six_digits(at: datetime, digits: int) -> None:
    fraction = f".{at.microsecond:06d}"[: digits + 1] if digits else ""
    text = f"{at.year:04d}{at:-%m-%dT%H:%M:%S}{fraction}Z"
    kept = int((fraction[1:7] or "0").ljust(6, "0"))
    want = at.replace(tzinfo=UTC, microsecond=kept)
    assert standard(raw(ts=[text]))[0]["@timestamp"].to_list() == [want]
    assert times.parse(text) == (want - EPOCH) // timedelta(microseconds=1)


@pytest.mark.parametrize(
    "text", ["2024-06-30T23:59:60Z", "2024-04-19T24:00:00Z", "20240419T000000Z", "٣", "1_0", "0x10", ""]
)
def test_no_time(text: str) -> None:
    assert [fault.field for fault in standard(raw(ts=[text]))[1]] == ["ts"]


@settings(max_examples=60, deadline=None)
@given(
    st.one_of(st.ip_addresses().map(str), st.text("0123456789abcdef.:%/ ", max_size=20), st.text(max_size=8))
)
def test_addresses_pass_exactly_when_they_are_addresses(text: str) -> None:
    import ipaddress

    try:
        valid = "%" not in text and bool(str(ipaddress.ip_address(text)))
    except ValueError:
        valid = False
    frame, faults = standard(raw(id__resp_h=[text]))
    assert (frame.height, len(faults)) == ((1, 0) if valid else (0, 1))


DOUBLES = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False),
    st.integers(0, 2**64 - 1)
    .map(lambda bits: struct.unpack("d", struct.pack("Q", bits))[0])
    .filter(lambda x: abs(x) < 1e308),
)


@settings(max_examples=40, deadline=None)
@given(st.lists(DOUBLES, min_size=1, max_size=20))
def test_doubles_survive_the_csv(numbers: list[float]) -> None:
    frame, _ = standard(raw(duration=numbers))
    cells = [
        line.split(",")[COPY_COLUMNS.index("event_duration")]
        for line in to_csv(frame, 1).decode().splitlines()
    ]
    assert [float(cell) for cell in cells] == numbers


@settings(max_examples=40, deadline=None)
@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=8), min_size=1, max_size=8))
def test_texts_survive_the_csv(texts: list[str]) -> None:
    frame, _ = standard(raw(service=texts))
    rows = list(csv.reader(io.StringIO(to_csv(frame, 1).decode(), newline=""), strict=True))
    assert [row[COPY_COLUMNS.index("network_application")] for row in rows] == texts


def test_csv_tells_null_from_empty_and_says_the_zone() -> None:
    frame, _ = standard(
        raw(ts=["1713567603.318246"], uid=[""], service=[None], local_orig=["T"], orig_bytes=["5"])
    )
    cells = to_csv(frame, 42).decode().removesuffix("\n").split(",")
    found = dict(zip(COPY_COLUMNS, cells, strict=True))
    assert found["@timestamp"] == "2024-04-19 23:00:03.318246+00"
    assert (found["event_uid"], found["network_application"]) == ('""', "")
    assert (found["zeek_connection_local_src"], found["src_bytes"], found["etl_file_id"]) == (
        "true",
        "5",
        "42",
    )


def test_every_field_has_a_conversion() -> None:
    values = {"date_time": "1.5", "ip": "::1", "integer": "1", "float": "1.5", "boolean": "T", "string": "x"}
    frame, faults = standard(raw(**{field.zeek: [values[field.standard_type]] for field in FIELDS}))
    assert faults == []
    assert frame.drop("extra").null_count().row(0) == (0,) * 26

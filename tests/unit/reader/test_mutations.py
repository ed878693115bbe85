"""Damaged logs of every kind: never a crash, never a line lost, every reject's bytes found again in the input."""

from __future__ import annotations

import io
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from etl.errors import FileError
from etl.loading.copy_csv import to_csv
from etl.mapping.values import frame_schema
from etl.models import ReadOptions
from etl.reader.files import ConnReader
from etl.reader.raw_lines import raw_lines
from tests.unit.flows import ROWS, json_line, tsv

SPLICES = [
    b"", b"\n", b"\t", b"\0", b"\xff", b"\r", b'"', b"\\", b"{", b"}", b"[", b"#", b":", b",", b"-", b" ",
    b"#fields\tts\n",
    b"\\x00", b"\\u0000", b"\\ud800", b"null", b"true", b"NaN", b"1e400", b"9" * 30, b"\xef\xbb\xbf", b"(empty)",
    b'"uid":1,', b'"new":{"a":[1]},', b'"_path":"dns",', b'"id":{"orig_h":"1.1.1.1"},', b'" :', b"\n3\n", b"\n{}\n",
    b"\n#path\tdns\n", b"\n#separator ,\n",
]  # fmt: skip
BEGINNINGS = [b"", b"#fields\tts\tuid\n", b'{"ts":1}\n', b"\x1f\x8b\x08\x00", b"BZh91AY&SY"]


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    rows = draw(st.lists(ROWS, min_size=1, max_size=4))
    data = tsv(rows) if draw(st.booleans()) else b"".join(map(json_line, rows))
    for _ in range(draw(st.integers(1, 4))):
        at, length = draw(st.integers(0, len(data))), draw(st.sampled_from([0, 0, 1, 5, 40]))
        match draw(st.sampled_from(["splice", "flip", "cut", "double", "swap"])):
            case "splice":
                data = data[:at] + draw(st.sampled_from(SPLICES)) + data[at + length :]
            case "flip":
                data = data[:at] + bytes([draw(st.integers(0, 255))]) + data[at + 1 :]
            case "cut":
                data = data[: max(at, 40)]
            case "double":
                lines = data.split(b"\n")
                data = b"\n".join(lines + lines[-3:])
            case "swap":
                data = data.replace(b"orig", b"\0").replace(b"resp", b"orig").replace(b"\0", b"resp")
    return data


def check(data: bytes, **options: Any) -> None:
    reader = ConnReader(io.BytesIO(data), options=ReadOptions(**options))
    loaded: list[int] = []
    rejected: dict[int, bytes] = {}
    try:
        for block in reader:
            assert block.frame.schema == frame_schema()
            to_csv(block.frame, 1).decode()
            loaded += block.frame["etl_line"].to_list()
            rejected |= {reject.line: reject.raw for reject in block.rejects}
            assert all(reject.raw in data for reject in block.rejects)
    except FileError:
        return
    scan = reader.scan()
    assert scan.rows_read == len(loaded) + len(rejected)
    assert len({*loaded, *rejected}) == scan.rows_read
    again = raw_lines(io.BytesIO(data), rejected, ReadOptions(**options))
    assert {number: line.raw for number, line in again.items()} == rejected


@settings(max_examples=120, deadline=None)
@given(damaged(), st.integers(1, 6))
def test_damage_is_accounted_for(data: bytes, block_rows: int) -> None:
    check(data, block_rows=block_rows)


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=200), st.sampled_from(BEGINNINGS))
def test_any_bytes_are_accounted_for(data: bytes, before: bytes) -> None:
    check(before + data)

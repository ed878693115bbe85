"""A line that begins like packed data is a line like any other: polars would unpack the whole block unasked."""

from __future__ import annotations

import gzip
import io
import zlib

import pytest
from backports import zstd

from etl.models import ReadOptions
from etl.reader.files import ConnReader
from tests.logs import flow, flows, json_lines, tsv

BEGINNINGS = [b"x\x01", b"x\xda\x80", b"x\x9c", b"\x1f\x8b", b"(\xb5/\xfd"]


def _uids(data: bytes, block_rows: int) -> tuple[list[str], int]:
    reader = ConnReader(io.BytesIO(data), options=ReadOptions(block_rows=block_rows))
    blocks = list(reader)
    rejects = sum(len(block.rejects) for block in blocks)
    uids = [uid for block in blocks for uid in block.frame["event_uid"].to_list()]
    assert reader.scan().rows_read == len(uids) + rejects
    return uids, rejects


@pytest.mark.parametrize("block_rows", [1, 100])
@pytest.mark.parametrize("beginning", BEGINNINGS)
def test_tsv(beginning: bytes, block_rows: int) -> None:
    lines = tsv(flows(3)).split(b"\n")
    lines[6] = lines[6].replace(b"#fields\t", b"#fields\t_node_name\t")
    lines[7] = lines[7].replace(b"#types\t", b"#types\tstring\t")
    for at in (8, 9, 10):
        lines[at] = b"worker\t" + lines[at]
    lines[8] = beginning + lines[8]
    uids, rejects = _uids(b"\n".join(lines), block_rows)
    assert len(uids) + rejects == 3
    assert uids[-2:] == [flow(1)["uid"], flow(2)["uid"]]


@pytest.mark.parametrize("pack", [gzip.compress, zlib.compress, zstd.compress])
def test_rows_packed_inside_a_line_are_not_read(pack: object) -> None:
    first, hidden, last = (json_lines(flows(1, number)) for number in range(3))
    uids, rejects = _uids(first + pack(hidden).replace(b"\n", b" ") + b"\n" + last, 1)  # type: ignore[operator]
    assert uids == [flow(0)["uid"], flow(2)["uid"]]
    assert rejects == 1

"""Holes of NUL bytes, however the bytes arrive and however large they are, plain and packed."""

from __future__ import annotations

import gzip
import io
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etl.mapping.bounds import HOLE_KEPT
from etl.reader.holes import WithoutHoles
from tests.logs import flows, json_lines, tsv
from tests.unit.flows import read, values

MIB = 1 << 20


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.sampled_from([b"\0", b"\n", b"a", b"{x}\n", b"\0" * 7, b"\0\n"]), max_size=25).map(b"".join),
    st.lists(st.integers(1, 9), min_size=1),
)
def test_what_is_left_does_not_depend_on_how_the_bytes_arrive(data: bytes, sizes: list[int]) -> None:
    parts, at, number = [], 0, 0
    while at < len(data):
        parts.append(data[at : at + sizes[number % len(sizes)]])
        at, number = at + len(parts[-1]), number + 1
    holes, whole = WithoutHoles(parts), WithoutHoles([data] if data else [])
    left = b"".join(holes)
    assert left == b"".join(whole) == b"\n".join(line.lstrip(b"\0") for line in data.split(b"\n"))
    assert (holes.size, holes.count) == (whole.size, whole.count)
    assert holes.size == len(data) - len(left)


def test_a_long_run_inside_a_line_is_shortened() -> None:
    data = b"a" + b"\0" * (3 * HOLE_KEPT) + b"b\n"
    for step in (1_000, HOLE_KEPT, 1 << 20):
        holes = WithoutHoles(data[at : at + step] for at in range(0, len(data), step))
        assert b"".join(holes) == b"a" + b"\0" * HOLE_KEPT + b"b\n"
        assert holes.size == 2 * HOLE_KEPT


@pytest.mark.parametrize("log", [json_lines(flows(50)), tsv(flows(50))], ids=["json", "tsv"])
def test_every_row_beside_a_hole_loads(log: bytes) -> None:
    lines = log.splitlines(keepends=True)
    for at in (0, len(lines) // 2, len(lines)):
        data = b"".join(lines[:at]) + b"\0" * 70_000 + b"".join(lines[at:])
        for given_bytes in (data, gzip.compress(data)):
            blocks, scan = read(given_bytes, block_rows=20)
            assert len(values(blocks)) == 50
            assert not [reject for block in blocks for reject in block.rejects]
            assert scan.note is not None
            assert "70,000" in scan.note
    assert read(log)[1].note is None


_READ = """
import sys
from pathlib import Path
from etl.models import ReadOptions
from etl.reader.files import ConnReader
with open(sys.argv[1], "rb") as stream:
    reader = ConnReader(stream, options=ReadOptions())
    rows = sum(block.frame.height for block in reader)
peak = Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0]
print(rows, reader.scan().note, int(peak) >> 10, sep="|")
"""


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gz"])
def test_a_hole_of_300_mib_takes_no_memory(tmp_path: Path, packed: bool) -> None:
    path = tmp_path / "conn.log"
    rows = json_lines(flows(50))
    if packed:
        path.write_bytes(gzip.compress(b"\0" * (300 * MIB) + rows))
    else:
        with path.open("wb") as file:
            file.seek(300 * MIB)
            file.write(rows)
    done = subprocess.run(
        [sys.executable, "-c", _READ, str(path)], capture_output=True, text=True, check=True, cwd=Path.cwd()
    )
    count, note, peak = done.stdout.split("|")
    assert (count, "314,572,800" in note) == ("50", True)
    assert int(peak) < 400


def test_a_packed_bomb_of_zeros_is_still_one(monkeypatch: pytest.MonkeyPatch) -> None:
    from etl.errors import TooLarge
    from etl.reader import compression

    monkeypatch.setattr(compression, "PACKED_HOLE", MIB)
    with pytest.raises(TooLarge, match="decompresses"):
        list(compression.Decompressed(io.BytesIO(gzip.compress(b"\0" * (64 * MIB))), max_bytes=1 << 40))

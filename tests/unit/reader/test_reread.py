"""A line out of quarantine is read as it was in its file, whatever it was wrapped in."""

from __future__ import annotations

import io
import json
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from etl.models import Format, ReadOptions
from etl.quarantine.lines import cells_of
from etl.reader.files import ConnReader
from etl.reader.raw_lines import raw_lines
from etl.reader.reread import read_again, stored_format
from tests.logs import flows, json_lines, tsv

CASES = Path(__file__).parents[2] / "data" / "conn"
WRAPPED = sorted(
    path.parent.name
    for path in CASES.glob("*/expected.json")
    if json.loads(path.read_text(encoding="utf-8")).get("wrapping")
)


@pytest.mark.parametrize("case", WRAPPED)
def test_lines_in_a_wrapper_are_read_again(case: str) -> None:
    wanted = json.loads((CASES / case / "expected.json").read_text(encoding="utf-8"))
    given = {name: tuple(v) if isinstance(v, list) else v for name, v in wanted.get("options", {}).items()}
    options = ReadOptions(aliases=wanted.get("aliases", {}), **given)
    (source,) = (CASES / case).glob("input.*")
    data = source.read_bytes()
    frame = pl.concat([block.frame for block in ConnReader(io.BytesIO(data), options=options)])
    again = raw_lines(io.BytesIO(data), frame["etl_line"].to_list(), options)
    by_format: dict[Format, list[tuple[int, bytes]]] = {}
    for number, line in again.items():
        stored = stored_format(json.loads(json.dumps(line.format.as_json())))
        by_format.setdefault(stored, []).append((number, line.raw))
    frames = []
    for line_format, lines in by_format.items():
        found, faults = read_again(lines, line_format, options)
        assert faults == []
        frames.append(found)
    again_frame = pl.concat(frames).sort("etl_line") if frames else frame.clear()
    assert_frame_equal(again_frame.drop("extra"), frame.drop("extra"))
    assert [json.loads(x or "{}") for x in again_frame["extra"]] == [
        json.loads(x or "{}") for x in frame["extra"]
    ]
    for reject_line, _, reason in wanted["rejects"]:
        raw = raw_lines(io.BytesIO(data), [reject_line], options)[reject_line]
        found, faults = read_again([(reject_line, raw.raw)], raw.format, options)
        assert (found.height, len(faults)) == (0, 1), reason


def test_cells_of_a_quarantined_line_are_those_of_the_row_within() -> None:
    wrapped = {"kind": "json", "wrapping": ["key:_source"]}
    assert cells_of(b'{"_source":{"uid":"C1","ts":1.5}}', wrapped) == {"uid": "C1", "ts": "1.5"}
    csv = {"kind": "tsv", "separator": "\t", "fields": ["ts", "uid", "service"], "wrapping": ["csv:,"]}
    assert cells_of(b'1.5,C1,"ssl,http"', csv) == {"ts": "1.5", "uid": "C1", "service": "ssl,http"}
    assert cells_of(b"no JSON", wrapped) == {}


def test_a_torn_last_line_of_csv_is_found_again() -> None:
    data = b'"ts","uid","id.orig_h","id.orig_p","id.resp_h"\n"1.5","C1","10.0.0.1","1","10.0.0.2"\n"2.5","C2","10'
    lines = raw_lines(io.BytesIO(data), [2, 3])
    assert {number: line.raw for number, line in lines.items()} == {
        2: b'"1.5","C1","10.0.0.1","1","10.0.0.2"',
        3: b'"2.5","C2","10',
    }


@pytest.mark.parametrize("log", [json_lines(flows(3)), tsv(flows(3))], ids=["json", "tsv"])
@pytest.mark.parametrize(
    "around",
    [(b"", b""), (b"torn", b""), (b"", b"torn"), (b"torn", b"torn"), (b"\0" * 20 + b"torn", b"\0" * 5_000)],
    ids=["holes", "after", "before", "between", "several"],
)
def test_a_row_between_holes_is_read_again_as_in_its_file(log: bytes, around: tuple[bytes, bytes]) -> None:
    before, after = around
    *lines, row = log.removesuffix(b"#close\t2026-03-01-09-00-00\n").splitlines()
    data = b"\n".join([*lines, before + b"\0" * 16 + row + b"\0" * 70 + after, b""])
    frame = pl.concat([block.frame for block in ConnReader(io.BytesIO(data))])
    assert frame.height == 3
    number = frame["etl_line"][-1]
    raw = raw_lines(io.BytesIO(data), [number])[number]
    again, faults = read_again([(number, raw.raw)], raw.format, ReadOptions())
    assert faults == []
    assert_frame_equal(again, frame.tail(1))
    assert cells_of(raw.raw, raw.format.as_json())["uid"] == frame["event_uid"][-1]

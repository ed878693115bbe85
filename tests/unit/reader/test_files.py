"""The reader as a whole: bounds, identity, lines again by number, logs that change their mind, and real logs."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from etl.errors import FileError, Misuse
from etl.fields import FIELDS
from etl.models import ReadOptions
from etl.reader.chunks import FIRST
from etl.reader.files import ConnReader
from etl.reader.raw_lines import raw_lines
from tests.unit.flows import NAMES, header, json_line, read, tsv, values

REAL = Path(__file__).resolve().parents[4] / "shared" / "data" / "real-hourly"


def flow(i: int, **changes: Any) -> dict[str, Any]:
    row = dict.fromkeys(NAMES)
    given = {"id.orig_h": "10.0.0.1", "id.orig_p": i % 65_536, "id.resp_h": "192.0.2.7", "id.resp_p": 53}
    return {
        **row,
        **given,
        "ts": 1_713_484_800_000_000 + i,
        "uid": f"C{i}",
        "proto": "udp",
        "conn_state": "SF",
        **changes,
    }


FLOWS = [flow(i) for i in range(3_000)]
JSON = b"".join(map(json_line, FLOWS))
OF_ANOTHER_LOG = 30_000


def test_the_digest_is_of_the_decompressed_bytes_whatever_the_packing() -> None:
    scans = [read(data)[1] for data in (JSON, gzip.compress(JSON), b"\xef\xbb\xbf" + JSON)]
    assert scans[0].digest == scans[1].digest == hashlib.sha256(JSON).digest()
    assert scans[2].digest == hashlib.sha256(b"\xef\xbb\xbf" + JSON).digest()
    assert [scan.bytes_read for scan in scans] == [len(JSON), len(JSON), len(JSON) + 3]


@pytest.mark.parametrize("data", [JSON, tsv(FLOWS)], ids=["json", "tsv"])
def test_blocks_are_bounded_and_lines_numbered(data: bytes) -> None:
    blocks, scan = read(data, block_rows=200)
    first, *others = (block.frame.height for block in blocks)
    assert 1_900 < first <= 200 * FIRST
    assert max(others) == 200
    assert scan.rows_read == 3_000
    numbers = [row["etl_line"] for row in values(blocks)]
    assert numbers == list(range(numbers[0], numbers[0] + 3_000))
    lines = data.split(b"\n")
    assert f'"{values(blocks)[-1]["event_uid"]}"'.strip('"').encode() in lines[numbers[-1] - 1]


@pytest.mark.parametrize("form", ["json", "tsv"])
def test_a_log_behind_thousands_of_short_lines_of_another(form: str) -> None:
    if form == "json":
        line = b'{"_path":"dns","ts":1.5,"uid":"C1","query":"a.example","qtype":1}\n'
        data = line * OF_ANOTHER_LOG + JSON
    else:
        other = b"#separator \\x09\n#path\tdns\n#fields\tts\tuid\tquery\n#types\ttime\tstring\tstring\n"
        data = other + b"1.5\tC1\ta.example\n" * OF_ANOTHER_LOG + tsv(FLOWS)
    blocks, scan = read(data)
    assert sum(block.frame.height for block in blocks) == len(FLOWS)
    assert {reject.reason for block in blocks for reject in block.rejects} == {"other_log"}
    assert scan.rows_read == OF_ANOTHER_LOG + len(FLOWS)


def test_scan_before_the_end_is_an_error() -> None:
    reader = ConnReader(io.BytesIO(JSON), options=ReadOptions(block_rows=10))
    next(iter(reader))
    with pytest.raises(RuntimeError):
        reader.scan()


def test_lines_again_by_number_with_the_format_that_gives_them_meaning() -> None:
    data = header() + b"a\n" + header([*NAMES, "more"]) + b"b\nc\n"
    found = raw_lines(io.BytesIO(gzip.compress(data)), [9, 18, 19, 50])
    assert {number: line.raw for number, line in found.items()} == {9: b"a", 18: b"b", 19: b"c"}
    assert [len(found[number].format.fields) for number in (9, 18)] == [25, 26]
    assert raw_lines(io.BytesIO(JSON), []) == {}
    assert raw_lines(io.BytesIO(JSON), [3_000], ReadOptions(max_raw_bytes=5))[3_000].cut


def test_one_bad_line_in_a_hundred_leaves_the_others_to_the_fast_path() -> None:
    spoil = [
        b"garbage\n",
        JSON.split(b"\n")[0][:50] + b"\n",
        json_line(flow(7, uid=5)),
        json_line(flow(8, vlan="x")),
    ]
    lines = JSON.splitlines(keepends=True)
    for n, i in enumerate(range(50, 3_000, 100)):
        lines[i] = spoil[n % 4]
    blocks, scan = read(b"".join(lines))
    assert scan.rows_read == 3_000
    assert [r.line for block in blocks for r in block.rejects] == list(range(51, 3_001, 100))
    assert [row["etl_line"] for row in values(blocks)] == [i for i in range(1, 3_001) if i % 100 != 51]


def test_a_log_that_changes_its_spelling_is_read_whole() -> None:
    nested = [
        json.dumps({"ts": "2024-04-19T00:00:00Z", "uid": "N", "proto": "tcp", "new": i, "local_orig": "true",
                    "id": {"orig_h": "::1", "orig_p": 1, "resp_h": "::2", "resp_p": 2}}).encode() + b"\n"
        for i in range(2_000)
    ]  # fmt: skip
    renamed = [json_line(row).replace(b"id.orig_h", b"src").replace(b"id.resp_h", b"dst") for row in FLOWS]
    blocks, scan = read(b"".join([*nested, *renamed, JSON]))
    rows = values(blocks)
    assert [len(rows), scan.rows_read] == [8_000, 8_000]
    assert rows[1_999]["extra"] == '{"new":1999}'
    assert {row["src_ip_addr"] for row in rows} == {"::1", "10.0.0.1"}
    assert scan.extra == {"new": "number"}


def test_marks_that_could_hide_each_other_do_not() -> None:
    """What one line has too much may not stand in for what another has too little."""
    bad = [flow(1, uid=12345), flow(2, service=["dns"]), flow(3, uid={})]
    sly = [
        flow(4, service='say "hi" '),
        flow(5, service="a:null", new=5),
        flow(6, service="[{"),
        flow(7, service=' "'),
    ]
    data = b"".join(map(json_line, [*FLOWS[:50], *bad, *sly])) + b"3\n{}\n[]\n"
    blocks, _ = read(data)
    assert [r.line for block in blocks for r in block.rejects] == [51, 52, 53, 58, 60]
    rows = values(blocks)
    assert [row["network_application"] for row in rows[50:54]] == ['say "hi" ', "a:null", "[{", ' "']
    assert rows[51]["extra"] == '{"new":5}'
    assert rows[54]["event_uid"] is None


@pytest.mark.parametrize("joint", [b"", b" ", b",", b"\x0b", b"\r"])
def test_blank_lines_and_lines_of_two_objects_do_not_make_up_for_each_other(joint: bytes) -> None:
    """A parser that skipped the one and took two rows from the other would count right, and number wrong."""
    lines = [json_line(each).rstrip(b"\n") for each in FLOWS[:1_000]]
    lines[700:700] = [b""]
    lines[800] = lines[800] + joint + lines[800]
    blocks, scan = read(b"\n".join(lines) + b"\n", block_rows=500)
    assert [r.line for block in blocks for r in block.rejects] == [801]
    found = {row["event_uid"]: row["etl_line"] for row in values(blocks)}
    assert found == {json.loads(line)["uid"]: n for n, line in enumerate(lines, 1) if line and n != 801}
    assert scan.rows_read == 1_000


@pytest.mark.parametrize("line", [
    b'{"ts":1' + b"," + b",".join(b'"k%d":%d' % (i, i) for i in range(20_000)) + b"}",
    b'{"ts":1,"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    b'{"ts":1,"a":' + b'{"b":' * 100_000 + b"1" + b"}" * 100_000 + b"}",
    b'{"ts":1,"a":-' + b"9" * 10_000 + b"e99999999999}",
    b'{"\\u0000":1,"\\ud800":2,"":3,"\'; DROP TABLE":4}',
    b'{"ts":' + b"9" * 10_000 + b"}",
    b'{"orig_bytes":1e-999999999,"resp_bytes":1E+999999999999999999999}',
], ids=range(7))  # fmt: skip
def test_monstrous_lines_are_accounted_for(line: bytes) -> None:
    blocks, scan = read(json_line(FLOWS[0]) + line + b"\n" + json_line(FLOWS[1]))
    rows, rejects = values(blocks), [r for block in blocks for r in block.rejects]
    assert (scan.rows_read, len(rows) + len(rejects)) == (3, 3)
    assert all(json.loads(row["extra"]) is not None for row in rows if row["extra"])


@pytest.mark.parametrize(
    "separator", [",", "|", " ", "\\x01", "1", "-", "\\\\", '"', "\\xc3\\xa9", "::", "\\x0a", "\\xff"]
)
def test_any_separator_is_accounted_for(separator: str) -> None:
    data = (
        header().replace(b"#separator \\x09", b"#separator " + separator.encode())
        + tsv(FLOWS[:2])[len(header()) :]
    )
    try:
        blocks, scan = read(data)
    except FileError as error:
        assert error.kind in {"not_a_conn_log", "missing_column", "other_log"}  # noqa: PT017
        return
    assert scan.rows_read == sum(block.frame.height + len(block.rejects) for block in blocks)


def test_an_alias_for_a_field_that_does_not_exist_is_misuse() -> None:
    with pytest.raises(Misuse, match="orig_host"):
        read(JSON, aliases={"x": "orig_host"})


@pytest.mark.realdata
def test_the_real_hours_equal_an_independent_reading() -> None:
    """31,367 rows, every column against a plain split of the lines."""
    total = 0
    for path in sorted(REAL.glob("*/conn.*.log.gz")):
        with path.open("rb") as stream:
            frame = pl.concat([block.frame for block in ConnReader(stream)])
        lines = gzip.decompress(path.read_bytes()).decode().splitlines()
        names = next(line for line in lines if line.startswith("#fields")).split("\t")[1:]
        cells = [
            dict(zip(names, line.split("\t"), strict=True)) for line in lines if not line.startswith("#")
        ]
        assert frame.height == len(cells)
        for field in FIELDS:
            want = [independent(field.standard_type, field.zeek, row.get(field.zeek, "-")) for row in cells]
            column = frame[field.standard]
            found = column.dt.timestamp("us").to_list() if field.zeek == "ts" else column.to_list()
            assert found == want, (path.name, field.zeek)
        assert [json.loads(extra) for extra in frame["extra"]] == [
            {"_node_name": row["_node_name"]} for row in cells
        ]
        total += frame.height
    assert total == 31_367


def independent(standard_type: str, name: str, cell: str) -> Any:
    if cell == "-":
        return None
    if name == "tunnel_parents":
        return "[]" if cell == "(empty)" else json.dumps(cell.split(","), separators=(",", ":"))
    return PLAIN[standard_type](cell)


PLAIN: dict[str, Callable[[str], Any]] = {
    "date_time": lambda cell: int(cell.replace(".", "")),  # always six decimals in these logs
    "integer": int,
    "float": float,
    "boolean": lambda cell: cell == "T",
    "ip": str,
    "string": lambda cell: "" if cell == "(empty)" else cell,
}


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("", "not_a_conn_log"),
        ("x/conn.09:00:00-10:00:00.log", "not_a_conn_log"),
        ("conn/core.1234", "not_a_log"),
    ],
)
def test_binary_data_is_no_log_unless_its_name_says_conn(name: str, kind: str) -> None:
    data = bytes(range(256)) * 20
    with pytest.raises(FileError) as error:
        list(ConnReader(io.BytesIO(data), name=name))
    assert error.value.kind == kind


@pytest.mark.parametrize("size", [1, 70_000])
def test_a_file_of_nul_bytes_alone_lost_its_content(size: int) -> None:
    reader = ConnReader(io.BytesIO(b"\0" * size), name="conn.log")
    assert list(reader) == [] or sum(block.frame.height for block in reader) == 0
    assert "NUL bytes alone" in str(reader.scan().incomplete)

"""Numbers beyond the dictionary keep every digit, on each path and in each format."""

from __future__ import annotations

import json

import pytest

from tests.unit.flows import header, read, values

ROW = '"ts":1.5,"uid":"C1","id.orig_h":"10.0.0.1","id.orig_p":1,"id.resp_h":"10.0.0.2","id.resp_p":2,"proto":"udp"'
NAMES = ["ts", "uid", "id.orig_h", "id.orig_p", "id.resp_h", "id.resp_p", "proto", "x"]
CELLS = "1.5\tC1\t10.0.0.1\t1\t10.0.0.2\t2\tudp"
NUMBERS = [
    "0.1", "2.50", "-0.0", "0.12345678901234567890", "123456789012345678901234567890.25", "1e400", "1E-5", "1e22",
    "9007199254740993.0", "12345678901234567890123", "0.1000000000000000055511151231257827",
]  # fmt: skip


@pytest.mark.parametrize("number", NUMBERS)
@pytest.mark.parametrize("neighbour", ["1.5", "2", '"text"'], ids=["float", "integer", "text"])
def test_json_numbers_are_kept_as_they_are_written(number: str, neighbour: str) -> None:
    """A neighbour of the same type leaves the line to the fast path, one of another type does not."""
    lines = [f'{{{ROW},"x":{number}}}', f'{{{ROW},"x": {neighbour} }}']
    blocks, _ = read("".join(line + "\n" for line in lines).encode())
    assert values(blocks)[0]["extra"] == f'{{"x":{number}}}'


@pytest.mark.parametrize("number", NUMBERS)
@pytest.mark.parametrize("kind", ["double", "interval", "time"])
@pytest.mark.parametrize("neighbour", ["1.5", "text"])
def test_tsv_numbers_are_kept_as_they_are_written(number: str, kind: str, neighbour: str) -> None:
    data = header(NAMES).replace(b"\tstring\n", f"\t{kind}\n".encode())
    blocks, _ = read(data + f"{CELLS}\t{number}\n{CELLS}\t{neighbour}\n".encode())
    assert values(blocks)[0]["extra"] == f'{{"x":{number}}}'


def test_a_key_inside_a_text_is_not_taken_for_the_key() -> None:
    lines = [f'{{{ROW},"memo":"\\"x\\":9.5","x":1.5}}', f'{{{ROW},"x":2.5,"memo":"\\"x\\":9.5"}}']
    blocks, _ = read("".join(line + "\n" for line in lines).encode())
    assert [json.loads(row["extra"])["x"] for row in values(blocks)] == [1.5, 2.5]


@pytest.mark.parametrize(
    "key", ["", "line", "etl_line", "extra", "digits 0", "{0}", "a.b", "$x^", "é", "+", '\\"q', "\\u0041"]
)
def test_any_key_may_have_a_number(key: str) -> None:
    lines = [f'{{{ROW},"{key}":{number},"more":1.25}}' for number in ("0.12345678901234567890", "2.50")]
    blocks, _ = read("".join(line + "\n" for line in lines).encode())
    found = [row["extra"] for row in values(blocks)]
    assert [
        extra.count(number) for extra, number in zip(found, ("0.12345678901234567890", "2.50"), strict=True)
    ] == [1, 1]
    assert [list(json.loads(extra)) for extra in found] == [[json.loads(f'"{key}"'), "more"]] * 2

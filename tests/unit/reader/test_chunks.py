"""Cutting loses no byte and no line, whatever the chunks and the bounds."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etl.errors import TooLarge
from etl.models import ReadOptions
from etl.reader.chunks import FIRST, cut

BYTES = st.lists(st.sampled_from(b"ab\n"), max_size=60).map(bytes)


@settings(max_examples=300, deadline=None)
@given(BYTES, st.lists(st.integers(1, 10)), st.integers(1, 5), st.integers(1, 12), st.integers(1, 4))
def test_pieces_are_the_lines(data: bytes, steps: list[int], rows: int, size: int, kept: int) -> None:
    options = ReadOptions(block_rows=rows, block_bytes=size, max_raw_bytes=kept)
    chunks, rest = [], data
    for step in steps:
        chunks.append(rest[:step])
        rest = rest[step:]
    lines = data.split(b"\n")
    if not lines[-1]:
        lines.pop()
    number = 1
    for piece in cut([chunk for chunk in [*chunks, rest] if chunk], options):
        assert piece.first == number
        assert piece.lines <= rows * (FIRST if number == 1 else 1)
        assert piece.too_long or len(piece.data) <= size
        for line in lines[number - 1 : number - 1 + piece.lines]:
            raw = piece.raw(number)
            assert raw == (line[: kept + 1] if piece.too_long else line)
            assert not piece.too_long or len(line) + 1 > size
            number += 1
    assert number - 1 == len(lines)


def test_a_line_without_end_is_refused() -> None:
    options = ReadOptions(block_bytes=1_000, max_line_bytes=10_000)
    with pytest.raises(TooLarge, match="line 2 is longer than 10000 bytes"):
        list(cut([b"first\n", *[b"x" * 600] * 100], options))

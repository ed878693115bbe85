"""What a lenient JSON parser passed over in silence, told by counting marks in the bytes.

polars makes null of what does not fit its schema and drops the keys that it does not know. So keys, quotes, brackets
and braces of the bytes are counted against the cells of the frame: where they differ, something was passed over.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from etl.reader.lines import Lines, Mask, without

_PART = 1 << 18
"""Bytes counted at a time, which stay in the processor's cache."""
_FEW_BYTES = 1 << 13
"""Below it counting byte by byte is cheaper than numpy's calls."""
_GROUPS = (512, 64, 8, 1)
"""Lines that are compared together: the last ones alone."""
_QUOTE, _COLON, _BRACKET, _BRACE, _BLANK = (ord(c) for c in '":[{ ')


class ExpectedCounts(NamedTuple):
    """What the cells of some rows amount to."""

    cells: int
    """Keys with a value, those of a nested object and its own included."""
    strings: int
    lists: int
    objects: int


def matches(data: bytes, expected: ExpectedCounts, *, one_line: bool = False) -> bool:
    """Whether some whole lines of JSON hold what their rows hold, no more and no less.

    Every mark can only be too many in ``data`` (a key that was dropped, a bracket inside a string), never too few, so
    that one line's surplus cannot make up for another's lack: quotes inside strings are escaped, which is looked for,
    and so is a blank after a quote, where a key might hide.
    """
    escaped = 0
    if b"\\" in data:
        if b"\\u" in data or (not one_line and b'\\"' in data):
            return False
        escaped = data.count(b'\\"')
    keys, quotes, brackets, braces, loose = (_marks_of_few if len(data) < _FEW_BYTES else _marks)(data)
    if loose or (quotes - escaped, brackets, braces) != (
        2 * (keys + expected.strings),
        expected.lists,
        expected.objects,
    ):
        return False
    return keys == expected.cells or keys == expected.cells + data.count(b'":null') + data.count(b'": null')


def _marks(data: bytes) -> tuple[int, int, int, int, int]:
    """Count keys, quotes, brackets, braces and quotes before a blank, in parts that stay in the processor's cache."""
    keys = quotes = brackets = braces = loose = 0
    cells = np.frombuffer(data, np.uint8)
    for at in range(0, len(cells), _PART):
        part = cells[at : at + _PART + 1]
        body, after = part[:_PART], part[1:]
        is_quote = part == _QUOTE
        before = is_quote[: len(after)]
        keys += int(np.count_nonzero(before & (after == _COLON)))
        loose += int(np.count_nonzero(before & (after <= _BLANK)))
        quotes += int(np.count_nonzero(is_quote[:_PART]))
        brackets += int(np.count_nonzero(body == _BRACKET))
        braces += int(np.count_nonzero(body == _BRACE))
    return keys, quotes, brackets, braces, loose


def _marks_of_few(data: bytes) -> tuple[int, int, int, int, int]:
    """Count the same in few bytes, where numpy's calls would cost more than the counting."""
    loose = sum(data.count(blank) for blank in (b'" ', b'"\t', b'"\r', b'"\n'))
    return data.count(b'":'), data.count(b'"'), data.count(b"["), data.count(b"{"), loose


def matching_lines(lines: Lines, expected: npt.NDArray[np.int64]) -> Mask:
    """Return which lines hold what their rows hold; ``expected`` has a row a line, columns as ``ExpectedCounts``.

    Groups are compared first, and only those that disagree are taken apart, into smaller ones and then into lines.
    """
    sums = np.concatenate([np.zeros((1, expected.shape[1]), np.int64), np.cumsum(expected, axis=0)])
    odd = [(0, len(lines))]
    for size in _GROUPS:
        odd = [
            (first, last)
            for start, stop in odd
            for first in range(start, stop, size)
            if not _group_matches(lines, first, last := min(first + size, stop), sums)
        ]
    return without(len(lines), [first for first, _ in odd])


def _group_matches(lines: Lines, first: int, last: int, sums: npt.NDArray[np.int64]) -> bool:
    expected = ExpectedCounts(*(sums[last] - sums[first]).tolist())
    if last - first == 1:
        return matches(lines.line(first), expected, one_line=True)
    return matches(lines.data[lines.start(first) : lines.start(last)], expected)

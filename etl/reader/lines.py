"""Numbered lines of one piece, with the byte counts that tell what a lenient parser passed over in silence."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from etl.reader.chunks import Piece, newlines

Mask = npt.NDArray[np.bool_]
_CHUNK = 1 << 18
_FEW_BYTES = 1 << 13
"""Below it counting byte by byte is cheaper than numpy's calls."""
_GROUPS = (512, 64, 8, 1)
"""Lines that are compared together: the last ones alone."""
_QUOTE, _COLON, _BRACKET, _BRACE, _CR, _CLOSE, _BLANK = (ord(c) for c in '":[{\r} ')


class Lines:
    """Lines that each end in a newline, and their numbers in the file."""

    def __init__(
        self, data: bytes, numbers: npt.NDArray[np.int64], ends: npt.NDArray[np.intp] | None = None
    ) -> None:
        """``data`` holds ``len(numbers)`` lines; ``ends`` where they are known already."""
        self.data = data
        self.numbers = numbers
        self._found = ends

    @classmethod
    def of(cls, piece: Piece) -> Lines:
        """Return all lines of a piece."""
        data = piece.data if piece.ended else piece.data + b"\n"
        return cls(data, np.arange(piece.first, piece.first + piece.lines, dtype=np.int64))

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self.numbers)

    @property
    def ends(self) -> npt.NDArray[np.intp]:
        """Offsets of the newlines, found when first asked for."""
        if self._found is None:
            self._found = newlines(self.data)
        return self._found

    def line(self, index: int) -> bytes:
        """Return one line without its end."""
        return self.data[self.start(index) : int(self.ends[index])].removesuffix(b"\r")

    def start(self, index: int) -> int:
        """Return the offset of a line."""
        return int(self.ends[index - 1]) + 1 if index else 0

    def kept(self, mask: Mask) -> Lines:
        """Return the lines where ``mask`` is true."""
        if mask.all():
            return self
        wanted = np.flatnonzero(mask)
        if not len(wanted):
            return Lines(b"", self.numbers[:0])
        # runs of neighbours are copied in one slice each
        breaks = np.flatnonzero(np.diff(wanted) > 1) + 1
        first, last = wanted[np.r_[0, breaks]], wanted[np.r_[breaks - 1, len(wanted) - 1]]
        starts = np.where(first > 0, self.ends[first - 1] + 1, 0)
        parts = [self.data[a:b] for a, b in zip(starts.tolist(), (self.ends[last] + 1).tolist(), strict=True)]
        lengths = np.diff(self.ends, prepend=-1)[wanted]
        return Lines(b"".join(parts), self.numbers[wanted], np.cumsum(lengths) - 1)

    def where(self, test: Callable[[bytes], bool]) -> Mask:
        """Ask every line."""
        return np.fromiter((test(self.line(i)) for i in range(len(self))), np.bool_, len(self))

    def count(self, byte: int) -> npt.NDArray[np.intp]:
        """Return how often a byte is in each line."""
        return np.diff(np.searchsorted(positions(self.data, byte), self.ends), prepend=0)

    def blank(self) -> Mask:
        """Whether a line has nothing but its end."""
        found: Mask = np.diff(self.ends, prepend=-1) == 1
        return found

    def shorter_than(self, size: int) -> bool:
        """Whether all lines surely are, told without their ends: each half of that size has a line end."""
        half = size // 2
        return all(self.data.find(b"\n", at, at + half) >= 0 for at in range(0, len(self.data), half))

    def not_utf8(self) -> Mask:
        """Whether a line is not valid UTF-8."""
        found = np.zeros(len(self), np.bool_)
        try:
            self.data.decode()
        except UnicodeDecodeError:
            for i in range(len(self)):
                found[i] = not _is_utf8(self.line(i))
        return found

    def look_like_objects(self) -> Mask:
        """Whether a line begins with { and ends with }: cheap, and finds most that are torn."""
        cells, ends = np.frombuffer(self.data, np.uint8), self.ends
        starts = np.r_[0, ends[:-1] + 1]
        last = np.maximum(ends - 1, 0)
        last = np.where((cells[last] == _CR) & (last > 0), last - 1, last)
        found: Mask = (cells[starts] == _BRACE) & (cells[last] == _CLOSE) & (last > starts)
        return found

    def sample(self, most: int) -> list[bytes]:
        """Return up to ``most`` lines, the first ones and others evenly over the rest."""
        if len(self) <= most:
            return [self.line(i) for i in range(len(self))]
        head = most // 4
        return [
            self.line(int(i)) for i in np.r_[np.arange(head), np.linspace(head, len(self) - 1, most - head)]
        ]


def positions(data: bytes, byte: int) -> npt.NDArray[np.intp]:
    """Return the offsets of a byte."""
    return np.flatnonzero(np.frombuffer(data, np.uint8) == byte)


def _is_utf8(line: bytes) -> bool:
    try:
        line.decode()
    except UnicodeDecodeError:
        return False
    return True


class Said(NamedTuple):
    """What the cells of some rows amount to."""

    cells: int
    """Keys with a value, those of a nested object and its own included."""
    strings: int
    lists: int
    objects: int


def agree(data: bytes, said: Said, *, one_line: bool = False) -> bool:
    """Whether some whole lines of JSON say what their rows hold, no more and no less.

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
    if loose or (quotes - escaped, brackets, braces) != (2 * (keys + said.strings), said.lists, said.objects):
        return False
    return keys == said.cells or keys == said.cells + data.count(b'":null') + data.count(b'": null')


def _marks(data: bytes) -> tuple[int, int, int, int, int]:
    """Count keys, quotes, brackets, braces and quotes before a blank, in chunks that stay in the processor's cache."""
    keys = quotes = brackets = braces = loose = 0
    cells = np.frombuffer(data, np.uint8)
    for at in range(0, len(cells), _CHUNK):
        chunk = cells[at : at + _CHUNK + 1]
        body, after = chunk[:_CHUNK], chunk[1:]
        is_quote = chunk == _QUOTE
        before = is_quote[: len(after)]
        keys += int(np.count_nonzero(before & (after == _COLON)))
        loose += int(np.count_nonzero(before & (after <= _BLANK)))
        quotes += int(np.count_nonzero(is_quote[:_CHUNK]))
        brackets += int(np.count_nonzero(body == _BRACKET))
        braces += int(np.count_nonzero(body == _BRACE))
    return keys, quotes, brackets, braces, loose


def _marks_of_few(data: bytes) -> tuple[int, int, int, int, int]:
    """Count the same in few bytes, where numpy's calls would cost more than the counting."""
    loose = sum(data.count(blank) for blank in (b'" ', b'"\t', b'"\r', b'"\n'))
    return data.count(b'":'), data.count(b'"'), data.count(b"["), data.count(b"{"), loose


def agreeing(lines: Lines, said: npt.NDArray[np.int64]) -> Mask:
    """Return which lines say what their rows hold; ``said`` has a row for each line and the columns of ``Said``.

    Groups are compared first, and only those that disagree are taken apart, into smaller ones and then into lines.
    """
    sums = np.concatenate([np.zeros((1, said.shape[1]), np.int64), np.cumsum(said, axis=0)])
    odd = [(0, len(lines))]
    for size in _GROUPS:
        odd = [
            (first, last)
            for start, stop in odd
            for first in range(start, stop, size)
            if not _agrees(lines, first, last := min(first + size, stop), sums)
        ]
    return without(len(lines), [first for first, _ in odd])


def _agrees(lines: Lines, first: int, last: int, sums: npt.NDArray[np.int64]) -> bool:
    said = Said(*(sums[last] - sums[first]).tolist())
    if last - first == 1:
        return agree(lines.line(first), said, one_line=True)
    return agree(lines.data[lines.start(first) : lines.start(last)], said)


def without(length: int, indexes: Collection[int]) -> Mask:
    """Return a mask that is false at ``indexes`` alone."""
    mask = np.ones(length, np.bool_)
    mask[list(indexes)] = False
    return mask

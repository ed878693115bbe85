"""Numbered lines of one chunk: taken out, counted and sampled without splitting them all."""

from __future__ import annotations

from collections.abc import Callable, Collection

import numpy as np
import numpy.typing as npt

from etl.reader.chunks import Chunk, newlines

Mask = npt.NDArray[np.bool_]
_BRACE, _CR, _CLOSE = (ord(c) for c in "{\r}")


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
    def of(cls, chunk: Chunk) -> Lines:
        """Return all lines of a chunk."""
        data = chunk.data if chunk.ended else chunk.data + b"\n"
        return cls(data, np.arange(chunk.first, chunk.first + chunk.lines, dtype=np.int64))

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


def without(length: int, indexes: Collection[int]) -> Mask:
    """Return a mask that is false at ``indexes`` alone."""
    mask = np.ones(length, np.bool_)
    mask[list(indexes)] = False
    return mask

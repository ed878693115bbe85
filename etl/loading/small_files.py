"""Small files of a batch, mapped and encoded together, and cut apart again: each has its own rows, lines and outcome.

Where anything about the files together is odd, they are halved until the odd ones are alone; those are read on their
own, as if they had never been here.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from etl.database.statements import CopyFormat
from etl.loading.ledger import BatchFile
from etl.loading.single_out import any_error
from etl.models import Joined, SmallLog

if TYPE_CHECKING:
    import polars as pl

log = logging.getLogger(__name__)

_FILES, _BYTES = 500, 4 << 20
"""Files that are mapped together, and bytes of their rows."""
_FEW = 4
"""Files that are read one by one when they cannot be mapped together."""
_NEWLINE = 10

Group = Sequence[tuple[BatchFile, SmallLog]]


@dataclass(kw_only=True, slots=True)
class Waiting:
    """Small files that wait to be mapped together."""

    files: list[tuple[BatchFile, SmallLog]] = field(default_factory=list)
    size: int = 0

    def add(self, file: BatchFile, small: SmallLog) -> None:
        """Let a file wait."""
        self.files.append((file, small))
        self.size += small.size

    @property
    def is_full(self) -> bool:
        """Whether it is time to map them."""
        return len(self.files) >= _FILES or self.size > _BYTES

    def taken(self) -> Iterator[Group]:
        """The files in groups that may be mapped together; none waits any longer."""
        groups: dict[bytes, list[tuple[BatchFile, SmallLog]]] = {}
        for file, small in self.files:
            groups.setdefault(small.kind, []).append((file, small))
        self.files, self.size = [], 0
        yield from groups.values()


@dataclass(frozen=True, kw_only=True, slots=True)
class Mapped:
    """Rows of some files that were mapped together; without, the files have to be read alone."""

    files: Sequence[BatchFile]
    joined: Joined | None = None

    def encoded(self) -> Iterator[tuple[BatchFile, bytes, CopyFormat, pl.Series]]:
        """Each file with its rows in a form that COPY takes, and their times."""
        import numpy as np
        import polars as pl

        from etl.loading.copy_csv import to_copy

        assert self.joined is not None
        frame = self.joined.frame
        ids = np.repeat([file.etl_file_id for file in self.files], self.joined.rows)
        text, form = to_copy(frame, pl.Series(ids))
        ends = np.r_[0, np.flatnonzero(np.frombuffer(text, np.uint8) == _NEWLINE) + 1].tolist()
        are_lines = len(ends) == frame.height + 1  # else a value has a newline
        times, start = frame["@timestamp"], 0
        for file, count in zip(self.files, self.joined.rows, strict=True):
            if are_lines:
                encoded = (text[ends[start] : ends[start + count]], form)
            else:
                encoded = to_copy(frame.slice(start, count), file.etl_file_id)
            yield file, *encoded, times.slice(start, count)
            start += count


def mapped(group: Group) -> Iterator[Mapped]:
    """Map a group; where it cannot be mapped as a whole, its halves."""
    if len(group) > 1 and (joined := _joined([small for _, small in group])) is not None:
        yield Mapped(files=[file for file, _ in group], joined=joined)
    elif len(group) <= _FEW:
        yield Mapped(files=[file for file, _ in group])
    else:
        middle = len(group) // 2
        yield from mapped(group[:middle])
        yield from mapped(group[middle:])


def _joined(logs: Sequence[SmallLog]) -> Joined | None:
    try:
        return logs[0].joined(logs[1:])
    except any_error() as error:  # each is read alone then, and raises what is its own
        log.debug("%d small files cannot be mapped together: %r", len(logs), error)
        return None

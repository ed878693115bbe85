"""What ``discover`` took and what it left waiting: for the log of a run, which else would be green without a reason."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

MOST = 100
"""Waiting files that are named; the others are counted."""


@dataclass(frozen=True, kw_only=True, slots=True)
class WaitingFile:
    """A file that this run leaves for a later one."""

    path: str
    why: str
    until: datetime | None = None
    """When a run takes it, if it does not change again; None: not known."""

    def __str__(self) -> str:
        """For a person."""
        moment = f", until {self.until:%Y-%m-%d %H:%M:%S} UTC" if self.until else ""
        return f"waits: {self.path}: {self.why}{moment}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Discovered:
    """What one call of ``discover`` came to."""

    batches: Sequence[int]
    taken: Sequence[tuple[str, int]]
    """Path and size of the files that it claimed."""
    waiting: Sequence[WaitingFile]
    listed: int
    """Files that were listed, those that are loaded already among them."""
    left_over: int = 0
    """Files beyond ``CONN_ETL_MAX_BATCHES``, for the next run."""

    def lines(self) -> list[str]:
        """For a log: first the counts, then each file that waits and each that was taken."""
        known = self.listed - len(self.taken) - len(self.waiting) - self.left_over
        size = sum(size for _, size in self.taken)
        first = (
            f"{_count(self.listed)} listed: {len(self.taken):,} taken ({size:,} bytes, "
            f"{_count(len(self.batches), 'batch', 'batches')}), "
            f"{len(self.waiting):,} waiting, {known:,} final before"
        )
        lines = [
            first,
            *map(str, self.waiting),
            *(f"taken: {path} ({size:,} bytes)" for path, size in self.taken),
        ]
        if self.left_over:
            lines.insert(
                1, f"{_count(self.left_over)} left for the next run: CONN_ETL_MAX_BATCHES is reached"
            )
        return lines

    def as_dict(self) -> dict[str, Any]:
        """For an XCom: counts, and the first ``MOST`` files that wait."""
        return {
            "listed": self.listed,
            "taken": len(self.taken),
            "taken_bytes": sum(size for _, size in self.taken),
            "waiting": len(self.waiting),
            "left_over": self.left_over,
            "waiting_files": [
                {"path": file.path, "why": file.why, "until": file.until.isoformat() if file.until else None}
                for file in self.waiting[:MOST]
            ],
        }


def _count(number: int, one: str = "file", many: str = "files") -> str:
    return f"1 {one}" if number == 1 else f"{number:,} {many}"

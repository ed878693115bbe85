"""Workers side by side: forks that take numbers from one pipe and hand results back by another.

Each waits much (for sessions to end, for a server to start), so that three on two cores do more than two.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NoReturn

from tests.chaos.processes import run_and_end

Work = Callable[[Iterator[int]], Iterator[dict[str, Any]]]
"""Makes one result of each number."""
_DIGITS = 8


@dataclass(kw_only=True, slots=True)
class Workers:
    """The parent's view of its workers."""

    numbers: int
    """Where numbers are written, -1 once no more come."""
    answers: int
    """Where results are read, one line each."""
    failed: bool = False
    pids: list[int] = field(default_factory=list)

    def take(self, number: int) -> None:
        """Let the next free worker take this number."""
        if self.numbers >= 0:
            os.write(self.numbers, f"{number:0{_DIGITS}d}".encode())

    def no_more(self) -> None:
        """No more numbers: each worker ends after its present one."""
        if self.numbers >= 0:
            os.close(self.numbers)
            self.numbers = -1

    def results(self) -> Iterator[dict[str, Any]]:
        """Results as they come, until all workers have ended."""
        with os.fdopen(self.answers, encoding="utf-8") as lines:
            for line in lines:
                yield json.loads(line)


@contextmanager
def workers(size: int, work: Work) -> Iterator[Workers]:
    """Start the workers; at the end, wait for them and see whether one of them broke."""
    numbers, give = os.pipe()
    answers, answer = os.pipe()
    started = Workers(numbers=give, answers=answers)
    sys.stdout.flush()
    for _ in range(size):
        if pid := os.fork():
            started.pids.append(pid)
            continue
        os.close(give)
        os.close(answers)
        _worker(work, numbers, answer)
    os.close(numbers)
    os.close(answer)
    try:
        yield started
    finally:
        started.no_more()
        codes = [os.waitpid(pid, 0)[1] for pid in started.pids]
        started.failed = any(codes)


def _worker(work: Work, numbers: int, answer: int) -> NoReturn:
    def all_of_them() -> None:
        for result in work(_taken(numbers)):
            os.write(answer, json.dumps(result).encode() + b"\n")  # one piece: below PIPE_BUF

    run_and_end(all_of_them, failure=1)


def _taken(numbers: int) -> Iterator[int]:
    while data := os.read(numbers, _DIGITS):
        yield int(data)

"""What PostgreSQL's own processes use while something is loaded: processor seconds by step, and memory.

Ten times a second each process's counters are read, and what it used since is put to the step that its session then
shows in pg_stat_activity. What a session used after the last look is known all the same: the postmaster counts what its
ended children used. It stands under ``unseen``.
"""

from __future__ import annotations

import re
import threading
import time
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any, Self

import psutil
import psycopg2

SECONDS = 0.1
END_SECONDS = 2.0
"""Time that sessions have to end once their work is done."""
_SESSIONS = (
    "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
)
_ACTIVITY = "SELECT pid, application_name, backend_type FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
_MERGED = {"gate": "validate"}


@dataclass(kw_only=True, slots=True)
class Watch:
    """A context over what is watched. Its figures are complete after its end."""

    url: str
    cpu_seconds: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    """By step; ``background`` is checkpointer, WAL writer and their like, ``unseen`` the ends of sessions."""
    private_mib: float = 0
    """Peak of all sessions together, without what they share (shared_buffers)."""
    largest_mib: float = 0
    """Peak of one session with the shared memory that it has touched."""
    _before: dict[int, float] = field(default_factory=dict)
    _ended: float = 0
    """Used by sessions that had ended before."""
    _postmaster: psutil.Process | None = None
    _stop: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        """Begin."""
        connection = psycopg2.connect(self.url, application_name="benchmark watch")
        connection.autocommit = True
        self._postmaster = psutil.Process(_parent(connection))
        _wait_for_end(connection)
        self._look(connection, first=True)
        self._ended = self._used_by_ended()
        self._thread = threading.Thread(target=self._watch, args=(connection,), daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """End."""
        self._stop.set()
        assert self._thread is not None
        self._thread.join()

    def figures(self) -> dict[str, Any]:
        """For the JSON."""
        return {
            "postgres_cpu_seconds": {step: round(used, 2) for step, used in sorted(self.cpu_seconds.items())},
            "postgres_private_mib": self.private_mib,
            "postgres_largest_mib": self.largest_mib,
        }

    def _watch(self, connection: Any) -> None:
        while not self._stop.wait(SECONDS):
            self._look(connection)
        _wait_for_end(connection)
        self._look(connection)
        seen = sum(used for step, used in self.cpu_seconds.items() if step != "background")
        self.cpu_seconds["unseen"] = max(0.0, self._used_by_ended() - self._ended - seen)
        connection.close()

    def _used_by_ended(self) -> float:
        """Processor seconds of all sessions that have ended since the server started."""
        assert self._postmaster is not None
        times = self._postmaster.cpu_times()
        return float(times.children_user + times.children_system)

    def _look(self, connection: Any, *, first: bool = False) -> None:
        """Add what each process used since the last look; what it used before the first one is not ours."""
        with connection.cursor() as cursor:
            cursor.execute(_ACTIVITY)
            sessions = cursor.fetchall()
        private, largest = 0.0, 0.0
        for pid, name, kind in sessions:
            try:
                process = psutil.Process(pid)
                times, memory = process.cpu_times(), process.memory_info()
            except psutil.NoSuchProcess:
                continue
            used = times.user + times.system
            step = _step(name, kind)
            if not first:
                self.cpu_seconds[step] += used - self._before.get(pid, 0)
            self._before[pid] = used
            if step != "background":
                private += memory.rss - memory.shared
                largest = max(largest, memory.rss)
        self.private_mib = max(self.private_mib, private / 2**20)
        self.largest_mib = max(self.largest_mib, largest / 2**20)


def _parent(connection: Any) -> int:
    """The postmaster."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        return psutil.Process(cursor.fetchone()[0]).ppid()


def _wait_for_end(connection: Any) -> None:
    """Let sessions end whose programs have ended."""
    deadline = time.monotonic() + END_SECONDS
    with connection.cursor() as cursor:
        while time.monotonic() < deadline:
            cursor.execute(_SESSIONS)
            if cursor.fetchone()[0] == 0:
                return
            time.sleep(0.01)


def _step(name: str, kind: str) -> str:
    if found := re.match(r"conn-etl (\w+)", name):
        return _MERGED.get(found[1], found[1])
    if kind in ("client backend", "parallel worker"):
        return name or "session"
    return "background"

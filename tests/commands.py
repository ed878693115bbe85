"""``conn-etl`` as the tests run it: in a fork of a process that has all imports done, which takes no seconds to start.

The fork has the environment, folder and standard streams that a test gives, and ends without Python's own end. What
only a fresh interpreter shows (its imports, peak memory, its own end, variables that Python reads when it starts) is
tested with one.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from tests.chaos.processes import call, imported, run_and_end

ROOT = Path(__file__).resolve().parents[1]
SECONDS = 120.0
"""That one call may take."""
_REQUEST = 1 << 18


class Commands:
    """The process that forks; as many of them as there are workers of a test run."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._start()

    def _start(self) -> None:
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-c", f"from tests import commands; commands.serve({theirs.fileno()})"],
                cwd=ROOT, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL, start_new_session=True,
            )  # fmt: skip

    def run(
        self, arguments: list[str], environment: Mapping[str, str], folder: Path, piped: bytes | None = None
    ) -> subprocess.CompletedProcess[str]:
        """One call to its end, with what it printed; the code of one that a signal ended is negative.

        Raises:
            TimeoutError: it takes longer than ``SECONDS``, and was killed.
        """
        request = {"arguments": arguments, "environment": dict(environment), "folder": str(folder)}
        with (
            self._lock,
            tempfile.TemporaryFile() as out,
            tempfile.TemporaryFile() as said,
            _given(piped) as given,
        ):
            try:
                streams = [given, out.fileno(), said.fileno()]
                socket.send_fds(self._socket, [json.dumps(request).encode()], streams)
                self._socket.settimeout(SECONDS)
                code = int(self._socket.recv(16))
            except BaseException:  # an answer that comes later would be taken for that of the next call
                self.stop()
                self._start()
                raise
            out.seek(0)
            said.seek(0)
            return subprocess.CompletedProcess(arguments, code, out.read().decode(), said.read().decode())

    def stop(self) -> None:
        """Kill it, and the call that still runs."""
        self._socket.close()
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()


@contextmanager
def _given(piped: bytes | None) -> Iterator[int]:
    """The end of a pipe through which these bytes come."""
    reading, writing = os.pipe()
    feeder = threading.Thread(target=_feed, args=(writing, piped or b""))
    feeder.start()
    try:
        yield reading
    finally:
        os.close(reading)
        feeder.join()


def _feed(writing: int, piped: bytes) -> None:
    with suppress(BrokenPipeError), os.fdopen(writing, "wb") as pipe:
        pipe.write(piped)


def serve(number: int) -> None:
    """Fork for each request, and answer with the exit code; ends when nobody can ask any more."""
    imported()
    requests = socket.socket(fileno=number)
    while True:
        message, streams, _, _ = socket.recv_fds(requests, _REQUEST, 3)
        if not message:
            return
        request = json.loads(message)
        if not (pid := os.fork()):
            requests.close()
            run_and_end(lambda: _call(request, streams), failure=1)  # noqa: B023  the fork has its own
        for stream in streams:
            os.close(stream)
        _, status = os.waitpid(pid, 0)
        requests.send(str(os.waitstatus_to_exitcode(status)).encode())


def _call(request: dict[str, Any], streams: list[int]) -> None:
    from etl.cli import console

    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    os.environ.clear()
    os.environ.update(request["environment"])
    os.chdir(request["folder"])
    time.tzset()
    tempfile.tempdir = None
    if width := os.environ.get("COLUMNS"):
        console.out.width = console.err.width = int(width)
    call(request["arguments"])

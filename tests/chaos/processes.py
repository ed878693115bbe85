"""Processes to be killed: ``conn-etl`` and single steps, forked with all imports done, each in a group of its own.

A fork starts in milliseconds where a fresh interpreter takes seconds, so a kill hits the work and not an import. Every
tenth process is a fresh interpreter all the same. No thread may run here when forking, and a connection that is open
belongs to the parent alone.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

ROOT = Path(__file__).resolve().parents[2]
LIMIT = 240.0
"""Seconds after which a process counts as hanging."""


def imported() -> None:
    """Import all that the work imports, once for all forks."""
    import polars as pl  # noqa: F401
    import psycopg2  # noqa: F401

    from etl import cli, pipeline  # noqa: F401
    from etl.quality import gx

    gx.load()


def warm() -> None:
    """The same, with all of it set for small logs and links that are cut."""
    from etl.database import engine
    from etl.loading import stage
    from etl.quality import rules

    imported()
    rules.rules("gate")
    # parts as small as the logs, so that speculative publishing happens here too
    stage.FLUSH_BYTES, stage.PART_BYTES = 40_000, 80_000
    # a link that is cut shall not cost a minute each time: both sides give up after some seconds
    quick = {"keepalives_idle": "1", "keepalives_interval": "1", "keepalives_count": "2"}
    engine._CLIENT = {**engine._CLIENT, **quick, "tcp_user_timeout": "3000", "connect_timeout": "2"}
    server = {f"tcp_{name}": value for name, value in quick.items()}
    engine._SERVER = {**engine._SERVER, **server, "tcp_user_timeout": "3000"}


@dataclass(kw_only=True, slots=True)
class Process:
    """One process group."""

    pid: int
    out: Path
    code: int | None = None
    _popen: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    def kill(self, number: int = signal.SIGKILL) -> None:
        """A signal to the whole group, if there still is one."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, number)

    def ended(self) -> bool:
        """Whether it is over; collects the exit code (negative: the signal)."""
        if self.code is None:
            if self._popen is not None:
                self.code = self._popen.poll()
            else:
                pid, status = os.waitpid(self.pid, os.WNOHANG)
                if pid:
                    self.code = os.waitstatus_to_exitcode(status)
        return self.code is not None

    def wait(self, seconds: float = LIMIT) -> int:
        """Its exit code; a process that hangs is killed and raises TimeoutError."""
        deadline = time.monotonic() + seconds
        while not self.ended():
            if time.monotonic() > deadline:
                self.kill()
                raise TimeoutError(f"hangs: {self.said()[-2000:]}")
            time.sleep(0.005)
        assert self.code is not None
        return self.code

    def said(self) -> str:
        """Its stdout and stderr."""
        return self.out.read_text(errors="replace")


def forked(
    work: Callable[[], None],
    environment: Mapping[str, str],
    out: Path,
    before: Callable[[], None] | None = None,
) -> Process:
    """Run ``work`` in a fork; ``before`` first, such as a move to another network."""
    sys.stdout.flush()
    sys.stderr.flush()

    def prepared() -> None:
        os.setsid()
        signal.signal(signal.SIGINT, signal.default_int_handler)
        sink = os.open(out, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(sink, 1)
        os.dup2(sink, 2)
        os.environ.update(environment)
        if before is not None:
            before()
        work()

    if not (pid := os.fork()):
        run_and_end(prepared, failure=70)
    return Process(pid=pid, out=out)


def run_and_end(work: Callable[[], None], *, failure: int) -> NoReturn:
    """What a fork does: work, then end without the parent's leftovers; with ``failure`` where an error ends it."""
    code = failure
    try:
        work()
        code = 0
    except SystemExit as error:
        if isinstance(error.code, str):
            sys.stderr.write(f"{error.code}\n")
        code = error.code if isinstance(error.code, int) else int(error.code is not None)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def command(
    arguments: Sequence[str],
    environment: Mapping[str, str],
    out: Path,
    before: Callable[[], None] | None = None,
) -> Process:
    """``conn-etl`` with these arguments, in a fork."""
    return forked(lambda: call(arguments), environment, out, before)


def call(arguments: Sequence[str]) -> None:
    """``conn-etl`` with these arguments, in this process."""
    from etl.cli import main

    sys.argv = ["conn-etl", *arguments]
    main()


def fresh(
    arguments: Sequence[str], environment: Mapping[str, str], out: Path, prefix: Sequence[str] = ()
) -> Process:
    """``conn-etl`` in an interpreter of its own, behind a prefix such as faketime."""
    call = [*prefix, sys.executable, "-c", "from etl.cli import main; main()", *arguments]
    with out.open("wb") as sink:
        popen = subprocess.Popen(
            call, stdin=subprocess.DEVNULL, stdout=sink, stderr=sink, env={**os.environ, **environment}, cwd=ROOT,
            start_new_session=True,
        )  # fmt: skip
    return Process(pid=popen.pid, out=out, _popen=popen)


def result(process: Process) -> dict[str, Any]:
    """The object that ``--json`` printed, if any."""
    for line in process.said().splitlines():
        if line.startswith("{"):
            found: dict[str, Any] = json.loads(line)
            return found
    return {}

"""The process that keeps the stack up: starts Airflow's components, starts again what dies, and stops them in order.

`airflow standalone` would not do: on SIGTERM it ends alone and leaves its components behind. Each component leads a
session of its own, so a Ctrl-C in the terminal of `make up` reaches none of them.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from etl.database import embedded
from etl.errors import ConnEtlError
from local.components import START_ORDER, STOP_ORDER, Place, command, health, kill, leftovers

LOOK_EVERY = 1.0
DRAIN = 45.0
"""Seconds that the scheduler may take to let running tasks finish; what is killed then is done again later."""
PATIENCE = 15.0
STEADY = 60.0
"""Seconds after which a component counts as well, and its next death is its first."""
LONGEST_PAUSE = 60.0
API_SERVER, API_SECONDS = "api-server", 120.0
LOG_BYTES = 64 << 20


@dataclass(kw_only=True, slots=True)
class Part:
    """One component as it is now."""

    process: subprocess.Popen[bytes] | None = None
    began: float = 0.0
    session: int | None = None
    """The pid that it was started with; its children stay in that session."""
    failures: int = 0
    restarts: int = 0
    due: float = 0.0

    @property
    def pid(self) -> int | None:
        """None while it does not run."""
        return self.process.pid if self.process and self.process.poll() is None else None


@dataclass(kw_only=True, slots=True)
class Supervisor:
    """The parts of one stack."""

    place: Place
    about: dict[str, Any]
    """What `make up` wants remembered: address, log_dir."""
    parts: dict[str, Part] = field(default_factory=lambda: {name: Part() for name in START_ORDER})
    stopping: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        """Until told to stop."""
        _say("supervisor", f"started, pid {os.getpid()}")
        self._start(API_SERVER)
        self._wait_for_it()
        for name in START_ORDER:
            if name != API_SERVER:
                self._start(name)
        while not self.stopping.wait(LOOK_EVERY):
            self._look_after_server()
            for name in START_ORDER:
                self._look_after(name)
                _trim(self.place.log(name))
        self._stop()
        _say("supervisor", "stopped")

    def _wait_for_it(self) -> None:
        """Tasks report to the api-server: those that start before it listens lose their first try."""
        deadline = time.monotonic() + API_SECONDS
        while not health(self.about["address"]) and time.monotonic() < deadline:
            if self.stopping.wait(LOOK_EVERY / 2):
                return

    def _start(self, name: str) -> None:
        part = self.parts[name]
        with self.place.log(name).open("ab") as log:
            part.process = subprocess.Popen(
                command(name),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        part.began, part.session = time.monotonic(), part.process.pid
        _say(name, f"started, pid {part.process.pid}")
        self._remember()

    def _look_after(self, name: str) -> None:
        part, now = self.parts[name], time.monotonic()
        if part.process is None:
            if now >= part.due:
                part.restarts += 1
                self._start(name)
        elif (code := part.process.poll()) is not None:
            kill(leftovers(self.place, name))  # a scheduler's workers, an api-server's port
            part.failures = 0 if now - part.began > STEADY else part.failures + 1
            part.process, part.due = None, now + min(2.0**part.failures - 1, LONGEST_PAUSE)
            _say(
                name, f"ended with {code}; starts again in {part.due - now:.0f} s; see {self.place.log(name)}"
            )
            self._remember()

    def _look_after_server(self) -> None:
        """The embedded server holds Airflow's state: where it was killed, it is started again."""
        if embedded.status(self.place.home).running:
            return
        _say("postgres", "is not running; starting it")
        try:
            embedded.start(self.place.home)
        except ConnEtlError as error:
            _say("postgres", str(error))

    def _stop(self) -> None:
        for name in STOP_ORDER:
            part = self.parts[name]
            if part.process is not None:
                part.process.terminate()
                try:
                    part.process.wait(DRAIN if name == "scheduler" else PATIENCE)
                except subprocess.TimeoutExpired:
                    _say(name, "did not end in time and is killed")
            kill(leftovers(self.place, name))
            if part.process is not None:
                _say(name, f"ended with {part.process.wait()}")
            part.process = part.session = None
            self._remember()

    def _remember(self) -> None:
        parts = {
            name: {"pid": part.pid, "session": part.session, "restarts": part.restarts}
            for name, part in self.parts.items()
        }
        self.place.write("stack.json", {**self.about, "components": parts})


def _say(name: str, text: str) -> None:
    print(f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} {name} {text}", flush=True)


def _trim(log: Path) -> None:
    """Components write for years: the file is emptied in their hands, what was in it is kept once."""
    if log.stat().st_size > LOG_BYTES:
        shutil.copyfile(log, log.with_suffix(".log.1"))
        os.truncate(log, 0)


def main(home: str, address: str, log_dir: str) -> int:
    """Supervise the stack of a home with this process's environment; 1 if somebody does already."""
    place = Place(Path(home))
    with (place.folder / "supervisor.lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return 1
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        about = {"address": address, "log_dir": log_dir}
        supervisor = Supervisor(place=place, about=about)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: supervisor.stopping.set())
        supervisor.run()
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

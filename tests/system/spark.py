"""Spark standalone, a master and two workers as processes, in an environment of its own."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest

from tests.system.index import uv

PYSPARK = "pyspark==4.0.1"
"""From the package index, with all of Spark in it; runs on Java 17 and 21."""
WORKERS = 2
START = 240.0
"""Seconds that a process may take to say that it is ready."""


def install(folder: Path) -> Path:
    """An environment with Spark in it; returns its Python. The test is skipped where Spark or Java cannot be had."""
    if shutil.which("java") is None:
        pytest.skip("there is no Java (on Debian: apt-get install openjdk-17-jre-headless)")
    python = folder / "bin" / "python"
    uv("venv", "--quiet", "--python", sys.executable, folder)
    uv("pip", "install", "--quiet", "--python", python, PYSPARK)
    return python


def is_executor(process: psutil.Process) -> bool:
    """False for the short commands that an executor starts, which may have ended meanwhile."""
    with suppress(psutil.NoSuchProcess):  # a zombie is one, too
        return any("ExecutorBackend" in word for word in process.cmdline())
    return False


@dataclass(kw_only=True, slots=True)
class Cluster:
    """Master and workers; an executor is a child that a worker starts for an application."""

    python: Path
    folder: Path
    url: str = ""
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    @property
    def environment(self) -> dict[str, str]:
        """All on loopback, with little memory, and nothing written outside the folder."""
        return {
            **os.environ,
            "SPARK_LOCAL_IP": "127.0.0.1",
            "SPARK_PUBLIC_DNS": "127.0.0.1",
            "SPARK_LOCAL_DIRS": str(self.folder / "local"),
            "SPARK_DAEMON_MEMORY": "256m",
            "SPARK_NO_DAEMONIZE": "1",
            "PYSPARK_PYTHON": str(self.python),
        }

    def start(self, name: str, *call: str, ready: str) -> str:
        """Start a process, and wait until its log has a line that matches."""
        (home,) = self.python.parents[1].glob("lib/python*/site-packages/pyspark")
        log = self.folder / f"{name}.log"
        with log.open("wb") as output:
            self.processes[name] = subprocess.Popen(
                [home / "bin" / "spark-class", *call],
                env={**self.environment, "SPARK_HOME": str(home)},
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
        deadline = time.monotonic() + START
        while time.monotonic() < deadline and self.processes[name].poll() is None:
            if found := re.search(ready, log.read_text(encoding="utf-8")):
                return found[0]
            time.sleep(0.1)
        raise AssertionError(f"{name} did not start: {log.read_text(encoding='utf-8')[-4000:]}")

    def start_all(self) -> None:
        deploy, here = "org.apache.spark.deploy", ("--host", "127.0.0.1", "--port", "0", "--webui-port", "0")
        self.url = self.start("master", f"{deploy}.master.Master", *here, ready=r"spark://127\.0\.0\.1:\d+")
        share = ("--cores", "1", "--memory", "1g", "--work-dir", str(self.folder / "work"))
        for number in range(WORKERS):
            worker = (f"{deploy}.worker.Worker", *here, *share, self.url)
            self.start(f"worker {number}", *worker, ready="Successfully registered with master")

    def executor(self, worker: str) -> psutil.Process:
        """The executor that a worker runs now."""
        children = psutil.Process(self.processes[worker].pid).children(recursive=True)
        (found,) = [one for one in children if is_executor(one)]
        return found

    def stop(self) -> None:
        for process in reversed(self.processes.values()):
            process.terminate()
            with suppress(subprocess.TimeoutExpired):
                process.wait(20)
            process.kill()
            process.wait()


@contextmanager
def cluster(python: Path, folder: Path) -> Iterator[Cluster]:
    """A running one, stopped at the end."""
    started = Cluster(python=python, folder=folder)
    try:
        started.start_all()
        yield started
    finally:
        started.stop()

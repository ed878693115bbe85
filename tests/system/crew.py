"""Airflow with the CeleryExecutor, Redis and two workers, each a process with a session of its own."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from etl.database import embedded, engine, schema
from etl.settings import Settings
from local import stack
from local.components import Place, command, environment, free_port
from tests.dags.conftest import ask

SLOTS = 2
"""Tasks that one worker runs at a time."""


def name_of_worker() -> str:
    """For ``[core] hostname_callable``: two workers on one machine have to have different names."""
    return os.environ.get("WORKER_NAME", "other")


@dataclass(kw_only=True, slots=True)
class Crew:
    """What runs, by name."""

    place: Place
    logs: Path
    env: Mapping[str, str]
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return embedded.url(self.place.home)

    @property
    def metadata(self) -> str:
        return embedded.url(self.place.home, stack.METADATA)

    def airflow(self, *arguments: str) -> None:
        """One command of Airflow's, to its end."""
        with self.place.log("setup").open("ab") as log:
            subprocess.run(command(*arguments), env=dict(self.env), check=True, stdout=log, stderr=log)

    def start(self, name: str, call: list[str], **more: str) -> None:
        with self.place.log(name).open("ab") as log:
            self.processes[name] = subprocess.Popen(
                call, env={**self.env, **more}, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )  # fmt: skip

    def worker(self, name: str) -> None:
        call = command("celery", "worker", "-H", name, "--without-mingle", "--without-gossip")
        more = {"WORKER_NAME": name, "AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT": str(free_port())}
        self.start(name, call, **more)

    def kill(self, name: str) -> int:
        """SIGKILL to all processes of one; returns how many there were."""
        process = self.processes.pop(name)
        found = list(_session(process.pid))
        for one in found:
            with suppress(psutil.Error):
                one.kill()
        process.wait()
        return len(found)

    def stop(self) -> None:
        for name in ("scheduler", "w1", "w2", "dag-processor", "api-server", "redis"):
            if process := self.processes.get(name):
                process.send_signal(signal.SIGTERM)
                with suppress(subprocess.TimeoutExpired):
                    process.wait(15)
                self.kill(name)

    def answers(self, path: str) -> bool:
        address = self.env["AIRFLOW__API__BASE_URL"]
        try:
            with urllib.request.urlopen(f"{address}{path}", timeout=5) as answer:  # noqa: S310  loopback
                return bool(answer.status == 200)
        except OSError:
            return False

    def files(self, state: str = "published") -> int:
        return int(ask(self.url, "SELECT count(*) FROM etl.file WHERE state = %s", state)[0][0])

    def batches(self) -> dict[str, set[int]]:
        """Which numbers of mapped tasks each worker has finished a ``publish`` for, all tries of it."""
        rows = ask(
            self.metadata,
            "SELECT hostname, map_index FROM task_instance WHERE task_id = 'batch.publish' AND state = 'success'",
        )
        return {name: {index for host, index in rows if host == name} for name, _ in rows}


def _session(pid: int) -> Iterator[psutil.Process]:
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            if os.getsid(process.pid) == pid and process.pid != os.getpid():
                yield process


@contextmanager
def crew(home: Path, logs: Path, **settings: str) -> Iterator[Crew]:
    """All of it but the workers, up; stopped at the end."""
    place = Place(home)
    with place.changing():
        embedded.start(home, settings={"fsync": "off"})
        url = embedded.url(home)
        schema.migrate(engine.connect_engine(engine.parse_url(url), Settings()))
        broker = free_port()
        env = environment(
            place, url=url, metadata=stack._metadata(place), log_dir=str(logs), port=free_port()
        )
        env |= {
            "AIRFLOW__CORE__EXECUTOR": "CeleryExecutor",
            "AIRFLOW__CORE__PARALLELISM": "8",
            "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "True",
            "AIRFLOW__CORE__HOSTNAME_CALLABLE": "tests.system.crew.name_of_worker",
            "AIRFLOW__CELERY__BROKER_URL": f"redis://127.0.0.1:{broker}/0",
            "AIRFLOW__CELERY__WORKER_CONCURRENCY": str(SLOTS),
            "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_SEC": "5",
            "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "20",
            "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "5",
            # for the tasks that a killed worker had taken and not begun
            "AIRFLOW__SCHEDULER__TASK_QUEUED_TIMEOUT": "120",
            "AIRFLOW__SCHEDULER__TASK_QUEUED_TIMEOUT_CHECK_INTERVAL": "5",
            **settings,
        }
        started = Crew(place=place, logs=logs, env=env)
        try:
            redis = shutil.which("redis-server")
            assert redis
            options = ["--port", str(broker), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
            started.start("redis", [redis, *options])
            stack._prepare(place, env)
            started.airflow(
                "pools", "set", "conn_ingest", str(2 * SLOTS), "as many as both workers run at once"
            )
            for name in ("api-server", "dag-processor", "scheduler"):
                started.start(name, command(name))
            _wait(started)
            yield started
        finally:
            started.stop()
            embedded.stop(home)


def _wait(started: Crew) -> None:
    deadline = time.monotonic() + 240
    while not started.answers("/api/v2/monitor/health"):
        assert time.monotonic() < deadline, "the api-server does not answer"
        time.sleep(0.5)

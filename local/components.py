"""What the stack of `make up` is made of: where it keeps things, its secrets, its programs and their environment.

Everything lies under ``HOME/airflow``; nothing of it is shared with the Airflow of `make run`, nor with any other.
"""

from __future__ import annotations

import base64
import fcntl
import json
import os
import secrets
import socket
import sys
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from local.one_run import REPOSITORY
from local.one_run import environment as needed_by_all

START_ORDER = ("api-server", "dag-processor", "triggerer", "scheduler")
STOP_ORDER = ("scheduler", "triggerer", "dag-processor", "api-server")
"""The scheduler while the api-server lives: its tasks report there."""
ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class Place:
    """Where the stack of a home keeps things; looking changes nothing."""

    home: Path
    """Absolute."""

    @property
    def folder(self) -> Path:
        """AIRFLOW_HOME."""
        return self.home / "airflow"

    @property
    def logs(self) -> Path:
        """One file a component, those of tasks in a folder below."""
        return self.folder / "logs"

    def log(self, name: str) -> Path:
        """What a component says."""
        return self.logs / f"{name}.log"

    def state(self) -> dict[str, Any]:
        """What the supervisor wrote last; empty before the first start."""
        try:
            found: dict[str, Any] = json.loads((self.folder / "stack.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return found

    def write(self, name: str, content: Mapping[str, Any]) -> Path:
        """Replace a file of this folder whole; only its owner may read it."""
        file, half = self.folder / name, self.folder / f"{name}.half"
        half.touch(mode=0o600)
        half.write_text(json.dumps(content), encoding="utf-8")
        return half.replace(file)

    def supervisor(self) -> int | None:
        """The pid of the supervisor that runs; it holds the lock for as long as it lives."""
        with suppress(OSError, ValueError), (self.folder / "supervisor.lock").open() as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return int(lock.read())
        return None

    @contextmanager
    def changing(self) -> Iterator[None]:
        """One `make up` or `make down` at a time."""
        if not self.home.exists():
            self.home.mkdir(parents=True)
            self.home.chmod(0o755)  # whatever the umask: as root the server's user has to get in
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.logs.mkdir(exist_ok=True)
        with (self.folder / "changing.lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def login(place: Place) -> tuple[str, str]:
    """User and password, drawn at the first start."""
    file = place.folder / "passwords.json"
    if not file.exists():
        place.write(file.name, {ADMIN: secrets.token_urlsafe(12)})
    return ADMIN, json.loads(file.read_text(encoding="utf-8"))[ADMIN]


def _keys(place: Place) -> dict[str, str]:
    """What Airflow signs and encrypts with; they stay, so that sessions and stored passwords outlive a restart."""
    file = place.folder / "keys.json"
    if not file.exists():
        keys = {name: secrets.token_urlsafe(48) for name in ("API_AUTH__JWT_SECRET", "API__SECRET_KEY")}
        fernet = base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()
        place.write(file.name, {**keys, "CORE__FERNET_KEY": fernet})
    return {f"AIRFLOW__{name}": key for name, key in json.loads(file.read_text(encoding="utf-8")).items()}


def environment(place: Place, *, url: str, metadata: str, log_dir: str, port: int) -> dict[str, str]:
    """Of all components and of Airflow's commands: this process's own, without another Airflow's settings.

    url: of the database for logs; metadata: of Airflow's own; port: of the api-server, on loopback only.
    """
    login(place)
    own = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")}
    address = f"http://127.0.0.1:{port}"
    return {
        **own,
        **needed_by_all(place.home, url),
        **_keys(place),
        "AIRFLOW_HOME": str(place.folder),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(place.folder / "plugins"),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": metadata,
        "CONN_ETL_AIRFLOW_DATABASE_URL": metadata,  # for conn_maintenance, which Airflow hides the other from
        "AIRFLOW__LOGGING__BASE_LOG_FOLDER": str(place.logs / "tasks"),
        "AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT": str(free_port()),
        "AIRFLOW__LOGGING__TRIGGER_LOG_SERVER_PORT": str(free_port()),
        "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
        "AIRFLOW__CORE__PARALLELISM": "5",  # as many as the pools have slots
        # A file that is dropped is loaded by the next hour: nobody has to switch anything on first.
        "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": f"{ADMIN}:admin",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(place.folder / "passwords.json"),
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{address}/execution/",
        "AIRFLOW__API__BASE_URL": address,
        "AIRFLOW__API__HOST": "127.0.0.1",
        "AIRFLOW__API__PORT": str(port),
        "AIRFLOW__API__WORKERS": "1",
        "AIRFLOW__DAG_PROCESSOR__PARSING_PROCESSES": "1",
        # Tasks of a scheduler that was killed run again within a minute, not after five.
        "AIRFLOW__SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": "20",
        "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "60",
        "CONN_ETL_HOME": str(place.home),
        "CONN_ETL_LOG_DIR": log_dir,
        "PYTHONPATH": str(REPOSITORY),
    }


def command(*arguments: str) -> list[str]:
    """One of Airflow's, by the Python that runs this."""
    return [sys.executable, "-m", "airflow", *arguments]


def free_port() -> int:
    """A port that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("", 0))
        port: int = probe.getsockname()[1]
        return port


def health(address: str) -> dict[str, dict[str, str]]:
    """What the api-server says of all components; empty where it does not answer."""
    try:
        with urllib.request.urlopen(f"{address}/api/v2/monitor/health", timeout=5) as answer:  # noqa: S310  loopback
            found: dict[str, dict[str, str]] = json.load(answer)
            return found
    except (OSError, ValueError):
        return {}


def leftovers(place: Place, name: str | None = None) -> list[psutil.Process]:
    """What a component (or any, if unnamed) and its children still run, be their parents alive or not.

    Each component leads a session, and Airflow's processes stay in it. Their titles overwrite their environment, so the
    session is what they are known by, and by their name: a number of a session may come back years later.
    """
    parts = place.state().get("components", {})
    sessions = {part.get("session") for key, part in parts.items() if name in (None, key)} - {None}
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            if os.getsid(process.pid) in sessions and any("airflow" in word for word in process.cmdline()):
                found.append(process)
    return found


def kill(processes: list[psutil.Process]) -> None:
    """At once; steps are made to be killed at any moment."""
    for process in processes:
        with suppress(psutil.Error):
            process.kill()
    psutil.wait_procs(processes, timeout=10)

"""The folder that holds an embedded server: ``HOME/postgres/{data,run,server.log}`` and ``HOME/postgres.lock``."""

from __future__ import annotations

import fcntl
import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import platformdirs
import psutil

from etl.database.embedded import folders
from etl.errors import EnvironmentProblem

DATABASE = "conn_etl"
SUPERUSER = "postgres"
LOGIN = "reader"
"""Who asks: a login that can only read."""
PORT = 5432  # only a part of the socket's name: no TCP port is opened
SOCKET_PATH_BYTES = 100
"""A socket's path holds 103 bytes on macOS, 107 on Linux."""
READY_LINE = 7
"""Of postmaster.pid, from 0: what the server says of itself."""


def default_home() -> Path:
    """``CONN_ETL_HOME``; else the user's data folder, as root one that the server's own user can reach."""
    if chosen := os.environ.get("CONN_ETL_HOME"):
        return Path(chosen).expanduser().absolute()
    return Path("/var/lib/conn-etl") if os.geteuid() == 0 else platformdirs.user_data_path("conn-etl")


@dataclass(frozen=True, slots=True)
class Home:
    """Where things are under a home, and what of them is alive. Looking changes nothing."""

    root: Path
    """Absolute."""

    @property
    def data(self) -> Path:
        """PostgreSQL's data directory."""
        return self.root / "postgres" / "data"

    @property
    def log(self) -> Path:
        """What the server says."""
        return self.root / "postgres" / "server.log"

    @property
    def sockets(self) -> Path:
        """``HOME/postgres/run``; where that is too long for a socket, the short folder that the last start made."""
        folder = self.root / "postgres" / "run"
        if len(os.fsencode(folder / f".s.PGSQL.{PORT}")) <= SOCKET_PATH_BYTES:
            return folder
        try:
            return Path(os.readlink(self._short_link))  # noqa: PTH115  not resolved any further
        except OSError:
            return folder

    @property
    def _short_link(self) -> Path:
        """In the home, not in the server's folder: the server's user must not send root elsewhere."""
        return self.root / "postgres.sockets"

    def make_short_sockets(self, uid: int, gid: int) -> None:
        """A folder with a short name that cannot be foreseen, for this user alone, where one is needed."""
        folder = self.root / "postgres" / "run"
        if len(os.fsencode(folder / f".s.PGSQL.{PORT}")) <= SOCKET_PATH_BYTES:
            return
        with suppress(OSError):
            found = self.sockets.lstat()
            if self.sockets != folder and stat.S_ISDIR(found.st_mode) and found.st_uid == uid:
                return
        self._short_link.unlink(missing_ok=True)
        made = tempfile.mkdtemp(prefix="conn-etl-")
        if os.geteuid() != uid:
            os.chown(made, uid, gid)
        self._short_link.symlink_to(made)

    def remove_short_sockets(self) -> None:
        """What ``make_short_sockets`` made."""
        if self._short_link.is_symlink():
            with suppress(OSError):
                self.sockets.rmdir()
            self._short_link.unlink()

    def url(self, database: str = DATABASE, user: str = SUPERUSER) -> str:
        """A libpq URI that SQLAlchemy and Great Expectations take too: they want a host, ``?host=`` counts."""
        return f"postgresql://{user}@localhost:{PORT}/{database}?host={quote(str(self.sockets), safe='/')}"

    def running(self) -> int | None:
        """The server's pid, if it is alive and really serves this folder: pids are reused after a reboot."""
        try:
            pid = int(self._pid_file()[0])
            command = psutil.Process(pid).cmdline()
        except (OSError, ValueError, psutil.Error):
            return None
        served = command and "postgres" in Path(command[0]).name and str(self.data) in command
        return pid if served else None

    def ready(self) -> bool:
        """Whether the server takes connections (it may be in recovery)."""
        try:
            lines = self._pid_file()
        except OSError:
            return False
        return len(lines) > READY_LINE and lines[READY_LINE].strip() == "ready"

    def busy(self) -> bool:
        """Whether any server process still works in the data folder, be its postmaster alive or killed."""
        data = str(self.data.resolve())
        return any(process.info["cwd"] == data for process in psutil.process_iter(["cwd"]))

    @contextmanager
    def locked(self) -> Iterator[None]:
        """One start or stop at a time; the lock goes with the process, so a killed one leaves nothing.

        Raises:
            EnvironmentProblem: the folder cannot be made or written.
        """
        try:
            if not self.root.exists():
                self.root.mkdir(parents=True)
                # whatever the umask: as root the server's user has to get in
                self.root.chmod(0o755 if os.geteuid() == 0 else 0o700)
            folders.require_own(self.root)
            flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW
            lock = os.fdopen(os.open(self.root / "postgres.lock", flags, 0o600), "a")
        except OSError as error:
            raise unusable(self.root, error) from error
        with lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _pid_file(self) -> list[str]:
        return (self.data / "postmaster.pid").read_text(encoding="utf-8").split("\n")


def unusable(path: Path, error: OSError) -> EnvironmentProblem:
    """The error for a folder that cannot be used."""
    return EnvironmentProblem(
        f"cannot use {path}: {error.strerror}", hint="set CONN_ETL_HOME to a folder of yours"
    )

"""`make up`, `make down`, `make status`: Airflow with its UI and scheduler beside the embedded PostgreSQL.

Airflow's own state is a separate database on the embedded server; logs go to that server too, or to
``CONN_ETL_DATABASE_URL``. A second `make up` shows what runs. Exit code 0: all is well; 1: something does not run;
2: it could not begin.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from urllib.parse import quote, urlsplit

import psutil
import psycopg2
from sqlalchemy.engine import make_url

from etl.cli.console import home_of, out, settings
from etl.cli.tables import table
from etl.database import embedded
from etl.database.store import Store
from etl.errors import ConnEtlError, DatabaseAway, EnvironmentProblem, Misuse
from local.components import (
    START_ORDER,
    STOP_ORDER,
    Place,
    command,
    environment,
    free_port,
    health,
    kill,
    leftovers,
    login,
)
from local.one_run import REPOSITORY
from local.supervisor import DRAIN, PATIENCE

METADATA = "airflow"
"""Database and role of Airflow's own state."""
FIRST_PORT, LAST_PORT = 8080, 8099
START_SECONDS = 240.0
STOP_SECONDS = DRAIN + PATIENCE * len(STOP_ORDER)

_Row = tuple[str, str, int | None, int, Path]
"""Name, health, process, restarts and log of a part."""


def main(arguments: Sequence[str]) -> int:
    """Do one of the three; every expected failure is one line on stderr."""
    verb = arguments[0] if arguments else "status"
    try:
        place = Place(home_of(settings()).absolute())
        with place.changing():
            return {"up": up, "down": down, "status": status}[verb](place)
    except ConnEtlError as error:
        print(f"make {verb}: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"make {verb}: stopped waiting; `make down` stops what was started", file=sys.stderr)
        return 130


def up(place: Place) -> int:
    """Start what does not run, wait until it is well, and say where it is."""
    log_dir = _log_dir(place)
    if place.supervisor() is not None:
        if os.environ.get("LOGS") and log_dir != place.state().get("log_dir"):
            raise Misuse("the stack runs over another folder", hint="stop it with `make down` first")
        return status(place)
    kill(leftovers(place))  # of a supervisor that was killed
    port = _port(place)
    _say(f"Starting PostgreSQL and Airflow under {place.home}; this takes half a minute.")
    env = environment(place, url=_database(place), metadata=_metadata(place), log_dir=log_dir, port=port)
    _prepare(place, env)
    address = f"http://127.0.0.1:{port}"
    with place.log("supervisor").open("ab") as log:
        call = [sys.executable, "-m", "local.supervisor", str(place.home), address, log_dir]
        subprocess.Popen(
            call, env=env, cwd=REPOSITORY, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
        )  # fmt: skip
    _wait(place)
    return status(place)


def down(place: Place) -> int:
    """Stop the stack and the server of this home, and nothing else; data and state stay."""
    if (pid := place.supervisor()) is not None:
        _say(f"Stopping Airflow; tasks that run may take up to {DRAIN:.0f} s to finish.")
        os.kill(pid, signal.SIGTERM)
        deadline = time.monotonic() + STOP_SECONDS
        while place.supervisor() == pid and time.monotonic() < deadline:
            time.sleep(0.1)
        if place.supervisor() == pid:
            os.kill(pid, signal.SIGKILL)
    left = leftovers(place)
    kill(left)
    stopped = embedded.stop(place.home)
    _say("Stopped; the data stays." if pid or left or stopped else "Nothing was running.")
    return 0


def status(place: Place) -> int:
    """Show what runs, how it is, and where to look."""
    rows: list[_Row] = [
        ("postgresql", *_server(place), 0, embedded.status(place.home).log),
        *_components(place),
    ]
    out.width = max(out.width, 160)
    shown = [(*row[:2], str(row[2] or ""), *row[3:]) for row in rows]
    table("", ("component", "health", "pid", "restarts", "log"), shown)
    if place.supervisor() is not None:
        state = place.state()
        user, password = login(place)
        _say(f"\nAirflow   {state['address']}   user {user}, password {password}")
        _say(
            f"Logs      {state['log_dir']}   what is there or comes there is loaded by conn_ingest, every full hour"
        )
        _say(f"Data      conn-etl psql, or psql '{Store.open(_url(place), settings()).reader_url}'")
        _say("Stop with `make down`; data, runs and login stay.")
    return 0 if all(row[1] == "healthy" for row in rows) else 1


def _say(text: str) -> None:
    out.print(text, markup=False, soft_wrap=True)


def _log_dir(place: Place) -> str:
    """LOGS, else CONN_ETL_LOG_DIR, else that of the last start, else a folder of the home."""
    chosen = os.environ.get("LOGS") or settings().log_dir or place.state().get("log_dir")
    if chosen is None:
        folder = place.home / "logs"
        folder.mkdir(exist_ok=True)
        return str(folder)
    if "://" in chosen:
        return str(chosen)
    folder = Path(os.path.abspath(Path(chosen).expanduser()))  # noqa: PTH100  resolve() would rename symlinks
    if not folder.is_dir():
        raise Misuse(f"{folder}: there is no such folder", hint="give one with make up LOGS=/path")
    return str(folder)


def _port(place: Place) -> int:
    """PORT (0: any that is free), else the one of the last start, else the first free one from 8080 on."""
    if chosen := os.environ.get("PORT"):
        if chosen == "0":
            return free_port()
        if not (chosen.isdecimal() and _is_free(int(chosen))):
            raise Misuse(f"port {chosen} is not free", hint="choose another with make up PORT=…")
        return int(chosen)
    address: str = place.state().get("address") or ""
    last: int | None = urlsplit(address).port
    ports: list[int] = [last or FIRST_PORT, *range(FIRST_PORT, LAST_PORT + 1)]
    for port in ports:
        if _is_free(port):
            return port
    raise EnvironmentProblem(
        f"no port from {FIRST_PORT} to {LAST_PORT} is free", hint="choose one: make up PORT=…"
    )


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except (OSError, OverflowError):
            return False
        return True


def _url(place: Place) -> str:
    chosen = settings().database_url
    return chosen.get_secret_value() if chosen else embedded.url(place.home)


def _database(place: Place) -> str:
    """The URL of the database for logs, with its schema up to date."""
    if notice := embedded.notice(place.home):
        _say(notice)
    embedded.start(place.home)
    url = _url(place)
    Store.open(url, settings()).migrate()
    return url


def _metadata(place: Place) -> str:
    """The URL of Airflow's own database, made at the first start."""
    with closing(psycopg2.connect(embedded.url(place.home, "postgres"))) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute("SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = %s)", (METADATA,))
            if cursor.fetchone() == (False,):
                cursor.execute(f"CREATE ROLE {METADATA} LOGIN")
            cursor.execute("SELECT EXISTS (SELECT FROM pg_database WHERE datname = %s)", (METADATA,))
            if cursor.fetchone() == (False,):
                cursor.execute(f"CREATE DATABASE {METADATA} OWNER {METADATA}")
    sockets = str(make_url(embedded.url(place.home)).query["host"])
    return f"postgresql+psycopg2://{METADATA}@/{METADATA}?host={quote(sockets, safe='/')}"


def _prepare(place: Place, env: dict[str, str]) -> None:
    """Airflow's tables and pools; a task that names a missing pool would wait without end."""
    log = place.log("setup")
    for arguments in (("db", "migrate"), ("pools", "import", str(REPOSITORY / "dags" / "pools.json"))):
        with log.open("ab") as stream:
            done = subprocess.run(command(*arguments), env=env, stdout=stream, stderr=stream, check=False)
        if done.returncode:
            raise EnvironmentProblem(f"airflow {' '.join(arguments[:2])} failed", hint=f"see {log}")


def _wait(place: Place) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if all(row[1] == "healthy" for row in _components(place)):
            return
        time.sleep(0.3)
    raise DatabaseAway(
        "Airflow is not well after four minutes", hint=f"see {place.logs}; `make down` stops it"
    )


def _components(place: Place) -> list[_Row]:
    """A row for each component of Airflow's.

    Without a process it is down, whatever Airflow says: the last sign of life of a killed one counts there for half a
    minute.
    """
    state = place.state() if place.supervisor() is not None else {}
    said = health(state["address"]) if state else {}
    rows: list[_Row] = []
    for name in START_ORDER:
        part = state.get("components", {}).get(name, {})
        pid = part.get("pid")
        how = _how(name, said) if pid and psutil.pid_exists(pid) else "down"
        rows.append((name, how, pid, part.get("restarts", 0), place.log(name)))
    return rows


def _how(name: str, said: dict[str, dict[str, str]]) -> str:
    part = said.get({"api-server": "metadatabase", "dag-processor": "dag_processor"}.get(name, name))
    return (part or {}).get("status") or "starting"


def _server(place: Place) -> tuple[str, int | None]:
    found = embedded.status(place.home)
    return ("healthy" if found.running else "down"), found.pid


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

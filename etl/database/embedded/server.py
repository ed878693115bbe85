"""Start and stop: initdb once, settings at every start, pg_ctl, and the waits that a killed server makes necessary."""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Callable, Mapping
from contextlib import closing, suppress
from pathlib import Path

import psutil
import psycopg2
from psycopg2 import errors as pg_errors

from etl.database.embedded import account as accounts
from etl.database.embedded import folders
from etl.database.embedded.account import Account, account_for, run
from etl.database.embedded.binaries import packaged, reachable
from etl.database.embedded.home import DATABASE, LOGIN, PORT, SUPERUSER, Home, unusable
from etl.errors import DatabaseAway, EnvironmentProblem

START_SECONDS = 120.0
"""Covers a crash recovery of ``max_wal_size``."""
LOG_BYTES = 16 << 20
MOST_CAUSES = 3
_CAUSE = (
    r"(LOG|ERROR|FATAL):\s+.*"
    r"(invalid|unrecognized|outside the valid range|cannot be|could not|no space|syntax error)"
)
"""Lines that say why a server did not start."""
SETTINGS: Mapping[str, str] = {
    "listen_addresses": "",
    "port": str(PORT),
    "unix_socket_permissions": "0700",
    "max_connections": "100",
    # A question without a time bound locks every day and its indexes: eight at once over ten sealed years take 146,000
    # locks. Slots cost about 45 MB.
    "max_locks_per_transaction": "2048",
    # No standby and no archive: COPY into a table made in the same transaction then skips the WAL.
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_wal_size": "4GB",
    "checkpoint_timeout": "15min",
    "maintenance_work_mem": "256MB",
    "work_mem": "32MB",
    "effective_io_concurrency": "64",
    "random_page_cost": "1.1",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_line_prefix": "%m [%p] %a ",
    "log_lock_waits": "on",
}


def notice(home: Home) -> str | None:
    """What ``start`` will change outside the home and the checkout, one line to print before; None: nothing."""
    if not accounts.missing(home):
        return None
    return (
        f"Running as root, and PostgreSQL refuses to: adding the system user {accounts.SYSTEM_USER} (no login, no "
        f"home), which will own {home.root / 'postgres'}. Undo with: userdel {accounts.SYSTEM_USER}"
    )


def start(home: Home, *, folder: Path | None, settings: Mapping[str, str]) -> None:
    """Start the server unless it runs, and make its database; ``folder`` is another PostgreSQL's bin folder."""
    with home.locked():
        _bring_up(home, folder, settings)
        try:
            _ensure_database(home)
        except DatabaseAway:  # somebody killed it as we looked: it is gone at once, or the fault is another
            time.sleep(0.5)
            if home.running() is not None:
                raise
            _bring_up(home, folder, settings)
            _ensure_database(home)


def _bring_up(home: Home, folder: Path | None, settings: Mapping[str, str]) -> None:
    if home.running() is None:
        account = account_for(home)
        _make_folders(home, account)
        programs = reachable(home, folder or packaged(), account)
        _initialise(home, programs, account)
        _configure(home, account, settings)
        _launch(home, programs, account)
    _wait(home.ready, START_SECONDS, f"the embedded server is not ready; see {home.log}")


def stop(home: Home, seconds: float) -> bool:
    """End all sessions and the server; False if none ran."""
    with home.locked():
        pid = home.running()
        if pid is None:
            return False
        os.kill(pid, signal.SIGINT)  # PostgreSQL's fast shutdown, and needs no programs
        # Not psutil's wait(): it waits for a zombie until the container's first process collects it, if ever.
        _wait(lambda: home.running() != pid, seconds, f"the server (pid {pid}) does not stop; see {home.log}")
        home.remove_short_sockets()
    return True


def _wait(done: Callable[[], bool], seconds: float, otherwise: str) -> None:
    deadline = time.monotonic() + seconds
    while not done():
        if time.monotonic() > deadline:
            raise DatabaseAway(otherwise, hint="try again")
        time.sleep(0.02)


def _make_folders(home: Home, account: Account) -> None:
    for names in (("postgres",), ("postgres", "data"), ("postgres", "run")):
        try:
            folders.make(home.root, names, account)
        except OSError as error:
            raise unusable(home.root.joinpath(*names), error) from error
    home.make_short_sockets(account.uid, account.gid)


def _initialise(home: Home, programs: Path, account: Account) -> None:
    """Run initdb once; what a killed one left is cleared first (it writes PG_VERSION early, pg_control late)."""
    if (home.data / "global" / "pg_control").exists() and (home.data / "conn-etl.conf").exists():
        return
    run(("find", str(home.data), "-mindepth", "1", "-delete"), account)
    # C: the same order on every machine, and no dependence on its locales.
    options = ("--username", SUPERUSER, "--auth", "trust", "--encoding", "UTF8", "--locale", "C")
    run((str(programs / "initdb"), "--pgdata", str(home.data), *options), account)
    names = ("postgres", "data", "postgresql.conf")
    text = folders.read(home.root, *names).decode()
    folders.write(home.root, names, f"{text}include_if_exists 'conn-etl.conf'\n", account)


def _configure(home: Home, account: Account, settings: Mapping[str, str]) -> None:
    """Written at every start, so that a new version's settings arrive; ALTER SYSTEM still goes above them."""
    eighth = psutil.virtual_memory().total // 8
    chosen = {
        **SETTINGS,
        "shared_buffers": f"{min(max(eighth, 128 << 20), 1 << 30) >> 20}MB",
        "unix_socket_directories": f'"{home.sockets}"',
        **settings,
    }
    lines = [f"{name} = '{value.replace(chr(39), chr(39) * 2)}'\n" for name, value in chosen.items()]
    head = "# Written by conn-etl at each start; put your own into ALTER SYSTEM.\n"
    folders.write(home.root, ("postgres", "data", "conn-etl.conf"), head + "".join(lines), account)
    if home.log.exists() and home.log.lstat().st_size > LOG_BYTES:
        run(("mv", "--", str(home.log), str(home.log.with_suffix(".log.1"))), account)


def _launch(home: Home, programs: Path, account: Account) -> None:
    """pg_ctl, once the last child of a killed server has let go: two servers on the data would corrupt them."""
    _wait(lambda: not home.busy(), START_SECONDS, f"processes of a killed server still work in {home.data}")
    # Locks of a dead server. PostgreSQL clears them itself only if no process at all has the old pid, and after a
    # reboot, or in a container that leaves zombies, some process has.
    stale = (home.data / "postmaster.pid", home.sockets / f".s.PGSQL.{PORT}.lock")
    run(("rm", "-f", "--", *map(str, stale)), account)
    options = ("-w", "-t", f"{START_SECONDS:.0f}", "-D", str(home.data), "-l", str(home.log))
    while True:
        before = home.log.stat().st_size if home.log.exists() else 0
        try:
            run((str(programs / "pg_ctl"), "start", *options), account)
        except EnvironmentProblem as error:
            if _tombstone_removed(home, account, before):
                continue
            why = _complaint(home, before) or str(error)
            _refuse_other_version(home, before)
            raise DatabaseAway(f"the embedded server did not start: {why}", hint=f"see {home.log}") from error
        return


def _refuse_other_version(home: Home, offset: int) -> None:
    """Raise EnvironmentProblem where the data are of another major version of PostgreSQL than the programs."""
    found = re.search(
        r"initialized by PostgreSQL version (\S+), .* this version (\S+?)\.?\n", _news(home, offset)
    )
    if found is not None:
        raise EnvironmentProblem(
            f"{home.data} is of PostgreSQL {found[1]}, and this conn-etl brings PostgreSQL {found[2]}",
            hint="move the rows by dump and restore; docs/runbook.md says how, under a new major version",
        )


def _tombstone_removed(home: Home, account: Account, offset: int) -> bool:
    """Help a server over the empty file of an UNLOGGED table whose making was rolled back while its postmaster died.

    The session removed the table's init fork and left the main one for a checkpoint that never came; recovery makes
    the init fork again from the log and will not copy it over the file. The table was never committed.
    """
    found = re.search(r'could not create file "(base/\d+/\d+)": File exists', _news(home, offset))
    if found is None:
        return False
    file = home.data / found[1]
    if not file.exists() or file.stat().st_size or not file.with_name(f"{file.name}_init").exists():
        return False
    run(("rm", "--", str(file)), account)
    return True


def _complaint(home: Home, offset: int) -> str | None:
    """What the server says after ``offset`` is wrong, the causes first: they stand as LOG lines above the last word."""
    lines = [line for line in _news(home, offset).splitlines() if "the database system is" not in line]
    causes = [line for line in lines if re.search(_CAUSE, line)]
    fatal = [line for line in lines if re.search("FATAL|PANIC", line)]
    said = dict.fromkeys(_text(line) for line in (*causes[:MOST_CAUSES], *fatal[-1:]))
    return "; ".join(said) or None


def _text(line: str) -> str:
    """A line of the log without its time and process."""
    return re.sub(r"^.*?\b(LOG|FATAL|PANIC|ERROR):\s+", r"\1: ", line)


def _news(home: Home, offset: int) -> str:
    return folders.read(home.root, "postgres", "server.log")[offset:].decode(errors="replace")


def _ensure_database(home: Home) -> None:
    """Make the database and the login that can only read, unless they are there."""
    try:
        connection = psycopg2.connect(home.url("postgres"), connect_timeout=30)
    except psycopg2.OperationalError as error:
        said = str(error).strip()
        raise DatabaseAway(f"the embedded server does not answer: {said}", hint=f"see {home.log}") from error
    with closing(connection):
        connection.autocommit = True
        with connection.cursor() as cursor:
            for name, options in (("conn_reader", "NOLOGIN"), (LOGIN, "LOGIN IN ROLE conn_reader")):
                cursor.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (name,))
                if cursor.fetchone() is None:
                    with suppress(pg_errors.DuplicateObject, pg_errors.UniqueViolation):
                        cursor.execute(f"CREATE ROLE {name} {options}")
            cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", (DATABASE,))
            if cursor.fetchone() is None:
                with suppress(pg_errors.DuplicateDatabase):
                    cursor.execute(f"CREATE DATABASE {DATABASE}")
                cursor.execute(f"ALTER DATABASE {DATABASE} SET search_path = zeek, etl, public")

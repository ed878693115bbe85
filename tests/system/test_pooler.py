"""PgBouncer before the database: a pool in session mode works, one in transaction mode is named and left as it was."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg2
import pytest
from sqlalchemy.engine import make_url

from etl.database.embedded.account import Account
from etl.database.store import Store
from etl.errors import EnvironmentProblem
from etl.settings import Settings
from tests.integration.conftest import Command, command
from tests.logs import flows, tsv, write

__all__ = ["command"]

PGBOUNCER = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
pytestmark = [
    pytest.mark.system,
    pytest.mark.skipif(PGBOUNCER is None, reason="pgbouncer is not installed (apt-get install pgbouncer)"),
]

Pool = Callable[..., str]
CONFIGURATION = """[databases]
* = host={host} port=5432
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = trust
auth_file = {folder}/users.txt
pool_mode = {mode}
default_pool_size = {size}
logfile = {folder}/pgbouncer.log
"""


@pytest.fixture
def pool(database_url: str) -> Iterator[Pool]:
    """Start a PgBouncer before the database, as the server's own user; returns the URL through it."""
    folder = Path(tempfile.mkdtemp(prefix="pgbouncer-"))
    server = make_url(database_url)
    account = Account.owner_of(Path(str(server.query["host"])))
    assert account is not None
    started: list[subprocess.Popen[bytes]] = []

    def start(mode: str, size: int = 10) -> str:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        values = {"host": server.query["host"], "port": port, "folder": folder, "mode": mode, "size": size}
        (folder / "pgbouncer.ini").write_text(CONFIGURATION.format(**values))
        (folder / "users.txt").write_text(f'"{server.username}" ""\n"reader" ""\n')
        shutil.chown(folder, account.uid, account.gid)
        other = account.uid != os.geteuid()
        started.append(
            subprocess.Popen(
                [str(PGBOUNCER), str(folder / "pgbouncer.ini")],
                user=account.uid if other else None,
                group=account.gid if other else None,
                extra_groups=[] if other else None,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
        )
        through = f"postgresql://{server.username}@127.0.0.1:{port}/{server.database}"
        _wait_for(through)
        return through

    yield start
    for process in started:
        process.send_signal(signal.SIGINT)
        process.wait(30)
    shutil.rmtree(folder)


def _wait_for(url: str) -> None:
    deadline = time.monotonic() + 20
    while True:
        try:
            psycopg2.connect(url).close()
            return
        except psycopg2.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


def _session(url: str) -> tuple[object, ...]:
    """What the next client finds in the pool's session."""
    connection = psycopg2.connect(url, application_name="next")
    with connection, connection.cursor() as cursor:
        cursor.execute(
            "SELECT current_setting('timezone'), current_setting('role'), current_setting('lock_timeout'), "
            "current_setting('statement_timeout'), current_setting('application_name'), current_user, "
            "(SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid())"
        )
        found: tuple[object, ...] = cursor.fetchone() or ()
    connection.close()
    return found


def test_a_pool_in_transaction_mode_is_named_and_left_as_it_was(
    pool: Pool, command: Command, tmp_path: Path
) -> None:
    url = pool("transaction")
    before = _session(url)
    log = write(tmp_path / "conn.log", tsv(flows(10)))
    for verb in (("ingest", log), ("migrate",), ("status",), ("verify",), ("query", "SELECT 1")):
        done = command(*verb, CONN_ETL_DATABASE_URL=url)
        assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1), done.stderr
        assert "pooler in transaction mode" in done.stderr
        assert "pool_mode = session" in done.stderr
    assert [_session(url) for _ in range(5)] == [before] * 5
    assert "pooler in transaction mode" in command("doctor", CONN_ETL_DATABASE_URL=url).stdout


def test_a_busy_pool_in_transaction_mode_is_recognised_too(pool: Pool) -> None:
    url = pool("transaction", 3)
    others = [psycopg2.connect(url) for _ in range(2)]
    for other in others:
        other.cursor().execute("SELECT 1")  # in a transaction: the session stays with it
    with pytest.raises(EnvironmentProblem, match="transaction mode"), Store.open(url, Settings()).session():
        pass
    for other in others:
        other.close()


def test_a_pool_in_session_mode_works(pool: Pool, command: Command, tmp_path: Path) -> None:
    url = pool("session")
    before = _session(url)
    log = write(tmp_path / "conn.log", tsv(flows(10)))
    done = command("ingest", log, CONN_ETL_DATABASE_URL=url)
    assert done.returncode == 0, done.stderr
    for verb in (("verify",), ("status",), ("query", "SELECT count(*) FROM zeek.conn", "--all")):
        done = command(*verb, CONN_ETL_DATABASE_URL=url)
        assert done.returncode == 0, done.stderr
    assert [_session(url) for _ in range(5)] == [before] * 5


def test_options_that_a_pooler_refuses_are_named(pool: Pool, command: Command) -> None:
    url = pool("session")
    done = command("status", CONN_ETL_DATABASE_URL=f"{url}?options=-cwork_mem%3D8MB")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
    assert "a pooler takes no options" in done.stderr

"""The embedded server: idempotent, safe for two at once, back after SIGKILL."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg2
import pytest
import sqlalchemy as sa

from etl.database import embedded
from etl.database.embedded import server
from etl.database.embedded.home import Home
from etl.errors import DatabaseAway, EnvironmentProblem

pytestmark = pytest.mark.integration


@pytest.fixture
def home() -> Iterator[Path]:
    """A folder with a space and a quote in its name, stopped and removed afterwards."""
    home = Path(tempfile.mkdtemp(prefix="conn etl's "))
    home.chmod(0o755)
    yield home
    embedded.stop(home)
    shutil.rmtree(home)


def _ask(url: str, question: str) -> object:
    connection = psycopg2.connect(url)
    try:
        with connection.cursor() as cursor:
            cursor.execute(question)
            row = cursor.fetchone()
            return row[0] if row else None
    finally:
        connection.close()


def test_start_is_idempotent_and_its_url_suits_libpq_and_sqlalchemy(home: Path) -> None:
    url = embedded.start(home)
    pid = embedded.status(home).pid
    assert embedded.start(home) == url
    assert embedded.status(home).pid == pid
    assert _ask(url, "SHOW max_locks_per_transaction") == "2048"
    assert _ask(url, "SHOW listen_addresses") == ""
    with sa.create_engine(sa.make_url(url).set(drivername="postgresql+psycopg2")).connect() as connection:
        assert connection.scalar(sa.text("SELECT current_database()")) == "conn_etl"
        connection.invalidate()


def test_data_survive_stop_and_sigkill(home: Path) -> None:
    url = embedded.start(home)
    _ask(f"{url}&options=-cdefault_transaction_isolation%3Dserializable", "SELECT 1")
    connection = psycopg2.connect(url)
    with connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE kept AS SELECT 7 AS n")
    connection.close()
    pid = embedded.status(home).pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    assert embedded.start(home) == url
    assert _ask(url, "SELECT n FROM kept") == 7
    assert embedded.stop(home)
    assert not embedded.stop(home)
    assert not embedded.status(home).running
    with pytest.raises(psycopg2.OperationalError):
        psycopg2.connect(url)
    embedded.start(home)
    assert _ask(url, "SELECT n FROM kept") == 7


def test_a_server_killed_as_start_looks_at_it_is_started_again(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    embedded.start(home)
    ask, killed = server._ensure_database, []

    def killing(at: Home) -> None:
        pid = at.running()
        if pid is not None and not killed:
            killed.append(pid)
            os.kill(pid, signal.SIGKILL)
            while psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
                time.sleep(0.01)
        ask(at)

    monkeypatch.setattr(server, "_ensure_database", killing)
    url = embedded.start(home)
    assert killed
    assert _ask(url, "SELECT 1") == 1


def test_a_pid_file_that_names_a_stranger_does_not_stop_the_start(home: Path) -> None:
    embedded.start(home)
    embedded.stop(home)
    for lock in (home / "postgres/data/postmaster.pid", home / "postgres/run/.s.PGSQL.5432.lock"):
        lock.write_text(f"{os.getpid()}\n{home}/postgres/data\n0\n5432\n")
    assert not embedded.status(home).running
    embedded.start(home)
    assert embedded.status(home).running


def test_two_processes_at_once_get_one_server(home: Path) -> None:
    context = multiprocessing.get_context("spawn")
    with context.Pool(3) as pool:
        urls = pool.map(embedded.start, [home] * 3)
    assert len(set(urls)) == 1
    assert _ask(urls[0], "SELECT 1") == 1


def test_an_initdb_that_was_killed_is_done_again(home: Path) -> None:
    data = home / "postgres" / "data"
    data.mkdir(parents=True, mode=0o700)
    (data / "PG_VERSION").write_text("18\n")
    (data / "base").mkdir()
    assert _ask(embedded.start(home), "SELECT 1") == 1


def test_a_long_folder_name_gets_a_socket_elsewhere_until_it_stops() -> None:
    parent = Path(tempfile.mkdtemp())
    parent.chmod(0o755)
    home = parent / ("long" * 30)
    try:
        url = embedded.start(home)
        assert _ask(url, "SELECT 1") == 1
        sockets = Path(str(sa.make_url(url).query["host"]))
        assert not sockets.is_relative_to(home)
    finally:
        embedded.stop(home)
        shutil.rmtree(parent)
    assert not sockets.exists()


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"work_mem": "nonsense"}, 'invalid value for parameter "work_mem": "nonsense"'),
        ({"no_such_setting": "1"}, 'unrecognized configuration parameter "no_such_setting"'),
        ({"max_connections": "-5"}, r"-5 is outside the valid range for parameter \"max_connections\""),
        ({"hba_file": "/nowhere"}, 'could not open file "/nowhere"'),
    ],
)
def test_a_server_that_cannot_start_says_why(home: Path, wrong: dict[str, str], words: str) -> None:
    """The cause stands in a line above the one with which the server gives up."""
    with pytest.raises(DatabaseAway, match=words) as caught:
        embedded.start(home, settings=wrong)
    assert str(caught.value).count("; ") <= 4
    assert _ask(embedded.start(home), "SELECT 1") == 1


def test_a_home_that_cannot_be_made_is_the_environments_problem(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(EnvironmentProblem, match="CONN_ETL_HOME"):
        embedded.start(tmp_path / "file" / "home")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root runs the server as somebody else")
def test_a_home_that_the_servers_user_cannot_enter_is_named(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    with pytest.raises(EnvironmentProblem, match=r"cannot reach .*CONN_ETL_HOME"):
        embedded.start(tmp_path / "home")


def test_default_home_is_the_setting_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONN_ETL_HOME", "/somewhere")
    assert embedded.default_home() == Path("/somewhere")
    monkeypatch.delenv("CONN_ETL_HOME")
    assert embedded.default_home().name == "conn-etl"


def test_it_starts_over_the_file_that_a_rolled_back_unlogged_table_left(home: Path) -> None:
    """Kill the postmaster alone while a session makes UNLOGGED tables: the session still rolls back, half of it."""
    url = embedded.start(home)
    connection = psycopg2.connect(url)
    with connection.cursor() as cursor:
        cursor.execute("CREATE UNLOGGED TABLE half (a text)")
        cursor.execute(
            "SELECT pg_switch_wal()"
        )  # the log of its making is on disk, that of its end will not be
        pid = embedded.status(home).pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        with pytest.raises(psycopg2.OperationalError):
            cursor.execute("SELECT pg_sleep(60)")
    assert embedded.start(home) == url
    assert _ask(url, "SELECT to_regclass('half')") is None

"""A password in the database's URL is nowhere to be found: not after good runs, not after any way to fail.

The server asks for it (SCRAM), logs every statement, and a thread looks at all command lines and sessions meanwhile.
"""

from __future__ import annotations

import itertools
import os
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

import psutil
import psycopg2
import pytest

from etl.database import embedded
from tests.logs import flow, flows, tsv, write
from tests.passwords import PasswordServer, everything, password_server

CORE = "Pl4nt3dS3cr3t"
PASSWORD = f"'{CORE}/@% \"\\x"
_numbers = itertools.count()
ROOT = Path(__file__).resolve().parents[3]

pytestmark = pytest.mark.integration


@dataclass(kw_only=True, slots=True)
class Watch:
    """What was seen of the world while commands ran."""

    admin: str
    home: Path
    seen: set[str] = field(default_factory=set)
    cut: str = ""
    """Sessions of this application name are ended as soon as they show up."""
    _done: threading.Event = field(default_factory=threading.Event)

    def look(self) -> None:
        """Until told to stop: command lines and sessions."""
        connection = psycopg2.connect(self.admin)
        connection.autocommit = True
        known = set(psutil.pids())
        with connection.cursor() as cursor:
            while not self._done.wait(0.002 if self.cut else 0.05):
                for pid in set(psutil.pids()) - known:
                    with suppress(psutil.Error):
                        self.seen.update(psutil.Process(pid).cmdline())
                cursor.execute("SELECT application_name, query FROM pg_stat_activity")
                self.seen.update(text or "" for row in cursor.fetchall() for text in row)
                if self.cut:
                    cursor.execute(
                        # Not before its first statement: libpq would say on stderr itself why it was ended.
                        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                        "WHERE application_name = %s AND query <> ''",
                        (self.cut,),
                    )
        connection.close()

    def stop(self) -> None:
        """End ``look``."""
        self._done.set()


@pytest.fixture(scope="module")
def server() -> Iterator[PasswordServer]:
    """A server of this module's own."""
    with password_server(PASSWORD) as server:
        yield server


@pytest.fixture(scope="module")
def watch(server: PasswordServer) -> Iterator[Watch]:
    """Somebody who looks at all command lines and sessions meanwhile."""
    watch = Watch(admin=server.admin, home=server.home)
    thread = threading.Thread(target=watch.look)
    thread.start()
    yield watch
    watch.stop()
    thread.join()


@pytest.fixture(params=["by socket", "by TCP"])
def url(request: pytest.FixtureRequest, server: PasswordServer) -> str:
    """A URL with the password, both ways."""
    return server.by_tcp(PASSWORD) if request.param == "by TCP" else server.by_socket(PASSWORD)


@dataclass(frozen=True, kw_only=True, slots=True)
class Command:
    """``conn-etl`` in a process of its own, with all that it may write kept."""

    scratch: Path

    def run(self, url: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run it to its end."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("PG", "CONN_ETL"))}
        environment = {
            **kept,
            "CONN_ETL_DATABASE_URL": url,
            "CONN_ETL_ATTEMPTS": "1",
            "TMPDIR": str(self.scratch),
            "PYTHONPATH": str(ROOT),
        }
        return subprocess.run(
            [sys.executable, "-c", "from etl.cli import main; main()", *arguments],
            capture_output=True, text=True, check=False, env=environment, cwd=self.scratch, timeout=120,
        )  # fmt: skip


@pytest.fixture
def command(tmp_path: Path) -> Command:
    """The command, with a scratch folder for everything temporary."""
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    return Command(scratch=scratch)


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    """A good log, one with a bad line, and one that is refused."""
    first = 100 * next(_numbers)
    write(tmp_path / "logs" / "conn.log", tsv([*flows(10, first), flow(first + 10, id_resp_h="8.8.8.999")]))
    write(tmp_path / "logs" / "refused.log", tsv([flow(first + 50, id_resp_h="8.8.8.999")]))
    return tmp_path / "logs"


def _hidden(watch: Watch, command: Command, *runs: subprocess.CompletedProcess[str]) -> None:
    for run in runs:
        assert CORE not in run.stdout + run.stderr
        assert "Traceback" not in run.stderr
    assert not [text for text in watch.seen if CORE in text]
    assert CORE not in embedded.status(watch.home).log.read_text()
    assert not [
        path for path in command.scratch.rglob("*") if path.is_file() and CORE.encode() in path.read_bytes()
    ]
    found = everything(watch.admin)
    assert "refused" in found
    assert CORE not in found


def test_a_password_stays_hidden_in_good_and_in_refused_runs(
    watch: Watch, command: Command, logs: Path, url: str
) -> None:
    runs = [
        command.run(url, "ingest", str(logs), "--json"),
        command.run(url, "ingest", str(logs / "conn.log"), "--replace"),
    ]
    assert [run.returncode for run in runs] == [1, 0], [run.stderr for run in runs]
    _hidden(watch, command, *runs)


def test_a_password_stays_hidden_from_all_that_tells(
    server: PasswordServer, watch: Watch, command: Command, logs: Path
) -> None:
    url = server.by_tcp(PASSWORD)
    verbs = (
        ("ingest", str(logs)), ("status", "--json"), ("doctor", "--json"), ("report", "--json"),
        ("explain", str(logs / "conn.log")), ("query", "SELECT current_setting('application_name'), 1 / 0"),
    )  # fmt: skip
    runs = [command.run(url, *verb) for verb in verbs]
    assert (command.scratch / "conn-etl-report.html").exists()
    _hidden(watch, command, *runs)


def test_a_password_stays_hidden_when_the_gates_session_is_cut(
    watch: Watch, command: Command, logs: Path, url: str
) -> None:
    watch.cut = "conn-etl gate"
    run = command.run(url, "ingest", str(logs))
    watch.cut = ""
    assert (run.returncode, run.stderr.count("\n")) == (2, 1), run.stderr
    assert command.run(url, "ingest", str(logs)).returncode == 1
    _hidden(watch, command, run)


def test_the_ways_that_do_not_work_by_tcp(server: PasswordServer, watch: Watch, command: Command) -> None:
    good = server.by_tcp(PASSWORD)
    changes = {
        "wrong password": server.by_tcp(f"wrong{CORE}"),
        "wrong user": server.by_tcp(PASSWORD, "nobody_there"),
        "wrong database": good.replace("/conn_etl", "/nothing_here"),
        "encryption that the server has not": f"{good}?sslmode=require",
        "nobody there": good.replace(":5432", ":1"),
    }
    for name, changed in changes.items():
        run = command.run(changed, "status")
        assert (run.returncode, run.stderr.count("\n")) == (2, 1), (name, run.stderr)
        assert CORE not in run.stdout + run.stderr, name
    assert not [text for text in watch.seen if CORE in text]
    assert CORE not in embedded.status(watch.home).log.read_text()


@pytest.mark.parametrize(
    "change",
    [
        lambda url: url.replace(quote(PASSWORD, safe=""), f"wrong{CORE}"),
        lambda url: url.replace("5432", "notaport"),
        lambda url: url.replace("postgresql://", "mysql://"),
        lambda url: url.replace("postgresql://", "postgres//"),
        lambda url: url.replace("conn_etl?", "nothing_here?"),
        lambda url: url.replace("loading", "nobody_there"),
        lambda url: re.sub(r"\?.*", "", url).replace("localhost:5432", "127.0.0.1:1"),
        lambda url: re.sub(r"\?.*", "", url).replace("localhost", "no.such.host.invalid"),
        lambda url: url.replace("?", f"?password={CORE}&sslmode=nonsense&"),
        lambda url: url.replace("?", f"?nonsense={CORE}&"),
        lambda url: url.replace("?", f"?options=-cnonsense%3D{CORE}&"),
    ],
)
def test_a_password_stays_hidden_in_a_url_that_does_not_work(
    server: PasswordServer, command: Command, change: Callable[[str], str]
) -> None:
    run = command.run(change(server.by_socket(PASSWORD)), "status")
    assert (run.returncode, run.stderr.count("\n")) == (2, 1), run.stderr
    assert CORE not in run.stdout + run.stderr
    assert "Traceback" not in run.stderr

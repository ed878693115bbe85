"""The stage on which things die: a server, a database for each trial, a look at what step the work is at."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import psycopg2

from etl.database import embedded, engine, schema
from etl.errors import ConnEtlError
from etl.settings import Settings
from tests.chaos import logs, oracle
from tests.chaos.processes import Process, command
from tests.network import Link, link

TEMPLATE = "chaos_template"
FAKETIME = next(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"), None)
"""The library that gives a server another clock; None where it is not installed."""
QUICK = {"shared_buffers": "128MB", "fsync": "off"}
"""Processes are killed, not machines: what was written is there, flushed or not."""
NOTHING = "before the first session"
OVER = "after the end"


@dataclass(kw_only=True, slots=True)
class Server:
    """A PostgreSQL that may be killed."""

    home: Path
    settings: dict[str, str] = field(default_factory=lambda: dict(QUICK))
    link: Link | None = None
    """The cable on which it listens too, if there is one."""
    watch: Any = None
    """A session that looks what the others do; forks inherit it and leave it alone."""

    def start(self, clock: str | None = None) -> None:
        """Start it, or start it again; crash recovery included. ``clock``: how wrong it is, such as -400d."""
        try:
            with _clock(clock):
                embedded.start(self.home, settings=self.settings)
        except ConnEtlError as error:
            said = embedded.status(self.home).log.read_text(errors="replace").splitlines()[-25:]
            raise AssertionError(f"{error}; its log ends:\n" + "\n".join(said)) from error

    def url(self, database: str) -> str:
        """The URL of one of its databases."""
        return embedded.url(self.home, database)

    def url_by_link(self, database: str) -> str:
        """The URL of one of its databases for the other end of the cable."""
        assert self.link is not None
        return f"postgresql://postgres@{self.link.here}:5432/{database}"

    def socket(self) -> Path:
        """The socket on which it listens."""
        query = parse_qs(urlsplit(self.url("postgres")).query)
        return Path(query["host"][0]) / f".s.PGSQL.{query.get('port', ['5432'])[0]}"

    def kill(self) -> None:
        """SIGKILL to the postmaster and all its children at once."""
        pid = embedded.status(self.home).pid
        if pid is not None:
            os.killpg(os.getpgid(pid), signal.SIGKILL)
        while embedded.status(self.home).running:
            time.sleep(0.01)

    def stop(self) -> None:
        """Stop it and remove all that it had."""
        embedded.stop(self.home)

    def execute(self, database: str, *statements: str) -> list[tuple[object, ...]]:
        """Run statements, each a transaction of its own; the rows of the last one."""
        connection = psycopg2.connect(self.url(database), connect_timeout=30)
        connection.autocommit = True
        try:
            with connection.cursor() as cursor:
                for statement in statements:
                    cursor.execute(statement)
                return cursor.fetchall() if cursor.description else []
        finally:
            connection.close()

    def look(self, query: str) -> list[tuple[object, ...]]:
        """The rows of one query by a session that stays: a new one for each look costs more than the look.

        Raises:
            psycopg2.Error: the server is away.
        """
        try:
            if self.watch is None:
                self.watch = psycopg2.connect(self.url("postgres"), connect_timeout=30)
                self.watch.autocommit = True
            with self.watch.cursor() as cursor:
                cursor.execute(query)
                found: list[tuple[object, ...]] = cursor.fetchall()
                return found
        except psycopg2.Error:
            self.watch = None
            raise

    def prepare(self) -> None:
        """Start it with a migrated template database."""
        self.start()
        if not self.execute("postgres", f"SELECT 1 FROM pg_database WHERE datname = '{TEMPLATE}'"):
            self.execute("postgres", f"CREATE DATABASE {TEMPLATE}")
            target = engine.connect_engine(engine.parse_url(self.url(TEMPLATE)), Settings())
            schema.migrate(target)
            target.dispose()


@contextmanager
def _clock(clock: str | None) -> Iterator[None]:
    """Let the server that is started here have another clock; waits are as long as ever."""
    if clock is None:
        yield
        return
    more = {"LD_PRELOAD": str(FAKETIME), "FAKETIME": clock, "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
    os.environ |= more
    try:
        yield
    finally:
        for name in more:
            del os.environ[name]


@contextmanager
def server() -> Iterator[Server]:
    """A server in a temporary folder; it listens on a cable too where one can be plugged in."""
    home = Path(tempfile.mkdtemp(prefix="chaos-"))
    home.chmod(0o755)
    with link() as cable:
        settings = dict(QUICK)
        if cable is not None:
            hba = home / "hba.conf"
            hba.write_text(f"local all all trust\nhost all all {cable.there}/32 trust\n")
            hba.chmod(0o644)
            settings |= {"listen_addresses": cable.here, "hba_file": str(hba)}
        made = Server(home=home, settings=settings, link=cable)
        try:
            made.prepare()
            yield made
        finally:
            made.stop()
            shutil.rmtree(home)


@contextmanager
def small_server(megabytes: int) -> Iterator[Server | None]:
    """A server on a file system of its own with this size; None where one cannot be mounted."""
    home = Path(tempfile.mkdtemp(prefix="chaos-small-"))
    home.chmod(0o755)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m,mode=755", "tmpfs", str(home)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        home.rmdir()
        yield None
        return
    made = Server(
        home=home, settings={"shared_buffers": "32MB", "max_wal_size": "64MB", "min_wal_size": "32MB"}
    )
    try:
        made.prepare()
        yield made
    finally:
        (home / "ballast").unlink(missing_ok=True)
        made.kill()
        time.sleep(0.5)
        subprocess.run(["umount", "--lazy", str(home)], check=False)
        home.rmdir()


@dataclass(kw_only=True, slots=True)
class Trial:
    """One database, one set of logs, one thing that goes wrong."""

    server: Server
    scratch: Path
    database: str
    paths: list[Path]
    more: dict[str, str] = field(default_factory=dict)
    redo: bool = False
    """Whether files were unloaded, so that only --replace brings them back."""
    retry: bool = False
    """Whether files were refused for what is over now, so that only --retry opens them again."""
    migrate: bool = False
    """Whether the database may lack its schema."""
    replay: bool = False
    """Whether lines are in quarantine that the rules let pass now."""
    versions: dict[bytes, list[bytes]] = field(default_factory=dict)
    """By digest, the lines of bytes that a path held for a while."""

    @property
    def url(self) -> str:
        """The database's URL."""
        return self.server.url(self.database)

    @property
    def environment(self) -> dict[str, str]:
        """For the processes."""
        temporary = self.scratch / "tmp"
        temporary.mkdir(exist_ok=True)
        return {
            "CONN_ETL_DATABASE_URL": self.url,
            "TMPDIR": str(temporary),
            "CONN_ETL_HOME": str(self.server.home),
            **self.more,
        }

    def out(self) -> Path:
        """A file for a process to write to."""
        return self.scratch / f"out-{uuid.uuid4().hex[:8]}"

    def run(self, *arguments: str) -> Process:
        """Start ``conn-etl``."""
        return command(arguments, self.environment, self.out())

    def ingest(self) -> Process:
        """Start ``conn-etl ingest`` of the logs."""
        return self.run("ingest", *map(str, self.paths), "--json")

    def ingest_by_link(self) -> Process:
        """The same at the other end of the server's cable."""
        assert self.server.link is not None
        environment = {
            **self.environment,
            "CONN_ETL_DATABASE_URL": self.server.url_by_link(self.database),
        }
        arguments = ("ingest", *map(str, self.paths), "--json")
        return command(arguments, environment, self.out(), self.server.link.enter)

    def step(self) -> str:
        """What the work is at right now."""
        try:
            rows = self.server.look(
                "SELECT application_name, state, query FROM pg_stat_activity "
                f"WHERE datname = '{self.database}' AND application_name LIKE 'conn-etl%'"
            )
        except psycopg2.Error:
            return "server away"
        return min((_named(*map(str, row)) for row in rows), default=NOTHING)

    def until(self, process: Process, wanted: Callable[[str], bool], seconds: float = 60.0) -> str:
        """Wait for a step; says which one it is, or OVER."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and not process.ended():
            if wanted(step := self.step()):
                return step
            time.sleep(0.01)
        return OVER

    def url_through(self, folder: Path) -> str:
        """The same database by another socket."""
        return self.url.replace(
            quote(str(self.server.socket().parent), safe=""), quote(str(folder), safe="")
        ).replace(str(self.server.socket().parent), str(folder))

    def remember(self, path: Path) -> None:
        """Keep the lines that a path holds now: a line in quarantine may be one of them."""
        data = logs.content(path)
        self.versions[hashlib.sha256(data).digest()] = data.split(b"\n")

    def wrong_bytes(self) -> str | None:
        """A line in quarantine whose bytes are not those of its number in the bytes that were loaded."""
        for path in self.paths:
            self.remember(path)
        held = self.server.execute(
            self.database,
            "SELECT file.digest, etl_line, raw, path FROM etl.quarantine JOIN etl.file USING (etl_file_id) "
            "WHERE raw IS NOT NULL AND file.digest IS NOT NULL",
        )
        for digest, number, raw, path in held:
            lines = self.versions.get(bytes(digest), [])  # type: ignore[arg-type]
            if lines[int(str(number)) - 1 : int(str(number))] != [bytes(raw)]:  # type: ignore[arg-type]
                return f"wrong bytes in quarantine: line {number} of {path} is {bytes(raw)[:200]!r}"  # type: ignore[arg-type]
        return None

    def check_rows(self) -> str | None:
        """How the rows differ from those of the files."""
        return oracle.difference(self.url, self.paths, quarantine=False)

    def check(self) -> str | None:
        """What is wrong after the next run is over; None when nothing is."""
        replaced = bool(self.versions)
        if wrong := oracle.difference(self.url, self.paths, quarantine=not replaced) or self.wrong_bytes():
            return wrong
        verify = self.run(
            "verify", "--json"
        )  # in a fork: it maps lines again, and polars' threads must not start here
        if verify.wait():
            return f"verify: {verify.said()[-1500:]}"
        return self._leftovers()

    def _leftovers(self) -> str | None:
        left = self.server.execute(
            self.database,
            r"SELECT relname FROM pg_class WHERE relname LIKE 'stage\_%' AND relnamespace = 'etl'::regnamespace",
        )
        if left:
            return f"staging left over: {left}"
        deadline = time.monotonic() + 15
        sessions = (
            "SELECT application_name, state, query FROM pg_stat_activity WHERE datname = current_database() "
            "AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
        )
        while rows := self.server.execute(self.database, sessions):
            if time.monotonic() > deadline:
                return f"sessions (and their locks) left over: {rows}"
            time.sleep(0.05)
        advisory = (
            "SELECT classid, objid FROM pg_locks WHERE locktype = 'advisory' "
            "AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
        )
        if locks := self.server.execute(self.database, advisory):
            return f"locks left over: {locks}"
        if files := [str(path) for path in (self.scratch / "tmp").rglob("*") if path.is_file()]:
            return f"temporary files left over: {files}"
        return None


def _named(application: str, state: str, query: str) -> str:
    """A session's step in words; the ones nearest to the heart of the work sort first."""
    step = application.removeprefix("conn-etl").strip().split(" ")[0] or "ledger"
    if step == "gate":
        return "3 validate: Great Expectations"
    text = re.sub(r"\s+", " ", query)
    if step == "stage":
        return "2 stage: COPY" if text.startswith("COPY") else "2 stage: counts and ledger"
    if step == "validate":
        return "3 validate: gate"
    if step == "publish":
        for mark, name in (
            ("INSERT INTO pg_temp.target", "insert rows"),
            ("INSERT INTO zeek.conn", "insert rows"),
            ("finish_day", "index of a new day"),
            ("DELETE FROM zeek.conn", "delete old rows"),
            ("leftover", "duplicates"),
            ("ensure_partition", "partitions"),
            ("advisory", "locks"),
            ("quarantine", "quarantine"),
            ("COMMIT", "commit"),
            ("etl.file", "ledger"),
        ):
            if mark in text:
                return f"1 publish: {name}"
        return "1 publish: other statements"
    return (
        f"4 {step}: {'waiting between statements' if state != 'active' else text[:24]}"
        if step != "ledger"
        else "5 discover, claim, run"
    )

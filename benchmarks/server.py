"""A PostgreSQL of the benchmark's own, at production settings (fsync and synchronous_commit on), and its databases.

Only autovacuum is off: it would work on what the COPY before has left, while the next load is timed.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg2
from psycopg2 import sql

from etl.database import embedded, engine, schema
from etl.settings import Settings

SETTINGS = {"autovacuum": "off"}
REMARK = "autovacuum is off in the benchmark's server, else it is timed with whatever comes next"


@contextmanager
def server() -> Iterator[Path]:
    """The home of a running embedded server, gone afterwards."""
    home = Path(tempfile.mkdtemp(prefix="conn-etl-bench-"))
    home.chmod(0o755)
    embedded.start(home, settings=SETTINGS)
    print(REMARK, flush=True)
    try:
        yield home
    finally:
        embedded.stop(home)
        shutil.rmtree(home)


def database(home: Path, name: str) -> str:
    """URL of a fresh, migrated database of this name."""
    for statement in ("DROP DATABASE IF EXISTS {} WITH (FORCE)", "CREATE DATABASE {}"):
        run(embedded.url(home, "postgres"), sql.SQL(statement).format(sql.Identifier(name)))
    url = embedded.url(home, name)
    schema.migrate(engine.connect_engine(engine.parse_url(url), Settings()))
    return url


def run(url: str, statement: sql.Composable | str) -> list[tuple[object, ...]]:
    """One statement in autocommit, with its rows."""
    connection = psycopg2.connect(url)
    try:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(statement)
            return cursor.fetchall() if cursor.description else []
    finally:
        connection.close()

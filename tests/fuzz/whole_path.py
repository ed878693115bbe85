"""Damaged files through the whole path, a thousand at a time, on a real PostgreSQL, as a loader that is no superuser.

After each batch: every file has a final state, tables and ledger agree, each quarantined line's bytes are in its file,
and nothing that logs can say has changed the database beyond its rows.
"""

from __future__ import annotations

import gzip
import random
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg2
from sqlalchemy.engine import make_url

from etl import pipeline
from etl.database import embedded, schema
from etl.database.store import Store
from etl.errors import Unforeseen
from etl.monitoring import verify
from etl.settings import Settings
from tests.fuzz import mutate

BATCH = 1_000
OPEN = frozenset({"found", "staged"})


def batches(seed: int, first: int) -> Iterator[tuple[Counter[str], list[str]]]:
    """Load batch after batch without end; yields counts and what was wrong with each."""
    home = Path(tempfile.mkdtemp(prefix="fuzz-"))
    home.chmod(0o755)
    try:
        url = embedded.start(home, settings={"fsync": "off", "shared_buffers": "128MB"})
        schema.migrate(Store.open(url, Settings()).engine)
        _ask(url, "CREATE ROLE fuzz LOGIN IN ROLE conn_loader")
        loader = make_url(url).set(username="fuzz").render_as_string(hide_password=False)
        store = Store.open(loader, Settings(batch_files=BATCH, max_file_bytes=1 << 26))
        before = _shape(url)
        number = first
        while True:
            yield _batch(store, url, seed, number, before)
            number += 1
    finally:
        embedded.stop(home)
        shutil.rmtree(home)


def _batch(store: Store, url: str, seed: int, number: int, before: Any) -> tuple[Counter[str], list[str]]:
    rng = random.Random(f"whole path {seed}/{number}")
    folder = Path(tempfile.mkdtemp(prefix="fuzz-logs-"))
    try:
        _write(folder, rng)
        try:
            summary = pipeline.ingest(store, [str(folder)])
        except Exception as error:
            return Counter({"files": BATCH}), [f"batch {number}: {type(error).__name__}: {str(error)[:500]}"]
        wrong = [f"batch {number}: {r.path} ended {r.state}" for r in summary.results if r.state in OPEN]
        wrong += [
            f"batch {number}: {r.path}: {r.reason}" for r in summary.results if r.kind == Unforeseen.kind
        ]
        if len(summary.results) != BATCH:
            wrong.append(f"batch {number}: {len(summary.results)} results")
        wrong += [f"batch {number}: {what}" for what in _disagreements(store, url, folder, before)]
        counts = Counter({"files": len(summary.results)}) + Counter(
            f"state {r.state}" for r in summary.results
        )
        return counts + Counter({term: summary.total(term) for term in pipeline.TERMS}), wrong
    finally:
        shutil.rmtree(folder)


def _write(folder: Path, rng: random.Random) -> None:
    for number in range(BATCH):
        if rng.random() < 0.4:
            data = mutate.lines(rng, rng.choice((1, 5, 20))).data
        else:
            data = mutate.whole_file(rng)
        name = rng.choice(
            (
                "conn.{}.log",
                "conn'; DROP TABLE x; --{}.log",
                'conn "{}".log',
                "conn\\{}.log",
                "cönn %s {{}}{}.log",
            )
        )
        (folder / name.format(number)).write_bytes(gzip.compress(data) if rng.random() < 0.1 else data)


def _disagreements(store: Store, url: str, folder: Path, before: Any) -> Iterator[str]:
    with store.loading() as connection:
        for fault in verify.faults(connection):
            yield f"verify: {fault.path}: {fault.what}"
    for path, line, raw in _ask(
        url,
        "SELECT path, etl_line, raw FROM etl.quarantine JOIN etl.file USING (etl_file_id) WHERE path LIKE %s",
        f"{folder}/%".replace("\\", "\\\\"),
    ):
        if raw is None:
            yield f"{path}:{line} has no raw bytes"
    if (after := _shape(url)) != before:
        yield f"the database changed: {before} {after}"


def _shape(url: str) -> Any:
    """Tables (days and staging apart), roles and functions: what no log may touch."""
    return _ask(
        url,
        "SELECT relname FROM pg_class WHERE relkind IN ('r', 'p', 'v') AND NOT relispartition "
        "AND relnamespace IN ('etl'::regnamespace, 'zeek'::regnamespace, 'public'::regnamespace) "
        "UNION ALL SELECT rolname FROM pg_roles UNION ALL SELECT proname FROM pg_proc WHERE "
        "pronamespace IN ('etl'::regnamespace, 'zeek'::regnamespace, 'public'::regnamespace) ORDER BY 1",
    )


def _ask(url: str, query: str, *values: Any) -> list[tuple[Any, ...]]:
    connection = psycopg2.connect(url)
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute(query, values or None)
            return cursor.fetchall() if cursor.description else []
    finally:
        connection.close()

"""The server ends a session while the gate runs: a passing failure, whichever session and statement it hits."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

import psycopg2
import pytest
import sqlalchemy as sa

from etl import pipeline
from etl.database.store import Store
from etl.errors import TransientError
from etl.quality import day_checks
from tests.integration.conftest import Ask
from tests.logs import flow, flows, tsv, write

ROWS = [*flows(30), flow(30, conn_state="REG"), flow(31, proto="TCP")]
BROKEN = [("enum.network_connection_state",), ("enum.network_protocol",)]


@contextmanager
def cut(url: str, name: str, statement: str, number: int, *, once: bool = False) -> Iterator[list[str]]:
    """End the session of this name before its n-th statement that begins so, and all later ones, unless ``once``.

    Yields those that were seen.
    """
    seen: list[str] = []

    def look(_c: Any, cursor: Any, text: str, *_: Any) -> None:
        if name not in cursor.connection.get_dsn_parameters().get("application_name", ""):
            return
        if not text.lstrip().startswith(statement):
            return
        seen.append(text)
        if len(seen) == number or (len(seen) > number and not once):
            admin = psycopg2.connect(url)
            with admin, admin.cursor() as killer:
                killer.execute(
                    "SELECT pg_terminate_backend(%s, 5000)", (cursor.connection.get_backend_pid(),)
                )
            admin.close()

    sa.event.listen(sa.engine.Engine, "before_cursor_execute", look)
    try:
        yield seen
    finally:
        sa.event.remove(sa.engine.Engine, "before_cursor_execute", look)


@pytest.mark.parametrize(
    ("name", "statement", "number"),
    [
        ("conn-etl", "INSERT INTO pg_temp.staged_bad SELECT", 1),
        ("conn-etl", "INSERT INTO pg_temp.staged_bad SELECT", 2),
        ("conn-etl gate", "SELECT 1", 1),
        ("conn-etl gate", "SELECT count(*) AS", 1),
        ("conn-etl gate", "SELECT count(*) FILTER", 1),
    ],
)
def test_a_session_that_the_server_ends_in_the_gate(
    store: Store, ask: Ask, database_url: str, faults: Callable[[], list[object]], tmp_path: Path,
    name: str, statement: str, number: int,
) -> None:  # fmt: skip
    path = str(write(tmp_path / "conn.log", tsv(ROWS)))
    with cut(database_url, name, statement, number) as seen, pytest.raises(TransientError):
        pipeline.ingest(store, [path])
    assert len(seen) >= number
    assert ask("SELECT state FROM etl.file") == [("staged",)]
    assert pipeline.ingest(store, [path]).total("rows_loaded") == 30
    assert ask("SELECT rule FROM etl.quarantine ORDER BY 1") == BROKEN
    assert faults() == []


@pytest.mark.parametrize("statement", ["SELECT pg_catalog.", "SELECT count(*) AS", "SELECT count(*) FILTER"])
def test_great_expectations_goes_on_with_another_session(
    store: Store, ask: Ask, database_url: str, tmp_path: Path, statement: str
) -> None:
    """It asks again by itself, so the verdict is the right one; what may not be is rows that nobody judged."""
    path = str(write(tmp_path / "conn.log", tsv(ROWS)))
    with cut(database_url, "conn-etl gate", statement, 1, once=True) as seen:
        assert pipeline.ingest(store, [path]).total("rows_loaded") == 30
    assert len(seen) > 1
    assert ask("SELECT rule FROM etl.quarantine ORDER BY 1") == BROKEN


@pytest.mark.parametrize(
    ("name", "statement"),
    [
        ("conn-etl checks", "SELECT count(*) FILTER"),
        ("conn-etl", "SELECT etl_file_id, count(*), min(etl_line)"),
    ],
)
def test_a_session_that_the_server_ends_in_the_checks_after_publish(
    store: Store, ask: Ask, database_url: str, tmp_path: Path, name: str, statement: str
) -> None:
    pipeline.ingest(store, [str(write(tmp_path / "conn.log", tsv([*flows(30), flow(30, orig_bytes=None)])))])
    day = date(2026, 3, 1)
    with cut(database_url, name, statement, 1), pytest.raises(TransientError):
        day_checks.check_day(store, day)
    assert ask("SELECT count(*) FROM etl.expectation_result WHERE day IS NOT NULL") == [(0,)]
    assert [v.rule for v in day_checks.check_day(store, day) if v.failed] == [
        "consistency.duration_with_bytes"
    ]

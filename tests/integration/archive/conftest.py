"""A store with an archive in a folder of the test's own, and what the tests of the archive ask of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from etl import pipeline
from etl.archive import ask as archive_ask
from etl.archive import export, ledger, table
from etl.database.store import Store
from etl.history import maintenance
from etl.settings import Settings
from tests.logs import START, flow, json_lines, write

DAY, NEXT = date(2026, 3, 1), date(2026, 3, 2)
HOSTILE = ("", "\\N", '"', 'a,b\n"c"\r\n\'', "\\", "t\tab", "é漢\U0001f512", "NULL", " ", "\\x00")
"""Texts that are easily changed on the way through CSV."""

Query = Callable[[str], list[tuple[Any, ...]]]


@pytest.fixture
def store(database_url: str, tmp_path: Path) -> Store:
    """A fresh database, and an archive beside it."""
    return Store.open(database_url, Settings(attempts=1, archive_url=str(tmp_path / "archive")))


@pytest.fixture
def loaded(store: Store, tmp_path: Path) -> Path:
    """A log, loaded and sealed: 40 rows on DAY, with hostile texts, and 5 on NEXT."""
    rows = [flow(n) for n in range(30)]
    rows += [flow(100 + n, service=text, note=text, orig_l2_addr=text) for n, text in enumerate(HOSTILE)]
    rows += [flow(n, ts=f"{START + 86_400 + n}.5", tunnel_parents=["C1", 'C"2']) for n in range(200, 205)]
    rows[3]["note"] = {"a": [1, None, "\\N"], "b": "x\ny"}
    log = write(tmp_path / "conn.log", json_lines(rows))
    pipeline.ingest(store, [str(log)])
    maintenance.seal(store)
    return log


def run_export(store: Store, days: Sequence[date] = ()) -> dict[date, int]:
    """Export, and say how many rows each day had."""
    return {each.day: sum(file.measures.rows for file in each.files) for each in export.export(store, days)}


def states(store: Store) -> dict[date, tuple[str, bool]]:
    """Day → its state in the archive, and whether it was dropped."""
    with store.session() as connection:
        return {day.day: (day.state, day.dropped) for day in ledger.days(connection)}


def open_table(store: Store) -> table.Archive:
    """The archive's table as a reader sees it."""
    with store.loading() as connection:
        return table.open_archive(store, connection)


@pytest.fixture
def query(store: Store) -> Query:
    """Ask the archive."""

    def run(sql: str) -> list[tuple[Any, ...]]:
        opened = open_table(store)
        with store.session() as connection, connection.begin():
            rows = archive_ask.dataset(opened)
            with archive_ask.asking(connection, rows, sql, {}, timedelta(minutes=1)) as answer:
                return list(answer.rows)

    return run


def drop(store: Store, *days: date) -> None:
    """Drop days as retention does."""
    maintenance.drop(store, dict.fromkeys(days, "a test"))


def keep_a_copy(store: Store) -> None:
    """What ``differences`` compares with."""
    with store.engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE public.before AS SELECT * FROM zeek.conn")


def rows_that_differ(store: Store) -> int:
    """Rows of all 28 columns that are in one of zeek.conn and its copy only."""
    total = 0
    with store.engine.begin() as connection:
        for one, other in (("zeek.conn", "public.before"), ("public.before", "zeek.conn")):
            query = f"SELECT count(*) FROM (TABLE {one} EXCEPT ALL TABLE {other}) AS differing"
            total += int(connection.scalar(sa.text(query)) or 0)
    return total


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The test that drops all days comes last: the others of its module ask these days."""
    items.sort(key=lambda item: item.name.startswith("test_after_thirty_days_were_dropped"))

"""A dropped day opened again: its rows load, the ledger adds up at every step, and retention leaves it alone."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import pytest

from etl import pipeline, source
from etl.database.store import Store
from etl.errors import Misuse
from etl.history import maintenance, reopen
from etl.monitoring import verify
from etl.quarantine import replay
from etl.quarantine.replay import QuarantineFilter
from etl.settings import Settings
from tests.integration.conftest import Ask
from tests.logs import flow, flows, json_lines, tsv, write

Faults = Callable[[], list[verify.Disagreement]]
DAY = date(2026, 3, 1)
WEEK = timedelta(days=7)


@pytest.fixture
def dropped(store: Store, tmp_path: Path) -> list[Path]:
    """Two logs with 30 and 10 rows of a day that was dropped, and one late row of it in quarantine."""
    logs = [
        write(tmp_path / "first.log", tsv(flows(30))),
        write(tmp_path / "second.log", tsv(flows(10, 100))),
    ]
    pipeline.ingest(store, [str(log) for log in logs])
    maintenance.refresh(store)
    maintenance.drop(store, {DAY: "test"})
    pipeline.ingest(store, [str(write(tmp_path / "late.log", json_lines([flow(500)])))])
    return logs


def opened(store: Store) -> reopen.Reopened:
    return reopen.reopen(store, DAY, keep=WEEK, readable=source.unchanged)


def rows(ask: Ask) -> int:
    return int(ask("SELECT count(*) FROM zeek.conn")[0][0])


def test_rows_come_back_from_their_logs_and_from_quarantine(
    store: Store, ask: Ask, faults: Faults, dropped: list[Path]
) -> None:
    done = opened(store)
    assert [(s.path, s.rows, s.there) for s in done.sources] == [
        (str(dropped[0]), 30, True),
        (str(dropped[1]), 10, True),
    ]
    assert done.expired_lines == 1
    assert (rows(ask), faults()) == (0, [])
    pipeline.ingest(store, [str(dropped[0])], replace=True)
    assert (rows(ask), faults()) == (30, [])
    replay.replay(store, QuarantineFilter(rule="expired"), actor="test", why="the day is back")
    assert (rows(ask), faults()) == (31, [])
    pipeline.ingest(store, [str(dropped[1])], replace=True)
    maintenance.refresh(store)
    assert (rows(ask), faults()) == (41, [])
    assert ask("SELECT * FROM etl.retired_file") == []


def test_a_day_that_is_dropped_again_before_all_rows_are_back_still_adds_up(
    store: Store, ask: Ask, faults: Faults, dropped: list[Path]
) -> None:
    opened(store)
    pipeline.ingest(store, [str(dropped[1])], replace=True)
    maintenance.drop(store, {DAY: "again"})
    assert (rows(ask), faults()) == (0, [])
    assert ask("SELECT sum(rows) FROM etl.retired_file") == [(40,)]
    assert [s.rows for s in opened(store).sources] == [30, 10]


def test_retention_leaves_it_alone_for_the_time_that_was_said(
    store: Store, ask: Ask, dropped: list[Path], database_url: str
) -> None:
    keeping = Store.open(database_url, Settings(attempts=1, keep_days=1))
    opened(store)
    pipeline.ingest(store, [str(log) for log in dropped], replace=True)
    assert maintenance.expiring(keeping) == {}
    ask("UPDATE etl.restored_day SET keep_until = now()")
    assert list(maintenance.expiring(keeping)) == [DAY]
    assert maintenance.drop(store, {DAY: "named by hand"}) == [DAY]
    assert ask("SELECT * FROM etl.restored_day") == []


def test_rows_whose_logs_are_gone_or_changed_are_counted_first(store: Store, dropped: list[Path]) -> None:
    assert reopen.lost_for_good(store, DAY, source.unchanged) == 0
    dropped[0].unlink()
    assert reopen.lost_for_good(store, DAY, source.unchanged) == 30
    write(dropped[1], tsv(flows(3, 100)))
    assert reopen.lost_for_good(store, DAY, source.unchanged) == 40


def test_only_a_dropped_day_is_restored(store: Store) -> None:
    with pytest.raises(Misuse, match="2026-03-01 was not dropped"):
        opened(store)
    with store.session() as connection:
        assert connection.exec_driver_sql("SELECT to_regclass('zeek.conn_20260301')").scalar() is None


def test_what_a_drop_would_take_is_exact_and_real(store: Store, tmp_path: Path) -> None:
    pipeline.ingest(store, [str(write(tmp_path / "conn.log", tsv(flows(30))))])
    (found,) = reopen.to_drop(store, {DAY: "test"})
    assert (found.rows, found.archived, found.bytes > 0) == (30, False, True)
    for day in (date(2031, 1, 1), DAY - timedelta(days=1)):
        with pytest.raises(Misuse, match=f"{day} has no partition"):
            reopen.to_drop(store, {day: "test"})
    maintenance.drop(store, {DAY: "test"})
    with pytest.raises(Misuse, match="2026-03-01 was dropped before"):
        reopen.to_drop(store, {DAY: "test"})
    assert reopen.to_drop(store, {}) == []

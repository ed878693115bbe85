"""A session that waits for another says for whom, and gives up in the end; a cut connection is tried again."""

from __future__ import annotations

import logging
import sys
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from etl import pipeline
from etl.database import engine, locks
from etl.database.store import Store
from etl.errors import Busy, DatabaseAway
from etl.loading import ledger
from etl.settings import Settings
from tests.integration.conftest import Ask
from tests.logs import START, flow, flows, tsv, write

SHORT = {"lock_timeout": "1s", "max_wait": "1s", "attempts": 1}


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(locks, "NOTICE_AFTER", timedelta(seconds=0.3))
    caplog.set_level(logging.WARNING)


@pytest.fixture
def hasty(database_url: str) -> Store:
    """A store whose sessions give up after a second."""
    return Store.open(database_url, Settings.model_validate(SHORT))


def test_who_holds_a_batch_is_said_and_then_it_is_busy(
    store: Store, hasty: Store, caplog: pytest.LogCaptureFixture
) -> None:
    with store.loading() as holder, locks.batch(holder, 7):
        engine.label(holder, "stage", 7)
        pid = holder.connection.driver_connection.info.backend_pid  # type: ignore[union-attr]
        with (
            hasty.loading() as waiter,
            pytest.raises(Busy, match=rf"conn-etl stage 7 \(pid {pid}, client"),
            locks.batch(waiter, 7),
        ):
            pass
    assert f"waiting for batch of conn-etl stage 7 (pid {pid}" in caplog.text


def test_a_lock_that_is_given_up_in_time_is_taken(store: Store, hasty: Store) -> None:
    with store.loading() as holder, hasty.loading() as waiter:
        with locks.maintenance(holder):
            pass
        with (
            locks.maintenance(waiter),
            pytest.raises(Busy, match="lock on maintenance: conn-etl"),
            hasty.loading() as third,
            locks.maintenance(third),
        ):
            pass


def test_the_transaction_goes_on_where_a_days_lock_was_waited_for(store: Store, hasty: Store) -> None:
    days = [date(2026, 3, 1), date(2026, 3, 2)]
    with store.loading() as holder, hasty.loading() as waiter, holder.begin():
        locks.lock_days(holder, days[1:])
        with waiter.begin():
            before = waiter.exec_driver_sql("SHOW lock_timeout").scalar()
            locks.lock_days(waiter, days[:1])
            assert waiter.exec_driver_sql("SHOW lock_timeout").scalar() == before
            with pytest.raises(Busy, match="lock on days"):
                locks.lock_days(waiter, days[1:])
            assert waiter.exec_driver_sql("SELECT 1").scalar() == 1


def test_who_waits_for_a_day_holds_no_later_one(store: Store, hasty: Store) -> None:
    days = [date(2026, 3, 1), date(2026, 3, 2)]
    held = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND classid = 7103 AND pid = pg_backend_pid()"
    with store.loading() as holder, hasty.loading() as waiter, holder.begin(), waiter.begin():
        locks.lock_days(holder, days[:1])
        with pytest.raises(Busy, match="lock on days"):
            locks.lock_days(waiter, days)
        assert waiter.exec_driver_sql(held).scalar() == 0
        locks.lock_days(waiter, days[1:])
        assert waiter.exec_driver_sql(held).scalar() == 1


def test_a_command_says_who_loads_its_files_and_gives_up(
    store: Store, hasty: Store, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    log = write(tmp_path / "2026-03-01" / "conn.08:00:00-09:00:00.log", tsv(flows(3)))
    pipeline.begin(store, "other", "command", {})
    pipeline.discover(store, "other", [str(log)])
    with store.loading() as holder:
        (batch_id,) = holder.exec_driver_sql("SELECT batch_id FROM etl.file").scalars()
        holder.rollback()
        with locks.batch(holder, batch_id):
            engine.label(holder, "stage", batch_id)
            with pytest.raises(Busy, match=f"conn-etl stage {batch_id} "):
                pipeline.ingest(hasty, [str(log)])
    assert "1 files are being loaded by another process, waiting: conn-etl stage" in caplog.text
    assert pipeline.ingest(store, [str(log)]).total("rows_loaded") == 3


def test_begin_is_tried_again_after_a_cut_connection(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cuts = iter([True, True])

    def cut(*arguments: object) -> None:
        if next(cuts, False):
            raise DatabaseAway("cut")
        begin(*arguments)  # type: ignore[arg-type]

    ingest = sys.modules["etl.pipeline.ingest"]  # the package has a function of that name
    begin = ingest.begin
    monkeypatch.setattr(ingest, "begin", cut)
    store = Store.open(database_url, Settings(attempts=3))
    log = write(tmp_path / "conn.log", tsv(flows(3)))
    assert pipeline.ingest(store, [str(log)]).total("rows_loaded") == 3


def test_a_clock_that_was_wrong_at_first_sight_condemns_no_file(
    store: Store, ask: Ask, tmp_path: Path
) -> None:
    log = write(tmp_path / "conn.log", tsv(flows(3)))
    with store.loading() as connection:
        from etl import source

        found = list(source.listed([str(log)]))
        ledger.register(connection, found)
    ask("UPDATE etl.file SET first_seen = '2001-01-01'")
    assert pipeline.ingest(store, [str(log)]).total("rows_loaded") == 3


def test_rows_of_the_future_are_still_out_of_range(store: Store, tmp_path: Path) -> None:
    later = (datetime.now(UTC) + timedelta(days=3)).timestamp()
    rows = [*flows(3), flow(9, ts=f"{later:.6f}")]
    summary = pipeline.ingest(store, [str(write(tmp_path / "conn.log", tsv(rows)))])
    assert (summary.total("rows_loaded"), summary.total("rows_quarantined")) == (3, 1)
    assert later > START

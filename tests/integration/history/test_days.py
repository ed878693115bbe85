"""Days: sealed beside loads, dropped by retention without making anybody wait, remembered by the ledger.

Long since the whole life of a day is here: made, sealed, dropped, pruned, and each beside loads and readers.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg2
import pytest
import sqlalchemy as sa

from etl import pipeline
from etl.database.store import Store
from etl.errors import Misuse
from etl.history import days, maintenance
from etl.history.days import Day
from etl.monitoring import verify
from etl.quality import gate
from etl.settings import Settings
from tests.integration.conftest import Ask
from tests.logs import START, flow, flows, json_lines, tsv, write

Faults = Callable[[], list[verify.Disagreement]]
DAY = date(2026, 3, 1)
NEXT = date(2026, 3, 2)
INDEXES = """
    SELECT indexrelid::regclass::text FROM pg_index
    WHERE indrelid = 'zeek.conn_20260301'::regclass AND indisvalid AND NOT indisunique ORDER BY 1
"""
FURTHER = [("zeek.conn_20260301_dst",), ("zeek.conn_20260301_src",), ("zeek.conn_20260301_uid",)]
OTHER_DAY = 86_400


@pytest.fixture
def two_days(store: Store, tmp_path: Path) -> Path:
    """A log with 30 rows on 2026-03-01 and 10 on the day after, loaded."""
    rows = [*flows(30), *(flow(n, ts=f"{START + OTHER_DAY + n}.0") for n in range(100, 110))]
    log = write(tmp_path / "conn.log", tsv(rows))
    pipeline.ingest(store, [str(log)])
    return log


def states(store: Store) -> dict[date, str]:
    with store.session() as connection:
        return {day.day: day.state for day in days.listed(connection)}


def counts(summary: pipeline.Summary) -> tuple[int, ...]:
    return tuple(summary.total(term) for term in pipeline.TERMS)


def test_two_sessions_that_make_the_same_day_at_once_both_go_on(store: Store, ask: Ask) -> None:
    made: list[bool] = []

    def make() -> None:
        with store.engine.begin() as second:
            made.append(second.scalar(sa.text("SELECT etl.ensure_partition('2026-05-05')")))

    waiter = threading.Thread(target=make)
    with store.engine.begin() as first:
        assert first.scalar(sa.text("SELECT etl.ensure_partition('2026-05-05')"))
        waiter.start()
        while not ask("SELECT FROM pg_locks WHERE locktype = 'advisory' AND classid = 7104 AND NOT granted"):
            time.sleep(0.01)
    waiter.join()
    assert made == [False]


@pytest.mark.usefixtures("two_days")
def test_sealing_gives_a_day_its_indexes_once_and_late_rows_still_come_in(
    store: Store, ask: Ask, faults: Faults, tmp_path: Path
) -> None:
    assert maintenance.seal(store) == [DAY, NEXT]
    assert ask(INDEXES) == FURTHER
    assert maintenance.seal(store) == []
    late = pipeline.ingest(store, [str(write(tmp_path / "late.log", json_lines(flows(5, 40))))])
    assert counts(late) == (5, 5, 0, 0)
    assert states(store) == {DAY: "sealed", NEXT: "sealed"}
    assert faults() == []


@pytest.mark.usefixtures("two_days")
def test_an_index_that_an_interrupted_seal_left_half_made_is_made_anew(store: Store, ask: Ask) -> None:
    ask("CREATE INDEX conn_20260301_uid ON zeek.conn_20260301 (event_uid)")
    ask("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'zeek.conn_20260301_uid'::regclass")
    maintenance.seal(store, [DAY])
    assert ask(INDEXES) == FURTHER


def test_only_days_that_are_over_and_wait_for_no_file_are_sealed(store: Store, ask: Ask) -> None:
    today = datetime.now(UTC).date()
    with store.loading() as connection:
        assert days.ensure(connection, [today, DAY, NEXT]) == [DAY, NEXT, today]
        assert days.ensure(connection, [today, DAY]) == []
    ask(
        "INSERT INTO etl.file (path, size, mtime, window_start, window_end)"
        " VALUES ('/logs/waits', 1, now(), '2026-03-01 23:00+00', '2026-03-02 00:00+00')"
    )
    with store.session() as connection:
        assert days.closed(connection, timedelta(hours=12)) == []  # the window touches both days
    ask("UPDATE etl.file SET window_end = '2026-03-01 23:59:59+00'")
    with store.session() as connection:
        assert days.closed(connection, timedelta(hours=12)) == [NEXT]


def test_a_dropped_day_is_remembered_and_its_rows_are_expired(
    store: Store, ask: Ask, faults: Faults, two_days: Path, tmp_path: Path
) -> None:
    maintenance.refresh(store)
    rollup = ask("SELECT sum(connections) FROM zeek.conn_hour")
    assert maintenance.drop(store, {DAY: "test"}) == [DAY]
    assert states(store) == {DAY: "dropped", NEXT: "open"}
    assert ask("SELECT to_regclass('zeek.conn_20260301'), count(*) FROM zeek.conn") == [(None, 10)]
    assert ask("SELECT rows_dropped, reason FROM etl.retired_day") == [(30, "test")]
    assert ask("SELECT sum(connections) FROM zeek.conn_hour") == rollup
    assert faults() == []
    # the same bytes are known, other rows of the day are expired, alone or beside good ones, however many
    copied = write(tmp_path / "copy.log", two_days.read_bytes())
    assert [r.state for r in pipeline.ingest(store, [str(copied)]).results] == ["known"]
    alone = pipeline.ingest(store, [str(write(tmp_path / "alone.log", json_lines(flows(300, 200))))])
    assert (counts(alone), alone.results[0].state) == ((300, 0, 0, 300), "published")
    mixed = [*flows(5, 600), *(flow(n, ts=f"{START + OTHER_DAY + n}.0") for n in range(700, 707))]
    beside = pipeline.ingest(store, [str(write(tmp_path / "mixed.log", json_lines(mixed)))])
    assert counts(beside) == (12, 7, 0, 5)
    assert ask("SELECT rule, reason, count(*) FROM etl.quarantine GROUP BY 1, 2") == [
        ("expired", "expired", 305)
    ]
    maintenance.refresh(store)
    assert faults() == []
    with store.loading() as connection, pytest.raises(Misuse, match="retention dropped 2026-03-01"):
        days.ensure(connection, [DAY])


def test_bad_rows_of_a_file_that_is_mostly_expired_still_spend_its_budget(
    store: Store, two_days: Path, tmp_path: Path
) -> None:
    assert two_days.exists()
    maintenance.drop(store, {DAY: "test"})
    rows = [
        *flows(50, 200),
        *(flow(n, ts=f"{START + OTHER_DAY}.0", conn_state="REG") for n in range(300, 500)),
    ]
    (result,) = pipeline.ingest(store, [str(write(tmp_path / "bad.log", json_lines(rows)))]).results
    assert result.state == "refused"


def test_rows_that_the_gate_saw_before_their_day_was_dropped_are_judged_again(
    database_url: str, ask: Ask, faults: Faults, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store.open(database_url, Settings(attempts=2))
    with store.loading() as connection:
        days.ensure(connection, [DAY])
    real, seen = gate.gate, []

    def gate_then_drop(*arguments: Any) -> Any:
        outcomes = real(*arguments)
        seen.append(True)
        if len(seen) == 1:
            other = threading.Thread(target=maintenance.drop, args=(store, {DAY: "test"}))
            other.start()
            other.join()
        return outcomes

    monkeypatch.setattr(gate, "gate", gate_then_drop)
    summary = pipeline.ingest(store, [str(write(tmp_path / "conn.log", json_lines(flows(20))))])
    assert counts(summary) == (20, 0, 0, 20)
    assert len(seen) == 2
    assert ask("SELECT DISTINCT rule FROM etl.quarantine") == [("expired",)]
    assert faults() == []


# --- nobody waits --------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("two_days")
def test_neither_loads_nor_questions_wait_for_a_drop_that_waits_for_a_reader(
    store: Store, ask: Ask, faults: Faults, database_url: str, tmp_path: Path
) -> None:
    reader = psycopg2.connect(database_url)
    with reader.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM zeek.conn")  # its transaction goes on, and holds every day
    dropping = threading.Thread(target=maintenance.drop, args=(store, {DAY: "test"}))
    dropping.start()
    deadline = time.monotonic() + 20
    while not ask("SELECT FROM pg_inherits WHERE inhdetachpending") and time.monotonic() < deadline:
        time.sleep(0.02)
    begun = time.monotonic()
    assert ask("SELECT count(*) FROM zeek.conn") == [(10,)]
    assert ask("""INSERT INTO zeek.conn SELECT * FROM zeek.conn WHERE false RETURNING 1""") == []
    with store.loading() as connection:
        assert days.ensure(connection, [date(2026, 3, 3)]) == [date(2026, 3, 3)]
    assert time.monotonic() - begun < 10
    pipeline.ingest(
        store, [str(write(tmp_path / "on.log", json_lines([flow(900, ts=f"{START + OTHER_DAY}.0")])))]
    )
    assert dropping.is_alive()
    reader.close()
    dropping.join(20)
    assert states(store)[DAY] == "dropped"
    assert faults() == []


@pytest.mark.usefixtures("two_days")
@pytest.mark.parametrize("step", ["retire", "pending", "detached"])
def test_a_drop_that_was_interrupted_goes_on(
    store: Store, ask: Ask, faults: Faults, database_url: str, step: str
) -> None:
    ask("INSERT INTO etl.retired_day (day, reason) VALUES ('2026-03-01', 'test')")
    session = psycopg2.connect(database_url)
    session.autocommit = True
    with session.cursor() as cursor:
        if step == "pending":
            reader = psycopg2.connect(database_url)
            with reader.cursor() as other:
                other.execute("SELECT count(*) FROM zeek.conn")
            cursor.execute("SET statement_timeout = 300")
            with pytest.raises(psycopg2.errors.QueryCanceled):
                cursor.execute("ALTER TABLE zeek.conn DETACH PARTITION zeek.conn_20260301 CONCURRENTLY")
            reader.close()
        elif step == "detached":
            cursor.execute("ALTER TABLE zeek.conn DETACH PARTITION zeek.conn_20260301 CONCURRENTLY")
    session.close()
    assert states(store).get(DAY) == "being dropped"
    assert maintenance.drop(store, {}) == [DAY]
    assert states(store) == {DAY: "dropped", NEXT: "open"}
    assert ask("SELECT sum(rows) FROM etl.retired_file") == [(30,)]
    assert faults() == []


def test_a_day_that_never_was_cannot_be_dropped_or_sealed(store: Store) -> None:
    for work in (lambda: maintenance.drop(store, {DAY: "test"}), lambda: maintenance.seal(store, [DAY])):
        with pytest.raises(Misuse, match="2026-03-01 has no partition"):
            work()


# --- what retention and pruning choose -----------------------------------------------------------------------------


def sized(*sizes: int) -> list[Day]:
    return [
        Day(
            day=DAY + timedelta(days=n),
            state="open",
            rows=1,
            bytes=size,
            sealed_at=None,
            dropped_at=None,
            reason="",
        )
        for n, size in enumerate(sizes)
    ]


@pytest.mark.parametrize(
    ("keep", "gone"),
    [
        ({"keep_days": None, "keep_bytes": None}, []),
        ({"keep_days": 2, "keep_bytes": None}, [0, 1]),
        ({"keep_days": 400, "keep_bytes": None}, []),
        ({"keep_days": None, "keep_bytes": 70}, [0]),
        ({"keep_days": None, "keep_bytes": 100}, []),
        ({"keep_days": None, "keep_bytes": 1}, [0, 1, 2]),
        ({"keep_days": 3, "keep_bytes": 45}, [0, 1]),
    ],
)
def test_retention_goes_by_age_and_size_and_leaves_the_newest_day(
    keep: dict[str, Any], gone: list[int]
) -> None:
    found = days.expiring(sized(40, 30, 20, 10), DAY + timedelta(days=4), **keep)
    assert sorted(found) == [DAY + timedelta(days=n) for n in gone]


@pytest.mark.usefixtures("two_days")
def test_retention_is_off_unless_set(store: Store, database_url: str) -> None:
    assert maintenance.expiring(store) == {}
    keeping = Store.open(database_url, Settings(keep_days=1))
    assert list(maintenance.expiring(keeping)) == [DAY, NEXT]
    assert maintenance.drop(keeping, maintenance.expiring(keeping)) == [DAY, NEXT]
    assert maintenance.expiring(keeping) == {}


def test_pruning_takes_what_is_settled_and_old_and_the_books_still_balance(
    store: Store, ask: Ask, faults: Faults, database_url: str, tmp_path: Path
) -> None:
    rows = [flow(n, conn_state="REG" if n < 6 else "SF") for n in range(40)]
    pipeline.ingest(store, [str(write(tmp_path / "conn.log", json_lines(rows)))])
    ask(
        "UPDATE etl.quarantine SET state = 'discarded', resolved_at = now() - interval '3 days' WHERE etl_line <= 2"
    )
    ask("UPDATE etl.quarantine SET state = 'discarded', resolved_at = now() WHERE etl_line = 3")
    ask("CREATE TABLE etl.stage_4711 (a int)")
    ask("ALTER TABLE etl.stage_4711 OWNER TO conn_loader")
    nothing = maintenance.prune(store)
    assert (nothing.results, nothing.quarantine, nothing.staging) == (0, 0, 1)
    pruning = Store.open(database_url, Settings(keep_quarantine=timedelta(days=1), keep_results=timedelta(0)))
    results = ask("SELECT count(*) FROM etl.expectation_result")[0][0]
    pruned = maintenance.prune(pruning)
    assert (pruned.results, pruned.quarantine, pruned.staging) == (results, 2, 0)
    assert ask("SELECT state, count(*) FROM etl.quarantine GROUP BY 1 ORDER BY 1") == [
        ("discarded", 1),
        ("open", 3),
    ]
    assert faults() == []


# --- who may -------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("two_days")
def test_a_loader_may_refresh_and_prune_and_needs_the_owner_to_seal_and_drop(
    ask: Ask, database_url: str
) -> None:
    name = "keeper_" + sa.engine.make_url(database_url).database[-8:]
    ask(f"CREATE ROLE {name} LOGIN NOINHERIT IN ROLE conn_loader")
    try:
        keeper = Store.open(database_url.replace("postgres@", f"{name}@", 1), Settings(attempts=1))
        assert maintenance.refresh(keeper)[0] > 0
        maintenance.prune(keeper)
        with pytest.raises(Exception, match="permission denied to set role"):
            maintenance.seal(keeper)
        ask(f"GRANT conn_owner TO {name}")
        assert maintenance.seal(keeper) == [DAY, NEXT]
        assert maintenance.drop(keeper, {DAY: "test"}) == [DAY]
    finally:
        ask(f"DROP ROLE {name}")

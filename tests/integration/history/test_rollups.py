"""Rollups are what the rows add up to, whatever changed the rows and however many publishes run at once."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from etl import pipeline
from etl.database.store import Store
from etl.history import maintenance, rollups
from etl.monitoring import verify
from etl.settings import Settings
from tests.integration.conftest import Ask
from tests.logs import START, flow, flows, tsv, write

Faults = Callable[[], list[verify.Disagreement]]

HOURS = (
    "SELECT hour, sum(connections)::int, sum(src_bytes)::int FROM zeek.conn_hour GROUP BY hour ORDER BY hour"
)
ROWS = """
    SELECT date_bin('1 hour', "@timestamp", '2000-01-01 00:00:00+00') AS hour, count(*)::int, sum(src_bytes)::int
    FROM zeek.conn GROUP BY hour ORDER BY hour
"""
MARKED = "SELECT DISTINCT hour FROM etl.touched_hour ORDER BY hour"
NINE = datetime(2026, 3, 1, 9, tzinfo=UTC)


def spread(count: int, first: int = 0) -> bytes:
    """Rows over several hours: one each 100 seconds."""
    return tsv(flow(n, ts=f"{START + 100 * n}.5") for n in range(first, first + count))


def test_a_publish_marks_the_hours_of_its_rows_and_a_refresh_counts_them(
    store: Store, ask: Ask, faults: Faults, tmp_path: Path
) -> None:
    pipeline.ingest(store, [str(write(tmp_path / "conn.log", spread(100)))])
    marked = [hour.hour for (hour,) in ask(MARKED)]
    assert marked == [8, 9, 10]
    assert maintenance.refresh(store) == (3, 0)
    assert ask(HOURS) == ask(ROWS) != []
    assert ask(MARKED) == []
    assert faults() == []


def test_every_other_way_to_change_rows_marks_too(
    store: Store, ask: Ask, faults: Faults, tmp_path: Path
) -> None:
    log = write(tmp_path / "conn.log", spread(100))
    pipeline.ingest(store, [str(log)])
    maintenance.refresh(store)
    changes: dict[str, Callable[[], object]] = {
        "rows beside duplicates": lambda: pipeline.ingest(
            store, [str(write(tmp_path / "more.log", spread(50, 80)))]
        ),
        "a replaced file": lambda: pipeline.ingest(store, [str(write(log, spread(60)))], replace=True),
        "an unloaded file": lambda: pipeline.unload(store, [str(log)]),
    }
    for what, change in changes.items():
        before = ask(ROWS)
        change()
        assert ask(ROWS) != before, what
        assert ask(MARKED) != [], what
        assert faults() == [], what
        maintenance.refresh(store)
        assert ask(HOURS) == ask(ROWS), what
        assert faults() == [], what


def test_a_mark_of_a_publish_that_has_not_committed_outlives_the_recompute(
    store: Store, ask: Ask, faults: Faults, tmp_path: Path
) -> None:
    pipeline.ingest(store, [str(write(tmp_path / "conn.log", tsv(flows(10))))])
    with store.engine.connect() as slow, slow.begin():
        slow.exec_driver_sql("UPDATE etl.file SET rows_read = rows_read + 1, rows_loaded = rows_loaded + 1")
        slow.exec_driver_sql(
            """INSERT INTO zeek.conn ("@timestamp", network_protocol, src_ip_addr, src_port, dst_ip_addr, dst_port,
                event_uid, etl_file_id, etl_line)
            SELECT "@timestamp", 'udp', src_ip_addr, 1, dst_ip_addr, 2, 'Cslow', etl_file_id, 999
            FROM zeek.conn WHERE event_uid = 'C00000000000000003'"""
        )
        rollups.touch(slow, [datetime(2026, 3, 1, 8, 30, tzinfo=UTC)])
        assert maintenance.refresh(store) == (1, 0)
        assert ask(MARKED) == []
    assert len(ask(MARKED)) == 1
    assert faults() == []
    assert maintenance.refresh(store) == (1, 0)
    assert ask(HOURS) == ask(ROWS)
    assert faults() == []


def test_two_publishes_at_once_beside_a_refresh_leave_no_difference(
    database_url: str, ask: Ask, faults: Faults, tmp_path: Path
) -> None:
    stores = [Store.open(database_url, Settings()) for _ in range(3)]
    logs = [
        [str(write(tmp_path / side / f"conn{n}.log", spread(30, 15 * (2 * n + place)))) for n in range(3)]
        for place, side in enumerate(("a", "b"))
    ]
    failures: list[BaseException] = []

    def load(store: Store, paths: list[str]) -> None:
        try:
            for path in paths:
                pipeline.ingest(store, [path])
        except BaseException as error:  # noqa: BLE001  shown by the test
            failures.append(error)

    threads = [threading.Thread(target=load, args=pair) for pair in zip(stores, logs, strict=False)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        maintenance.refresh(stores[2])
        with stores[2].session() as connection, connection.begin():
            connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            assert rollups.differences(connection) == []
    assert failures == []
    maintenance.refresh(stores[2])
    assert ask(HOURS) == ask(ROWS)
    assert faults() == []


def test_a_rollup_that_is_wrong_is_found_and_made_anew(
    store: Store, ask: Ask, faults: Faults, tmp_path: Path
) -> None:
    pipeline.ingest(store, [str(write(tmp_path / "conn.log", spread(100)))])
    maintenance.refresh(store)
    maintenance.seal(store)
    ask(
        "UPDATE zeek.conn_hour SET src_bytes = src_bytes + 1 WHERE hour = :hour AND network_application = 'ssl'",
        hour=NINE,
    )
    ask("UPDATE zeek.top_address SET connections = 77 WHERE ip_addr = '192.0.2.7'")
    ask("UPDATE zeek.destination_day SET dst_ip_addr = '192.0.2.8' WHERE dst_ip_addr = '192.0.2.7'")
    found = [fault.path for fault in faults()]
    assert found == ["2026-03-01 09:00:00+00:00", "2026-03-01", "2026-03-01"]
    assert maintenance.refresh(store, everything=True) == (3, 1)
    assert faults() == []


def test_top_addresses_follow_rows_that_come_late(
    store: Store, ask: Ask, faults: Faults, tmp_path: Path
) -> None:
    top = "SELECT connections::int, rank_by_connections::int FROM zeek.top_address WHERE ip_addr = '10.9.9.9'"
    pipeline.ingest(store, [str(write(tmp_path / "conn.log", tsv(flows(100))))])
    assert maintenance.seal(store) == [date(2026, 3, 1)]
    assert ask(top) == []
    late = flows(20, 500, id_orig_h="10.9.9.9")
    pipeline.ingest(store, [str(write(tmp_path / "late.log", tsv(late)))])
    assert faults() == []
    assert maintenance.refresh(store) == (1, 1)
    assert ask(top) == [(20, 1)]
    assert faults() == []


def test_destinations_are_those_of_the_rows_whatever_is_sealed_cut_due_or_dropped(
    store: Store, ask: Ask, faults: Faults, tmp_path: Path
) -> None:
    day = timedelta(days=1)

    def known(since: datetime = NINE - 30 * day, until: datetime = NINE + day) -> list[str]:
        asked = "SELECT DISTINCT host(dst_ip_addr) FROM zeek.destinations(:since, :until) ORDER BY 1"
        return [address for (address,) in ask(asked, since=since, until=until)]

    assert known() == []
    early = flow(1, ts=(NINE - day).timestamp(), id_resp_h="192.0.2.1")
    load(store, tmp_path, "1", [early, flow(2, ts=NINE.timestamp(), id_resp_h="192.0.2.2")])
    assert known() == ["192.0.2.1", "192.0.2.2"]
    maintenance.seal(store)
    assert ask("SELECT day, host(dst_ip_addr) FROM zeek.destination_day ORDER BY day") == [
        (date(2026, 2, 28), "192.0.2.1"),
        (date(2026, 3, 1), "192.0.2.2"),
    ]
    assert known() == ["192.0.2.1", "192.0.2.2"]
    assert known(until=NINE) == ["192.0.2.1"]  # the span cuts the day before its only row
    load(store, tmp_path, "2", [flow(3, ts=NINE.timestamp(), id_resp_h="192.0.2.3")])
    assert known() == ["192.0.2.1", "192.0.2.2", "192.0.2.3"]  # the day is due
    assert maintenance.refresh(store) == (1, 1)
    assert known() == ["192.0.2.1", "192.0.2.2", "192.0.2.3"]
    assert faults() == []
    maintenance.drop(store, {date(2026, 2, 28): "test"})
    assert known() == ["192.0.2.1", "192.0.2.2", "192.0.2.3"]
    assert faults() == []


def load(store: Store, folder: Path, name: str, rows: list[dict[str, Any]]) -> None:
    pipeline.ingest(store, [str(write(folder / f"conn.{name}.log", tsv(rows)))])


def test_unset_counters_stay_unset_and_wild_ones_add_up(store: Store, ask: Ask, tmp_path: Path) -> None:
    wild = 2**63 - 1
    rows = [
        flow(1, service="dns", orig_bytes=None, resp_bytes=wild),
        flow(2, service="dns", orig_bytes=None, resp_bytes=wild),
        flow(3, service=None, conn_state=None, orig_bytes=5),
    ]
    pipeline.ingest(store, [str(write(tmp_path / "conn.log", tsv(rows)))])
    maintenance.refresh(store)
    assert ask(
        "SELECT network_application, network_connection_state, connections, src_bytes, dst_bytes"
        " FROM zeek.conn_hour ORDER BY network_application"
    ) == [("dns", "SF", 2, None, 2 * wild), (None, None, 1, 5, 21)]


@pytest.mark.parametrize("moment", ["2026-03-01 08:59:59.999999+00", "2026-03-01 08:00:00+00"])
def test_an_hour_is_one_of_utc_whatever_the_session_says(ask: Ask, moment: str) -> None:
    (found,) = ask(
        f"SELECT etl.hour_of('{moment}') FROM (SELECT set_config('timezone', 'Asia/Kolkata', true)) AS zone"
    )
    assert found[0] == datetime(2026, 3, 1, 8, tzinfo=UTC)


def test_a_long_text_keeps_no_hour_from_its_rollup(
    store: Store, ask: Ask, faults: Faults, tmp_path: Path
) -> None:
    """A service of 8 kB that does not compress is longer than an index row may be; two of them stay apart."""
    services = ["".join(f"{number * step:x}" for number in range(1, 1_500)) for step in (7_919, 104_729)]
    rows = [flow(n, service=services[n % 2]) for n in range(10)]
    pipeline.ingest(store, [str(write(tmp_path / "conn.log", tsv([*rows, *flows(5, 100)])))])
    assert min(map(len, services)) > 5_000
    maintenance.refresh(store)
    assert ask(MARKED) == []
    service = "length(network_application)"
    assert ask(f"SELECT connections::int, {service} FROM zeek.conn_hour WHERE {service} > 90") == [
        (5, 93),
        (5, 93),
    ]
    maintenance.seal(store, [date(2026, 3, 1)])
    assert faults() == []

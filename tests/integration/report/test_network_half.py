"""The network half of a report: the cookbook's answers for its span, and payload that never crossed the wire."""

from __future__ import annotations

import json
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy.engine import make_url

from etl import pipeline, report
from etl.database.statements import execute
from etl.database.store import Store
from etl.errors import Busy
from etl.report.network import gather
from tests.integration.conftest import Ask
from tests.logs import flow, flows, tsv, write

DAY = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.fixture
def loaded(store: Store, tmp_path: Path) -> Store:
    """Thirty flows, two that claim more than they sent, one of them a wild RST."""
    odd = [
        flow(100, conn_state="RSTR", resp_bytes=2_000_000_000, resp_ip_bytes=84, missed_bytes=2_000_000_000),
        flow(101, orig_bytes=500, orig_ip_bytes=400, service="<b>dns</b>"),
        flow(102, orig_bytes=None, resp_bytes=None, orig_ip_bytes=40, resp_ip_bytes=0, duration=None),
    ]
    pipeline.ingest(store, [str(write(tmp_path / "conn.log", tsv([*flows(30), *odd])))])
    return store


def test_it_shows_what_happened_with_the_question_behind_each_part(loaded: Store) -> None:
    with loaded.session() as connection:
        made = report.build(connection)
    network = json.loads(made.as_json())["network"]
    claimed = network["claimed"]
    assert (claimed["rows"], int(claimed["bytes"])) == (2, 2_000_000_000 - 84 + 100)
    assert "2 rows claim more payload than crossed the wire:\n100% of the payload" in made.html
    parts = {part["question"]: part for part in network["sections"]}
    assert list(parts) == [
        "top_talkers", "new_destinations", "failed_connections", "scan_candidates", "long_pairs",
        "beacon_candidates", "packet_loss",
    ]  # fmt: skip
    for name in parts:
        assert (
            f"conn-etl query {name} --since 2026-03-01T00:00:00+00:00 --until 2026-03-02T00:00:00+00:00"
            in made.html
        )
    assert parts["packet_loss"]["rows"][0]["missed_bytes"] == 2_000_000_000
    assert parts["top_talkers"]["more"] is False
    assert len(parts["top_talkers"]["rows"]) == 10
    assert "there is nothing to compare with" in parts["new_destinations"]["notes"][0]
    assert {row["service"] for row in network["bytes"]} == {"ssl", "(unset)", "<b>dns</b>"}
    assert "<b>dns</b>" not in made.html


def test_an_empty_span_has_no_network_half(loaded: Store) -> None:
    with loaded.session() as connection:
        made = report.build(connection, datetime(2026, 5, 1, tzinfo=UTC), datetime(2026, 5, 2, tzinfo=UTC))
    assert 'id="network"' not in made.html
    assert made.facts["network"]["claimed"]["rows"] == 0


def test_a_login_that_may_have_one_session_gets_the_same_report(
    loaded: Store, ask: Ask, database_url: str
) -> None:
    with loaded.session() as connection:
        expected = report.build(connection).facts["network"]
    ask("CREATE ROLE only_one LOGIN CONNECTION LIMIT 1 IN ROLE conn_reader")
    url = make_url(database_url).set(username="only_one").render_as_string(hide_password=False)
    try:
        with Store.open(url, loaded.settings).session() as connection:
            assert report.build(connection).facts["network"] == expected
    finally:
        ask("DROP ROLE only_one")


def test_both_sessions_see_the_rows_of_one_moment(loaded: Store, ask: Ask) -> None:
    with loaded.session() as connection, connection.begin():
        execute(connection, "session.snapshot")
        before = connection.exec_driver_sql("SELECT count(*) FROM zeek.conn").scalar_one()
        ask("DELETE FROM zeek.conn")
        network = gather(connection, DAY, DAY + timedelta(days=1))
    talked = next(part for part in network["sections"] if part["question"] == "long_pairs")
    assert before == 33
    assert talked["rows"] != []
    assert network["bytes"] != []


WAITING = """
    SELECT max(pid), count(*) FROM pg_stat_activity
    WHERE wait_event_type = 'Lock' AND datname = current_database()
"""


def test_a_question_that_fails_ends_the_one_beside_it(loaded: Store, ask: Ask) -> None:
    """It would have waited for the lock, as a long one goes on for minutes."""

    def cancel_one() -> None:
        while (waiting := ask(WAITING)[0])[1] < 2:
            time.sleep(0.1)
        ask("SELECT pg_cancel_backend(:pid)", pid=waiting[0])

    helper = threading.Thread(target=cancel_one)
    with loaded.session() as locking, locking.begin():
        locking.exec_driver_sql("LOCK TABLE zeek.network IN ACCESS EXCLUSIVE MODE")
        helper.start()
        with pytest.raises(Busy, match="user request"):
            gathered_without_limit(loaded)
    helper.join()


def gathered_without_limit(store: Store) -> None:
    with store.session() as connection, connection.begin():
        connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        connection.exec_driver_sql("SET LOCAL lock_timeout = '60s'")
        gather(connection, DAY, DAY + timedelta(days=1))

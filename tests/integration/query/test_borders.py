"""Which lines an answer has where it is limited, and in which order."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from etl import pipeline
from etl.database.store import Store
from etl.errors import Misuse
from etl.history import maintenance
from etl.query import ask as asking
from etl.query import cookbook
from tests.integration.conftest import Ask
from tests.logs import flow, flows, tsv, write

DAY = datetime(2026, 3, 1, tzinfo=UTC)


def answered(store: Store, name: str, **given: str) -> list[dict[str, Any]]:
    question = cookbook.load(name)
    values = question.values(given, DAY, DAY + timedelta(days=1))
    with store.session() as connection, asking.reading(connection, timedelta(minutes=1)):
        answer = asking.ask(connection, question.sql, values, lines=question.lines(values))
        return [dict(zip(answer.columns, row, strict=True)) for row in answer.rows]


@pytest.mark.parametrize("most", [1, 2, 3, 100_000])
def test_long_pairs_are_in_the_order_of_the_seconds_shown(store: Store, tmp_path: Path, most: int) -> None:
    """Half a millisecond is rounded upwards, also where floats add up to a little less."""
    durations = {"10.0.0.9": ["12.250500"], "10.0.0.1": ["12.250000"], "10.0.0.2": ["1.0005"] * 3}
    rows = [
        flow(number, id_orig_h=host, id_orig_p=number + 1, id_resp_h="192.0.2.1", duration=duration)
        for number, (host, duration) in enumerate(
            (host, one) for host in durations for one in durations[host]
        )
    ]
    pipeline.ingest(store, [str(write(tmp_path / "conn.log", tsv(rows)))])
    found = [
        (str(line["src_ip_addr"]), str(line["seconds"]))
        for line in answered(store, "long_pairs", most=str(most))
    ]
    assert found == [("10.0.0.9", "12.251"), ("10.0.0.1", "12.250"), ("10.0.0.2", "3.002")][:most]


@pytest.mark.parametrize("name", ["long_pairs", "failed_connections", "beacon_candidates"])
def test_many_lines_are_looked_up_in_a_hash_on_a_server_that_spares_memory(
    store: Store, ask: Ask, tmp_path: Path, name: str
) -> None:
    """Without one PostgreSQL compares each row with each line: hours over a day of a million rows."""
    rows = flows(20_000, conn_state="S0", duration="1.0")
    pipeline.ingest(store, [str(write(tmp_path / "conn.log", tsv(rows)))])
    ask("ANALYZE zeek.conn")
    question = cookbook.load(name)
    values = question.values({"most": "100000"}, DAY, DAY + timedelta(days=1))
    with store.session() as connection:
        connection.exec_driver_sql("SET work_mem = '64kB'")
        connection.commit()
        with asking.reading(connection, timedelta(minutes=1)):
            sql = asking.rendered(connection, question.sql, values)
            plan = connection.exec_driver_sql(f"EXPLAIN {sql}", execution_options={"no_parameters": True})
            filters = [line for line in plan.scalars() if "SubPlan" in line and "Filter" in line]
    assert filters
    assert all("hashed SubPlan" in line for line in filters)


def test_an_answer_says_which_days_retention_dropped(store: Store, ask: Ask, tmp_path: Path) -> None:
    days = [flow(number, ts=f"{DAY.timestamp() + 86_400 * number:.6f}") for number in range(4)]
    pipeline.ingest(store, [str(write(tmp_path / "conn.log", tsv(days)))])
    maintenance.seal(store)
    maintenance.drop(store, {DAY.date(): "test", (DAY + timedelta(days=1)).date(): "test"})

    def noted(name: str, since: datetime, *, empty: bool = False) -> list[str]:
        question = cookbook.load(name)
        values = question.values({}, since, DAY + timedelta(days=4))
        with store.session() as connection, connection.begin():
            return asking.notes(connection, question, values, empty=empty)

    dropped = "retention dropped 2 days of this span: their rows are not in the answer"
    assert noted("top_talkers", DAY) == [dropped]
    assert noted("top_talkers", DAY, empty=True) == [dropped]
    assert noted("top_talkers", DAY + timedelta(days=2)) == []
    assert noted("state_mix", DAY) == []  # the rollup has them
    third = DAY + timedelta(days=2)
    assert noted("new_destinations", third) == [
        f"the rows to compare with begin at {DAY}, not at {third - timedelta(days=30)}"
    ]
    ask("DELETE FROM zeek.destination_day")  # as where they were dropped before there was this rollup
    assert noted("new_destinations", third) == [
        f"no rows are loaded from {third - timedelta(days=30)} to {third}: there is nothing to compare with"
    ]


def test_a_negative_number_of_lines_is_refused_by_name() -> None:
    with pytest.raises(Misuse, match="most=-1 is less than 0"):
        cookbook.load("top_talkers").values({"most": "-1"}, DAY, DAY + timedelta(days=1))

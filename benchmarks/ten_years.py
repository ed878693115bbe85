"""Ten years of days: how long a question is planned, and what questions without a bound do to the server's locks."""

from __future__ import annotations

import statistics
import threading
from datetime import UTC, date, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from etl.database.statements import statement
from etl.database.store import Store
from etl.history import days
from etl.query import ask, cookbook

LEAVES = 3_650
SESSIONS = 8


def measure(store: Store, leaves: int) -> dict[str, Any]:
    """Planning of a one-day question with so many sealed days, and sessions that ask without a bound at once."""
    with store.engine.connect() as connection:
        for begin in range(0, leaves, 50):
            with connection.begin():
                for number in range(begin, min(begin + 50, leaves)):
                    day = date(2016, 1, 1) + timedelta(days=number)
                    connection.exec_driver_sql(f"SELECT etl.ensure_partition('{day}')")
                    for index in days.INDEXES:
                        sql = statement(f"partitions.index_{index}").text.replace(" CONCURRENTLY", "")
                        connection.exec_driver_sql(sql.replace("leaf", days.leaf(day)))
    first, again = zip(*(_planning(store) for _ in range(5)), strict=True)
    failed = _unbounded(store)
    print(
        f"{leaves:,} sealed days: a one-day question is planned in {statistics.median(again):.1f} ms, the first "
        f"of a session in {statistics.median(first):.1f} ms; {SESSIONS} sessions without a bound: {len(failed)} failed",
        flush=True,
    )
    return {"planning_ms": again, "first_planning_ms": first, "failed": failed}


def _planning(store: Store) -> tuple[float, float]:
    """Milliseconds of the first question of a session, and of later ones."""
    question = cookbook.load("host_timeline")
    since = datetime(2020, 5, 1, tzinfo=UTC)
    values = question.values({"host": "10.0.0.77"}, since, since + timedelta(days=1))
    clause = ask.bind(f"EXPLAIN (SUMMARY, FORMAT JSON) {question.sql}", list(values))
    with store.engine.connect() as connection:
        times = [connection.execute(clause, values).scalar_one()[0]["Planning Time"] for _ in range(5)]
    return times[0], statistics.median(times[1:])


def _unbounded(store: Store) -> list[str]:
    """Sessions that all hold the locks of a question without a bound at the same time; returns the errors."""
    together = threading.Barrier(SESSIONS, timeout=600)
    failed: list[str] = []

    def one() -> None:
        try:
            with store.engine.connect() as connection, connection.begin():
                connection.exec_driver_sql("SELECT * FROM zeek.conn WHERE event_uid = 'Cnobody'").all()
                together.wait()
        except (sa.exc.DBAPIError, threading.BrokenBarrierError) as error:
            failed.append(str(error))
            together.abort()

    sessions = [threading.Thread(target=one) for _ in range(SESSIONS)]
    for session in sessions:
        session.start()
    for session in sessions:
        session.join()
    return failed

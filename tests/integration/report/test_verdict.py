"""The report's first sentence names a suite that has not run; its trend is over the report's own span."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from etl import pipeline, report
from etl.database.store import Store
from etl.quality import day_checks
from tests.logs import START, flow, flows, tsv, write


def test_a_suite_that_has_not_run_is_named(store: Store, tmp_path: Path) -> None:
    pipeline.ingest(store, [str(write(tmp_path / "conn.log", tsv(flows(30))))])
    with store.session() as connection:
        before = report.build(connection)
    assert before.facts["verdict"] == {
        "level": "attention",
        "sentence": "Loaded, with something to look at",
        "reasons": ["2 suites have not run: conn_batch, conn_consistency (conn-etl check)"],
    }
    assert "every rule passed" not in before.html
    assert "2 suites have not run: conn_batch, conn_consistency" in before.html

    day_checks.check_day(store, date(2026, 3, 1))
    with store.session() as connection:
        after = report.build(connection)
    assert after.facts["suites_not_run"] == []
    assert "not run" not in " ".join(after.facts["verdict"]["reasons"])


def test_an_empty_database_misses_no_suite(store: Store) -> None:
    with store.session() as connection:
        assert report.build(connection).facts["suites_not_run"] == []


def test_the_trend_is_over_the_span_of_the_report(store: Store, tmp_path: Path) -> None:
    for day, bad in ((0, 1), (1, 2), (-400, 3)):
        rows = [
            flow(
                i,
                ts=f"{START + day * 86_400 + i}.5",
                uid=f"C{day}x{i}",
                conn_state="REG" if i < bad else "SF",
            )
            for i in range(20)
        ]
        pipeline.ingest(store, [str(write(tmp_path / f"conn.{day}.log", tsv(rows)))])

    def trend(since: datetime | None = None, until: datetime | None = None) -> list[tuple[str, int, int]]:
        with store.session() as connection:
            facts = report.build(connection, since, until).facts
        return [(r["day"], r["rows"], r["failed"]) for r in facts["trend"] if r["rule"].startswith("enum.")]

    first = datetime(2026, 3, 1, tzinfo=UTC)
    assert trend(first, first + timedelta(days=2)) == [("2026-03-01", 20, 1), ("2026-03-02", 20, 2)]
    assert trend(first + timedelta(days=1), first + timedelta(days=2)) == [("2026-03-02", 20, 2)]
    assert trend(first, first + timedelta(days=300)) == [("2026-02-23", 20, 1), ("2026-03-02", 20, 2)]
    assert trend() == [("2025-01-01", 20, 3), ("2026-03-01", 40, 3)]


@pytest.mark.parametrize(("days", "bucket"), [(0, "day"), (62, "day"), (63, "week"), (367, "month")])
def test_a_long_trend_has_wider_steps(store: Store, days: int, bucket: str) -> None:
    since = datetime(2026, 3, 1, tzinfo=UTC)
    with store.session() as connection:
        facts = report.build(connection, since, since + timedelta(days=days)).facts
    assert facts["trend_by"] == bucket

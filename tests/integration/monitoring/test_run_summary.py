"""What a run tells of itself."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from etl import pipeline
from etl.database.store import Store
from etl.monitoring import run_summary
from etl.quality import day_checks
from tests.logs import START, flow, tsv, write


def test_the_days_of_a_run_are_those_that_got_a_row(store: Store, tmp_path: Path) -> None:
    def load(name: str, *days: int) -> str:
        rows = [flow(day, ts=f"{START + 86_400 * (day - 1)}.5", uid=f"C{name}{day}") for day in days]
        return pipeline.ingest(store, [str(write(tmp_path / f"{name}.log", tsv(rows)))]).run_id

    load("other", 4, 5)  # the table has these days already, with rows of another run
    run_id = load("mine", 1, 3, 10, 6)
    with store.session() as connection:
        found = run_summary.added(connection, run_id)
    days = ["2026-03-01", "2026-03-03", "2026-03-06", "2026-03-10"]
    assert (found["rows_loaded"], found["days"]) == (4, days)
    # without an event nobody knows the run: then all days of the table within the files' spans, and no other day
    there = [date(2026, 3, day) for day in (10, 6, 5, 4, 3, 1)]
    assert day_checks.touched_days(store, datetime.now(UTC) - timedelta(hours=1)) == there


def test_a_clock_gone_wrong_does_not_make_thousands_of_days(store: Store, tmp_path: Path) -> None:
    rows = [flow(1, ts="631152000.5"), flow(2)]  # 1990 and 2026
    run_id = pipeline.ingest(store, [str(write(tmp_path / "conn.log", tsv(rows)))]).run_id
    with store.session() as connection:
        assert run_summary.added(connection, run_id)["days"] == ["1990-01-01", "2026-03-01"]

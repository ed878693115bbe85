"""The report's first sentence: a suite that has not run is named, and nothing says that every rule passed."""

from __future__ import annotations

from datetime import date
from pathlib import Path

from etl import pipeline, report
from etl.database.store import Store
from etl.quality import day_checks
from tests.logs import flows, tsv, write


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

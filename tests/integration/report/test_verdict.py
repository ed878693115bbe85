"""The report's first sentence names a suite that has not run; its trend is over the report's own span."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from etl import pipeline, report
from etl.database.store import Store
from etl.monitoring import windows
from etl.quality import day_checks
from etl.report import facts
from etl.settings import Settings
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


QUARANTINE = """
WITH one AS (
    INSERT INTO etl.file (path, size, mtime, state, rows_read, rows_loaded, rows_duplicate, rows_quarantined)
    VALUES ('/logs/conn.log', 1, now(), 'published', 114, 0, 0, 114) RETURNING etl_file_id
)
INSERT INTO etl.quarantine (etl_file_id, etl_line, reason, rule)
SELECT etl_file_id, line, 'reason ' || line, 'row.shape' FROM one, generate_series(1, 114) AS line
"""


def test_open_lines_are_counted_however_many_reasons_are_listed(store: Store) -> None:
    """It said 80 for 114: the list was cut, and its lines added up."""
    with store.engine.begin() as connection:
        connection.exec_driver_sql(QUARANTINE)
    with store.session() as connection:
        facts = report.build(connection).facts
    assert len(facts["quarantine"]) < 114
    assert "114 lines open in quarantine" in facts["verdict"]["reasons"]


HOURS = """
INSERT INTO etl.file (path, size, mtime, sensor, window_start, window_end, state, rows_read, rows_loaded,
    rows_duplicate, rows_quarantined)
SELECT '/logs/' || hour, 1, now(), 'gw', start + hour * interval '1 hour', start + (hour + 1) * interval '1 hour',
    'published', 1, 1, 0, 0
FROM
    (SELECT date_trunc('day', now(), 'UTC') - interval '3 days' AS start) AS begins, generate_series(0, 30) AS hour
WHERE hour NOT BETWEEN 2 AND 5 AND hour <> 20
"""


@pytest.mark.parametrize(
    ("settings", "missing"),
    [({}, 5), ({"quiet_hours": [2, 3, 4]}, 2), ({"sensors": {"gw": {"quiet_hours": [20]}}}, 4)],
)
def test_quiet_hours_and_silent_sensors_count_as_in_alerts(
    database_url: str, settings: dict[str, object], missing: int
) -> None:
    store = Store.open(database_url, Settings.model_validate({"attempts": 1, **settings}))
    with store.engine.begin() as connection:
        connection.exec_driver_sql(HOURS)
    with store.session() as connection:
        assert sum(gap.windows for gap in windows.gaps(connection, store.settings)) == missing
        expected = windows.expected(connection, store.settings)
        reasons = report.build(connection, expected=expected).facts["verdict"]["reasons"]
    assert f"{missing} windows missing" in reasons
    assert "1 sensor is behind" in reasons


def test_the_newest_windows_are_listed_and_all_gaps_counted(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It showed the oldest windows of the first sensor, years ago."""
    monkeypatch.setattr(facts, "WINDOWS", 12)
    with store.engine.begin() as connection:
        connection.exec_driver_sql(HOURS)
    with store.session() as connection:
        newest = facts.gather(connection, None, None)
        older = facts.gather(connection, None, newest["completeness"][0]["window_start"])
    assert [row["hour"] for row in newest["completeness"]] == [19, 20, 21, 22, 23, 0, 1, 2, 3, 4, 5, 6]
    assert [row["state"] for row in newest["completeness"]].count("missing") == 1
    assert [row["hour"] for row in older["completeness"]] == [7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18]
    assert (newest["missing_windows"], older["missing_windows"]) == (5, 4)


TROUBLE = """
INSERT INTO etl.file (path, size, mtime, state, kind, reason, accepted_by, rows_read, rows_loaded, rows_duplicate,
    rows_quarantined)
VALUES
    ('/cut.log', 1, now(), 'incomplete', NULL, 'its end is missing', NULL, 1, 1, 0, 0),
    ('/refused.log', 1, now(), 'refused', 'over_budget', 'all are bad', NULL, 1, 0, 0, 0),
    ('/held.log', 1, now(), 'published', NULL, NULL, NULL, 1, 0, 0, 1),
    ('/accepted.log', 1, now(), 'published', NULL, NULL, 'ann', 2, 0, 0, 2),
    ('/good.log', 1, now(), 'published', NULL, NULL, NULL, 1, 1, 0, 0);
INSERT INTO etl.quarantine (etl_file_id, etl_line, reason, rule)
SELECT etl_file_id, line, 'unset', 'row.' || line
FROM etl.file, generate_series(1, rows_quarantined) AS line
WHERE rows_quarantined > 0
"""


def test_files_to_look_at_are_listed_the_worst_first(store: Store) -> None:
    """The list was empty: files were compared by columns that are NULL."""
    with store.engine.begin() as connection:
        connection.exec_driver_sql(TROUBLE)
    with store.session() as connection:
        built = report.build(connection)
        none = facts.gather(connection, datetime(2020, 1, 1, tzinfo=UTC), datetime(2020, 2, 1, tzinfo=UTC))
    assert [(row["path"], row["open_lines"], row["rules"]) for row in built.facts["problems"]] == [
        ("/refused.log", 0, None),
        ("/cut.log", 0, None),
        ("/accepted.log", 2, "row.1, row.2"),
        ("/held.log", 1, "row.1"),
    ]
    assert "Files to look at" in built.html
    assert none["problems"] == []


def test_replaced_batches_and_known_files_count_once(store: Store, tmp_path: Path) -> None:
    content = tsv([*flows(19), flow(19, conn_state="REG")])
    log = write(tmp_path / "conn.log", content)
    pipeline.ingest(store, [str(log)])
    pipeline.ingest(store, [str(write(tmp_path / "copy.log", content))])
    pipeline.ingest(store, [str(log)], replace=True)
    with store.session() as connection:
        found = facts.gather(connection, None, None)
    states = {row["state"]: (row["files"], row["rows_read"], row["rows_loaded"]) for row in found["files"]}
    assert states == {"published": (1, 20, 19), "known": (1, 0, 0)}
    counted = {
        (row["rule"], row["verdicts"], row["rows"], row["failed"]) for row in found["rules"] if row["failed"]
    }
    assert counted == {("enum.network_connection_state", 1, 20, 1)}
    assert [(step["rows"], step["failed"]) for step in found["trend"]] == [(20, 1)]

"""After publish: each rule passes a good row and finds the bad one; days are measured and compared; real logs pass."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from etl import pipeline
from etl.database.engine import address_of
from etl.database.store import Store
from etl.errors import PermanentError
from etl.monitoring import alerts, windows
from etl.quality import day_checks, gate, gx, rules
from etl.quality.results import RuleResult
from etl.settings import SensorSettings
from tests.conftest import SHARED
from tests.integration.conftest import Ask
from tests.logs import flow, flows, tsv, write

DAY = date(2026, 3, 1)
GOOD: list[dict[str, Any]] = [
    {},
    {"duration": None, "orig_bytes": None, "resp_bytes": None},
    {"orig_pkts": None, "orig_ip_bytes": None, "resp_pkts": None, "resp_ip_bytes": None},
    {"proto": "udp", "conn_state": "SHR", "history": None},
    {"proto": "icmp", "conn_state": "OTH", "history": "X"},
    {"proto": "unknown_transport", "conn_state": "OTH", "history": None},
    {"conn_state": "S0", "resp_pkts": 0, "history": "S"},
    {"conn_state": None, "history": None},
    # relations that real logs do not keep, so that nothing may be said about them
    {"conn_state": "SHR", "history": "^sf"},
    {"conn_state": "RSTRH", "history": "^r"},
    {"orig_pkts": 0, "resp_pkts": 0},
    {"history": "D", "duration": None, "orig_bytes": None, "resp_bytes": None},
    {"conn_state": "S1"},
]
BAD: dict[str, list[dict[str, Any]]] = {
    "consistency.duration_with_bytes": [{"duration": None}, {"resp_bytes": None}, {"orig_bytes": None}],
    "consistency.duration_above_zero": [{"duration": "0.000000"}],
    "consistency.packet_counters_together": [{"orig_pkts": None}, {"resp_ip_bytes": None}],
    "consistency.udp_states": [{"proto": "udp", "conn_state": "REJ"}],
    "consistency.icmp_states": [
        {"proto": "icmp", "conn_state": "SF"},
        {"proto": "unknown_transport", "conn_state": "S1"},
    ],
    "consistency.payload_within_ip_bytes": [{"orig_bytes": 10_000, "orig_ip_bytes": 10}],
    "consistency.s0_without_answer": [{"conn_state": "S0", "resp_pkts": 1}],
}


def load(store: Store, path: Path, rows: list[dict[str, Any]]) -> None:
    summary = pipeline.ingest(store, [str(write(path, tsv(rows)))])
    assert summary.total("rows_loaded") == len(rows)


def failed(verdicts: list[RuleResult]) -> dict[str, int]:
    return {verdict.rule: verdict.failed for verdict in verdicts if verdict.failed}


def consistency(verdicts: list[RuleResult]) -> list[RuleResult]:
    return [verdict for verdict in verdicts if verdict.suite == "conn_consistency"]


def test_relations_that_hold_pass_and_broken_ones_are_found(store: Store, ask: Ask, tmp_path: Path) -> None:
    load(store, tmp_path / "good.log", [flow(i + 1, **changes) for i, changes in enumerate(GOOD)])
    assert failed(consistency(day_checks.check_day(store, DAY))) == {}

    broken = [(rule, changes) for rule, rows in BAD.items() for changes in rows]
    load(store, tmp_path / "bad.log", [flow(1_001 + i, **changes) for i, (_, changes) in enumerate(broken)])
    verdicts = consistency(day_checks.check_day(store, DAY, "a-run"))
    assert failed(verdicts) == {rule: len(rows) for rule, rows in BAD.items()}
    assert {v.rule for v in verdicts} == set(BAD)
    (file,) = ask("SELECT etl_file_id FROM etl.file WHERE path LIKE '%bad.log'")
    for verdict in verdicts:
        lines = [8 + i for i, (rule, _) in enumerate(broken, 1) if rule == verdict.rule]
        assert verdict.examples == [{"file": file[0], "line": line} for line in lines]
    assert ask("SELECT count(*) FROM zeek.conn") == [(len(GOOD) + len(broken),)]
    stored = ask(
        "SELECT rule, failed, etl_file_id FROM etl.expectation_result"
        " WHERE suite = 'conn_consistency' AND day = :day AND NOT success",
        day=DAY,
    )
    per_day = {(rule, len(rows), None) for rule, rows in BAD.items()}
    assert set(stored) == per_day | {(rule, count, file[0]) for rule, count, _ in per_day}
    # again: verdicts are replaced, not doubled
    day_checks.check_day(store, DAY, "another-run")
    assert len(
        ask("SELECT 1 FROM etl.expectation_result WHERE rule LIKE 'consistency.%' AND NOT success")
    ) == len(stored)


@pytest.mark.parametrize("rows_at_once", [1, 5_000_000])
def test_days_together_have_the_results_of_each_alone(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rows_at_once: int
) -> None:
    broken = [changes for rows in BAD.values() for changes in rows]
    for day, some in enumerate((broken, GOOD, broken[:4])):
        rows = [
            flow(i, ts=f"{1_772_352_000 + 2 * day * 86_400 + i}.5", uid=f"C{day}x{i}", **changes)
            for i, changes in enumerate(some, 1)
        ]
        load(store, tmp_path / f"{day}.log", rows)
    monkeypatch.setattr(day_checks, "_ROWS_AT_ONCE", rows_at_once)
    # one day in between has no row
    days = [DAY + timedelta(days=number) for number in range(4, -1, -1) if number != 1]
    together = day_checks.check_days(store, days)
    alone = {day: day_checks.check_day(store, day) for day in days}
    assert together == alone
    assert [len(failed(consistency(alone[DAY + timedelta(days=n)]))) for n in (0, 2, 3, 4)] == [
        len(BAD),
        0,
        0,
        2,
    ]


def test_a_query_that_is_not_about_the_days_is_an_error() -> None:
    with pytest.raises(PermanentError, match="not about the days"):
        day_checks._instead("SELECT 1", "SELECT 2", "SELECT 3")


@pytest.mark.parametrize(
    ("column", "good", "bad"),
    [
        ("hour_ratio", (0.25, 4, None), (0.24, 0, 4.1)),
        ("core_null_share", (0, 0.1, None), (0.11, 1)),
        ("null_shift", (0, 0.2, None), (0.21, 1)),
        ("unknown_service_share", (0, 0.9, None), (0.91,)),
        ("unknown_service_shift", (0, 0.2, None), (0.3,)),
    ],
)
def test_rules_of_the_batch(store: Store, column: str, good: tuple[Any, ...], bad: tuple[float, ...]) -> None:
    wanted = [rule for rule in rules.rules("after") if rule.column == column]
    assert len(wanted) == 1
    columns = {rule.column for rule in rules.rules("after") if rule.relation == "drift"}
    assert len(columns) == 5

    def find(values: tuple[Any, ...]) -> list[Any]:
        shown = ", ".join(f"('m{i}', {'NULL' if v is None else v}::float)" for i, v in enumerate(values))
        query = f"SELECT DATE '2026-03-01' AS day, measure, {column} FROM (VALUES {shown}) AS t (measure, {column})"
        found = gx.find(address_of(store.url, store.settings), wanted, query=query, key=("day", "measure"))
        with store.session() as connection:
            return [row for _, sql in found for row in gate.run_written(connection, sql)]

    assert find(good) == []
    assert len(find(bad)) == len(bad)


def test_a_day_is_compared_with_the_same_hour_of_the_last_weeks(
    store: Store, ask: Ask, tmp_path: Path
) -> None:
    for weeks in (1, 2, 3):
        first = -weeks * 7 * 86_400
        rows = [flow(i, ts=f"{1_772_352_000 + first + i}.5", uid=f"C{weeks}x{i}") for i in range(400)]
        name = f"{DAY - timedelta(days=7 * weeks)}/conn.08:00:00-09:00:00.log"
        load(store, tmp_path / name, rows)
    load(store, tmp_path / f"{DAY}/conn.08:00:00-09:00:00.log", flows(40))
    verdicts = day_checks.check_day(store, DAY)
    assert failed(verdicts) == {"batch.rows_of_the_hour": 1}
    (verdict,) = [v for v in verdicts if v.failed]
    assert verdict.examples == [{"measure": "rows.08", "value": 40, "usual": 400}]
    # an hour without any row is a value too, once something came after it
    load(store, tmp_path / f"{DAY}/conn.10:00:00-11:00:00.log", [flow(7_300)])
    day_checks.check_day(store, DAY)
    assert ask(
        "SELECT measure, value FROM etl.day_measure WHERE day = :day AND measure IN ('rows.09', 'rows.11')",
        day=DAY,
    ) == [("rows.09", 0)]


def test_gaps_and_lag(store: Store, ask: Ask, tmp_path: Path) -> None:
    for hour in (8, 9, 12):
        load(store, tmp_path / f"{DAY}/conn.{hour:02}:00:00-{hour + 1:02}:00:00.log", flows(3, hour * 10))
    with store.session() as connection:
        gaps = windows.gaps(connection, store.settings)
        quiet = windows.gaps(connection, store.settings.model_copy(update={"quiet_hours": (10,)}))
        lag = windows.lagging(connection, store.settings)
        assert windows.remarks(connection, store.settings) == []
    assert [str(gap) for gap in gaps] == [
        "no log from 2026-03-01 10:00 to 2026-03-01 11:00 UTC",
        "no log from 2026-03-01 11:00 to 2026-03-01 12:00 UTC",
    ]
    assert quiet == gaps[1:]
    assert lag == []  # these logs are old, nobody is behind
    ask(
        "UPDATE etl.file SET window_end = now() - INTERVAL '5 hours' WHERE window_start = '2026-03-01 12:00+00'"
    )
    hourly = store.settings.model_copy(update={"sensors": {"": SensorSettings(interval=timedelta(hours=1))}})
    with store.session() as connection:
        (behind,) = windows.remarks(connection, hourly)
        assert re.fullmatch(r"the newest log ends at .* UTC, 5:00:0.* ago", behind)
        new = alerts.collect(connection, hourly, datetime.now(UTC) - timedelta(hours=1))
        assert [(problem.problem, problem.what[:19]) for problem in new] == [("lag:", behind[:19])]
    ask("UPDATE etl.file SET sensor = 'a' WHERE window_start = '2026-03-01 12:00+00'")
    with store.session() as connection:
        assert windows.gaps(connection, store.settings) == []


@pytest.mark.realdata
def test_real_logs_pass_every_rule_but_claim_payload_that_never_was(store: Store, ask: Ask) -> None:
    summary = pipeline.ingest(store, [str(SHARED / "data" / "real-hourly")])
    assert (summary.total("rows_loaded"), summary.total("rows_quarantined")) == (31_367, 0)
    found = failed(day_checks.check_day(store, date(2024, 4, 19)))
    assert found == {"consistency.payload_within_ip_bytes": 49}  # TCP sequence numbers after gaps
    assert ask("SELECT DISTINCT severity FROM etl.expectation_result WHERE NOT success") == [("warning",)]
    assert ask("SELECT count(*) FROM etl.completeness WHERE state <> 'loaded'") == [(0,)]


def test_days_with_hardly_any_row_are_no_measure_for_others(store: Store, tmp_path: Path) -> None:
    """Long connections bring a handful of rows to days of which there is no log."""
    before = [
        flow(i, ts=f"{1_772_352_000 - day * 86_400 + i}.5", uid=f"C{day}x{i}")
        for day in range(1, 5)
        for i in range(2)
    ]
    load(store, tmp_path / "conn.log", before)
    load(store, tmp_path / "more.log", [flow(i, service=None) for i in range(400)])
    found = failed(day_checks.check_day(store, DAY))
    assert found == {"batch.unknown_services": 1}

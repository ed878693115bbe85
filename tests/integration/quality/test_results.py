"""Results in SQL, the report from the command line, and the policy that status shows."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from etl import pipeline, report
from etl.cli.app import app
from etl.database.store import Store
from etl.quality import day_checks
from tests.integration.conftest import Ask
from tests.logs import flow, flows, tsv, write

DAY = date(2026, 3, 1)


@pytest.fixture
def loaded(store: Store, tmp_path: Path) -> Store:
    """Two batches of one day: one with bad lines of two kinds, one with a refused file."""
    folder = tmp_path / "2026-03-01"
    rows = [
        *flows(50),
        flow(50, conn_state="REG"),
        flow(51, conn_state="REG"),
        flow(52, ts="x"),
        flow(53, orig_bytes=None),
    ]
    pipeline.ingest(store, [str(write(folder / "conn.08:00:00-09:00:00.log", tsv(rows)))])
    refused = write(folder / "conn.09:00:00-10:00:00.log", tsv([flow(i, proto="TCP") for i in range(20)]))
    pipeline.ingest(store, [str(refused)])
    day_checks.check_day(store, DAY)
    return store


def run(store: Store, *arguments: str, **environment: str) -> Any:
    """Run the command on the store's database."""
    url = store.url.set(drivername="postgresql").render_as_string(hide_password=False)
    return CliRunner().invoke(app, list(arguments), env={"CONN_ETL_DATABASE_URL": url, **environment})


@pytest.mark.usefixtures("loaded")
def test_views(ask: Ask) -> None:
    assert ask(
        "SELECT rule, severity, failed, rows, batch_id IS NULL FROM etl.rule_state WHERE NOT success ORDER BY 1"
    ) == [
        ("consistency.duration_with_bytes", "warning", 1, 51, True),
        ("enum.network_protocol", "critical", 20, 20, False),
    ]
    trend = ask(
        "SELECT rule, verdicts, verdicts_failed, failed FROM etl.rule_trend WHERE failed > 0 ORDER BY 1"
    )
    assert trend == [
        ("consistency.duration_with_bytes", 1, 1, 1),
        ("enum.network_connection_state", 2, 1, 2),
        ("enum.network_protocol", 2, 1, 20),
        ("type.@timestamp", 2, 1, 1),
    ]
    assert ask("SELECT state, open_lines, rules FROM etl.file_problem ORDER BY etl_file_id") == [
        ("published", 3, "enum.network_connection_state, type.@timestamp"),
        ("refused", 20, "enum.network_protocol"),
    ]
    assert ask("SELECT rule, reason, lines, files FROM etl.quarantine_reason ORDER BY 1") == [
        ("enum.network_connection_state", "enum.network_connection_state", 2, 1),
        ("enum.network_protocol", "enum.network_protocol", 20, 1),
        ("type.@timestamp", "not_a_time", 1, 1),
    ]
    assert ask("SELECT state, count(*) FROM etl.completeness GROUP BY 1 ORDER BY 1") == [
        ("loaded", 1),
        ("refused", 1),
    ]
    assert ask("SELECT sensor, newest_window_end::text FROM etl.lag") == [("", "2026-03-01 09:00:00+00")]


@pytest.mark.usefixtures("loaded")
def test_samples_say_which_lines(ask: Ask) -> None:
    ((file, sample),) = ask(
        "SELECT etl_file_id, sample FROM etl.expectation_result"
        " WHERE rule = 'enum.network_connection_state' AND etl_file_id IS NOT NULL"
    )
    assert sample == [{"file": file, "line": line, "value": "REG"} for line in (59, 60)]


def test_report_by_the_command(loaded: Store, tmp_path: Path) -> None:
    result = run(loaded, "report", "--json", "--since", "2026-03-01", "--out", str(tmp_path / "out"))
    assert result.exit_code == 0, result.output
    facts = json.loads(result.stdout)
    assert facts == json.loads((tmp_path / "out" / "conn-etl-report.json").read_text())
    assert (facts["rows"], facts["verdict"]["level"]) == (51, "bad")
    assert facts["verdict"]["reasons"][0] == "1 file refused or failed"
    html = (tmp_path / "out" / "conn-etl-report.html").read_text()
    assert html.count("<svg") >= 6
    assert "http://" not in html.replace("http://www.w3.org/", "")
    assert "https://" not in html


def test_a_report_without_any_row(store: Store) -> None:
    with store.session() as connection:
        made = report.build(connection)
    assert (made.facts["rows"], made.facts["verdict"]["level"]) == (0, "good")
    assert "No row in this span" in made.html


def test_reports_are_kept_in_bounds(loaded: Store, ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report, "KEPT", 2)
    with loaded.session() as connection:
        made = report.build(connection)
    with loaded.loading() as connection:
        numbers = [report.keep(connection, made, "a-run") for _ in range(3)]
        assert report.page(connection, numbers[0]) is None
        assert report.page(connection, numbers[2]) == made.html
    assert ask("SELECT report_id, verdict, content ->> 'rows' FROM etl.report ORDER BY 1") == [
        (number, "bad", "51") for number in numbers[1:]
    ]


def test_status_shows_the_policy(loaded: Store) -> None:
    severity = '{"enum.network_connection_state": "warning"}'
    result = run(loaded, "status", "--json", CONN_ETL_RULE_SEVERITY=severity, CONN_ETL_ERROR_BUDGET_ROWS="7")
    assert result.exit_code == 0, result.output
    settings = json.loads(result.stdout)["settings"]
    assert settings["rule_severity"] == "{'enum.network_connection_state': 'warning'}"
    assert (settings["error_budget_rows"], settings["error_budget_share"]) == ("7", "0.05")
    shown = run(loaded, "status", CONN_ETL_RULE_SEVERITY=severity).output
    assert "rule_severity" in shown


def test_data_docs(loaded: Store, tmp_path: Path) -> None:
    index = day_checks.data_docs(loaded, tmp_path / "docs")
    assert "Data Docs" in index.read_text()
    assert list((tmp_path / "docs" / "validations").rglob("*.html"))

"""Grafana's dashboards: made by its SDK as committed, and every panel's SQL runs for a reader, with macros replaced."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from grafana_foundation_sdk.cog import plugins
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import Dashboard

from deploy.grafana import build
from etl import pipeline
from etl.database.store import Store
from etl.history import maintenance
from etl.quality import day_checks
from etl.query import ask
from tests.logs import flows, tsv, write

FILES = sorted(build.DASHBOARDS)
MACROS = {
    r"\$__timeFrom\(\)": "'2026-03-01T00:00:00Z'",
    r"\$__timeTo\(\)": "'2026-03-02T00:30:00Z'",
    r"\$__timeFilter\((.+?)\)(?= AND| OR| GROUP| ORDER|$)": r"\1 BETWEEN '2020-01-01T00:00Z' AND '2100-01-01T00:00Z'",
}
"""Grafana's macros of PostgreSQL and what it puts in their place."""


def panels(name: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((build.FOLDER / name).read_text(encoding="utf-8"))["panels"]
    return found


def replaced(sql: str) -> str:
    for macro, text in MACROS.items():
        sql = re.sub(macro, text, sql)
    assert "$__" not in sql
    return sql


@pytest.fixture
def loaded(store: Store, tmp_path: Path) -> Store:
    """Rows in a rollup, rows that are due, and a file that was refused."""
    pipeline.ingest(store, [str(write(tmp_path / "conn.log", tsv(flows(60))))])
    maintenance.refresh(store)
    pipeline.ingest(
        store, [str(write(tmp_path / "more.log", tsv(flows(30, 100)))), str(write(tmp_path / "x.log", b"?"))]
    )
    for day in day_checks.touched_days(store, datetime(2026, 1, 1, tzinfo=UTC)):
        day_checks.check_day(store, day)
    return store


@pytest.mark.parametrize("name", FILES)
def test_the_committed_dashboard_is_what_the_sdk_makes(name: str) -> None:
    made = build.DASHBOARDS[name]()
    assert (build.FOLDER / name).read_text(encoding="utf-8") == build.text(made)
    assert all(panel["datasource"]["uid"] == "conn-etl" for panel in panels(name))
    assert len(panels(name)) == 10


def as_the_sdk_reads_it(dashboard: dict[str, Any]) -> dict[str, Any]:
    """Through the SDK's models and back: a key that they do not know is lost, a wrong type raises."""
    plugins.register_default_plugins()
    again: dict[str, Any] = json.loads(JSONEncoder().encode(Dashboard.from_json(dashboard)))
    for panel in again.get("panels", []):
        if (
            panel.get("fieldConfig", {}).get("defaults", {}).get("custom") == {}
        ):  # what a table has where nothing is set
            del panel["fieldConfig"]["defaults"]["custom"]
    return again


@pytest.mark.parametrize("name", FILES)
def test_a_committed_dashboard_is_of_the_sdks_schema(name: str) -> None:
    dashboard = json.loads((build.FOLDER / name).read_text(encoding="utf-8"))
    assert as_the_sdk_reads_it(dashboard) == dashboard
    dashboard["panels"][0]["gridPosition"] = dashboard["panels"][0].pop("gridPos")
    assert as_the_sdk_reads_it(dashboard) != dashboard


def test_every_panel_has_an_answer(loaded: Store) -> None:
    answers: dict[str, list[dict[str, Any]]] = {}
    for panel in (panel for name in FILES for panel in panels(name)):
        (target,) = panel["targets"]
        with loaded.session() as connection, ask.reading(connection, timedelta(seconds=20)):
            answer = ask.ask(connection, replaced(target["rawSql"]), {})
            answers[panel["title"]] = [dict(zip(answer.columns, row, strict=True)) for row in answer.rows]
        if target["format"] == "time_series":
            assert answer.columns == ("time", "metric", "value"), panel["title"]
    assert [int(row["connections"]) for row in answers["Connections"]] == [90]
    assert sum(int(row["value"]) for row in answers["Connections by state"]) == 90
    assert answers["Top responders"][0]["address"] == "192.0.2.7"
    assert {row["state"] for row in answers["Files by state"]} >= {"published"}
    assert [int(row["rows"]) for row in answers["Rows loaded"]] == [90]


def test_a_dashboard_opens_only_the_days_of_its_span(loaded: Store) -> None:
    with loaded.session() as connection, ask.reading(connection, timedelta(seconds=20)):
        for panel in panels("network.json"):
            assert ask.unbounded(connection, replaced(panel["targets"][0]["rawSql"]), {}) == [], panel[
                "title"
            ]


def test_no_password_stands_in_a_file() -> None:
    text = (build.FOLDER.parent / "provisioning" / "datasources" / "conn-etl.yaml").read_text(
        encoding="utf-8"
    )
    assert re.findall(r"password: (.*)", text) == ["$CONN_ETL_GRAFANA_PASSWORD"]
    assert "uid: conn-etl" in text

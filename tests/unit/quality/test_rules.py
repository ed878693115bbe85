"""The suites as data: complete, with reasons, in step with fields.py, and none of their rules lost on the way."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from etl import fields
from etl.errors import EnvironmentProblem
from etl.quality import rules
from etl.resources import resource_dir
from etl.settings import Settings

SUITES = {path.stem: json.loads(path.read_text()) for path in resource_dir("expectations").glob("*.json")}
GX_TYPES = {
    "timestamptz": "TIMESTAMP WITH TIME ZONE",
    "inet": "INET",
    "bigint": "BIGINT",
    "integer": "INTEGER",
    "double precision": "DOUBLE PRECISION",
    "boolean": "BOOLEAN",
    "text": "TEXT",
}


def kwargs(suite: str, kind: str) -> list[dict[str, Any]]:
    return [e["kwargs"] for e in SUITES[suite]["expectations"] if e["type"] == kind]


def test_the_suites_of_both_stages_are_there() -> None:
    stages = {name: suite["meta"]["stage"] for name, suite in SUITES.items()}
    assert stages == {
        "conn_types": "gate",
        "conn_enums": "gate",
        "conn_domain": "gate",
        "conn_consistency": "after",
        "conn_batch": "after",
    }
    assert all(name == suite["name"] for name, suite in SUITES.items())


def test_conn_types_says_what_fields_says() -> None:
    assert kwargs("conn_types", "expect_table_columns_to_match_ordered_list") == [
        {"column_list": list(fields.COPY_COLUMNS)}
    ]
    assert kwargs("conn_types", "expect_column_values_to_be_of_type") == [
        {"column": field.standard, "type_": GX_TYPES[field.pg_type]} for field in fields.FIELDS
    ]
    assert kwargs("conn_types", "expect_column_values_to_not_be_null") == [
        {"column": field.standard} for field in fields.REQUIRED
    ]


def test_conn_enums_says_what_fields_says() -> None:
    assert kwargs("conn_enums", "expect_column_values_to_be_in_set") == [
        {"column": "network_connection_state", "value_set": list(fields.CONN_STATE_CODES)},
        {"column": "network_protocol", "value_set": list(fields.PROTOCOLS)},
    ]
    (history,) = kwargs("conn_enums", "expect_column_values_to_match_regex")
    letters = history["regex"].removeprefix("^[").removesuffix("]*$")
    assert sorted(letters) == sorted(fields.HISTORY_LETTERS)


def test_the_domain_suite_covers_every_port_vlan_counter_and_duration() -> None:
    named = {e["kwargs"]["column"] for e in SUITES["conn_domain"]["expectations"]}
    numeric = {field.standard for field in fields.FIELDS if field.standard_type in {"integer", "float"}}
    assert named >= numeric


@pytest.mark.parametrize("name", SUITES)
def test_each_rule_has_a_name_a_reason_a_severity_and_a_source(name: str) -> None:
    for expectation in SUITES[name]["expectations"]:
        meta = expectation["meta"]
        assert expectation["severity"] in {"critical", "warning"}
        assert all(len(meta[key]) > 5 for key in ("rule", "why", "source"))


def test_after_publish_nothing_is_critical() -> None:
    assert {rule.severity for rule in rules.rules("after")} == {"warning"}


def test_every_rule_of_the_files_is_loaded_under_its_own_name() -> None:
    loaded = [rule.name for stage in rules.STAGES for rule in rules.rules(stage)]
    assert len(loaded) == len(set(loaded)) == sum(len(suite["expectations"]) for suite in SUITES.values())


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Suites of a test's own."""
    monkeypatch.setattr(rules, "resource_dir", lambda _name: tmp_path)
    rules.all_rules.cache_clear()
    yield tmp_path
    rules.all_rules.cache_clear()


@pytest.mark.parametrize(
    "broken",
    [
        "{",
        "{}",
        '{"name": "x", "meta": {"log": "conn", "stage": "later"}, "expectations": []}',
        '{"name": "x", "meta": {"log": "conn", "stage": "gate"}, "expectations": [{"type": "a", "kwargs": {}}]}',
    ],
)
def test_a_broken_suite_is_an_error_that_names_the_file(folder: Path, broken: str) -> None:
    (folder / "mine.json").write_text(broken)
    with pytest.raises(EnvironmentProblem, match=r"mine\.json"):
        rules.rules("gate")


def test_two_rules_of_one_name_are_an_error(folder: Path) -> None:
    rule = {
        "type": "a",
        "kwargs": {},
        "severity": "critical",
        "meta": {"rule": "r", "why": "w", "source": "s"},
    }
    suite = {"name": "x", "meta": {"log": "conn", "stage": "gate"}, "expectations": [rule, rule]}
    (folder / "mine.json").write_text(json.dumps(suite))
    with pytest.raises(EnvironmentProblem, match=r"same meta\.rule"):
        rules.rules("gate")


def test_settings_give_a_rule_another_severity() -> None:
    policy = Settings(rule_severity={"enum.network_protocol": "warning", "domain.src_mac": "critical"})
    chosen = {r.name: r for r in rules.under_policy(rules.rules("gate"), policy.rule_severity)}
    assert chosen["enum.network_protocol"].severity == "warning"
    assert chosen["domain.src_mac"].definition["severity"] == "critical"
    assert chosen["enum.network_connection_state"].severity == "critical"


@pytest.mark.parametrize(
    "name", ["enum.network_protokol", "required.event_uid", "type.src_port", "row.shape"]
)
def test_a_misspelt_rule_or_one_that_the_table_needs_is_refused(name: str) -> None:
    with pytest.raises(EnvironmentProblem, match=name):
        rules.under_policy(rules.rules("gate"), {name: "warning"})


def test_reasons_are_known_for_every_rule_that_can_be_in_quarantine() -> None:
    known = rules.reasons()
    assert {rule.name for rule in rules.rules("gate")} <= set(known)
    assert {"time_out_of_range", "identity_conflict"} <= set(known)

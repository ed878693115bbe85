"""Each rule of the gate, in the database: it passes a good row and finds the bad one by its line."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from etl import pipeline
from etl.database import engine
from etl.database.store import Store
from etl.errors import EnvironmentProblem, PermanentError
from etl.fields import REQUIRED, STANDARD_NAMES
from etl.loading.batch import Batch
from etl.quality import gate, gx, rules
from etl.quality.results import EXAMPLES, RuleResult

GOOD = {
    "@timestamp": "2026-03-01 08:00:00+00",
    "network_protocol": "tcp",
    "src_ip_addr": "10.0.0.1",
    "src_port": 0,
    "dst_ip_addr": "2001:db8::1",
    "dst_port": 65_535,
    "network_outer_vlan_id": 4_095,
    "network_inner_vlan_id": 0,
    "zeek_connection_tunnel_parents": '["CHhAvVGS1DHFjwGM9","C2"]',
    "event_uid": "CUWkUyAuUGXfarKYf",
    "src_bytes": 0,
    "src_ip_bytes": 2**63 - 1,
    "src_mac": "00:0c:29:C1:2d:24",
    "src_packets": 1,
    "event_duration": 0.0,
    "network_connection_history": "^ShADadGgXx",
    "network_connection_state": "SF",
    "network_missed_bytes": 0,
    "dst_bytes": 1,
    "dst_ip_bytes": 1,
    "dst_mac": "ff:ff:ff:ff:ff:ff",
    "dst_packets": 0,
}
ALSO_GOOD: list[dict[str, Any]] = [
    {name: None for name in STANDARD_NAMES if name not in {field.standard for field in REQUIRED}},
    {"zeek_connection_tunnel_parents": "[]", "network_connection_history": ""},
    {"network_protocol": "unknown_transport", "network_connection_state": "RSTOS0"},
    {"@timestamp": "1990-01-01 00:00:00+00"},
]
BAD: dict[str, list[dict[str, Any]]] = {
    **{f"required.{field.standard}": [{field.standard: None}] for field in REQUIRED},
    "enum.network_connection_state": [
        {"network_connection_state": "REG"},
        {"network_connection_state": "sf"},
    ],
    "enum.network_protocol": [{"network_protocol": "TCP"}, {"network_protocol": "sctp"}],
    "enum.network_connection_history": [
        {"network_connection_history": "ShZ"},
        {"network_connection_history": "Sh\nA"},
    ],
    **{f"domain.{name}": [{name: -1}, {name: 65_536}] for name in ("src_port", "dst_port")},
    **{
        f"domain.{name}": [{name: -1}, {name: 4_096}]
        for name in ("network_outer_vlan_id", "network_inner_vlan_id")
    },
    **{
        f"domain.{name}": [{name: -1}]
        for name in ("src_bytes", "dst_bytes", "src_ip_bytes", "dst_ip_bytes", "src_packets", "dst_packets")
    },
    "domain.network_missed_bytes": [{"network_missed_bytes": -(2**63)}],
    "domain.event_duration": [{"event_duration": -0.000001}],
    **{
        f"domain.{name}": [
            {name: ""},
            {name: "00:0c:29:c1:2d"},
            {name: "00:0c:29:c1:2d:2g"},
            {name: "000c29c12d24"},
        ]
        for name in ("src_mac", "dst_mac")
    },
    "domain.zeek_connection_tunnel_parents": [
        {"zeek_connection_tunnel_parents": value}
        for value in ("", "C1", '["C1"', '["C1" "C2"]', '{"a":1}', "[1]")
    ],
    "time_out_of_range": [
        {"@timestamp": "1989-12-31 23:59:59.999999+00"},
        {"@timestamp": "2500-01-01 00:00:00+00"},
    ],
}
UNREADABLE = ["row.shape", *(f"type.{name}" for name in STANDARD_NAMES)]


def stage(connection: Connection, rows: list[dict[str, Any]], rejects: list[str] | None = None) -> None:
    """Put rows on lines 1…n of file 1 of batch 1, rejects behind them."""
    Batch(batch_id=1, connection=connection).create_tables()
    register = "INSERT INTO etl.file (path, size, mtime) SELECT '/x', 1, now() WHERE NOT EXISTS (SELECT FROM etl.file)"
    connection.exec_driver_sql(register)
    for line, row in enumerate(rows, 1):
        values = {**GOOD, **row, "etl_file_id": 1, "etl_line": line}
        names = ", ".join(f'"{name}"' for name in values)
        marks = ", ".join(f":{name.replace('@', 'at')}" for name in values)
        connection.execute(
            sa.text(f"INSERT INTO etl.stage_1 ({names}) VALUES ({marks})"),
            {name.replace("@", "at"): value for name, value in values.items()},
        )
    for line, rule in enumerate(rejects or [], len(rows) + 1):
        connection.execute(
            sa.text(
                "INSERT INTO etl.stage_1_reject (etl_file_id, etl_line, raw, raw_cut, reason, rule)"
                " VALUES (1, :line, :raw, false, 'because', :rule)"
            ),
            {"line": line, "raw": b"<script>\xff", "rule": rule},
        )


def judge(store: Store, rows: int) -> tuple[dict[str, RuleResult], dict[str, list[int]]]:
    """Outcomes by rule, and lines of staged_bad by rule."""
    with store.loading() as connection, connection.begin():
        Batch(batch_id=1, connection=connection).bind()
        url = engine.url_as(connection, store.url, store.settings, "test")
        found = gate.gate(connection, url, "etl.stage_1", {1: rows}, pipeline.policy_of(store.settings))
        bad: dict[str, list[int]] = {}
        for rule, line in connection.exec_driver_sql(
            "SELECT rule, etl_line FROM etl.stage_1_bad ORDER BY 1, 2"
        ):
            bad.setdefault(rule, []).append(line)
    return {outcome.rule: outcome for outcome in found}, bad


def test_every_rule_of_the_gate_has_a_bad_row_here() -> None:
    assert {*BAD, *UNREADABLE} == {*(rule.name for rule in rules.rules("gate")), "time_out_of_range"}


def test_good_rows_pass_every_rule(store: Store) -> None:
    rows: list[dict[str, Any]] = [{}, *ALSO_GOOD]
    with store.loading() as connection, connection.begin():
        stage(connection, rows)
    outcomes, bad = judge(store, len(rows))
    assert bad == {}
    assert {name: outcome.failed for name, outcome in outcomes.items() if outcome.failed} == {}
    assert set(outcomes) >= {*BAD, *UNREADABLE}


def test_each_bad_row_is_found_by_its_rule_alone_with_its_line(store: Store) -> None:
    rows: list[dict[str, Any]] = [{}]
    expected: dict[str, list[int]] = {}
    for rule, broken in BAD.items():
        for row in broken:
            rows.append(row)
            expected.setdefault(rule, []).append(len(rows))
    with store.loading() as connection, connection.begin():
        stage(connection, rows, UNREADABLE)
    outcomes, bad = judge(store, len(rows) + len(UNREADABLE))
    warned = {r.name for r in rules.rules("gate") if r.severity == "warning"}
    assert bad == {rule: lines for rule, lines in expected.items() if rule not in warned}
    failed = {name: outcome.failed for name, outcome in outcomes.items() if outcome.failed}
    assert failed == {
        **{rule: len(lines) for rule, lines in expected.items()},
        **dict.fromkeys(UNREADABLE, 1),
    }
    for rule, lines in expected.items():
        assert [e["line"] for e in outcomes[rule].examples] == lines[:EXAMPLES]
    assert outcomes["enum.network_connection_state"].examples[0]["value"] == "REG"
    assert outcomes["type.src_port"].examples[0]["raw"] == "<script>\\377"


def test_a_warning_made_critical_sends_the_row_to_quarantine(store: Store) -> None:
    policy = store.settings.model_copy(update={"rule_severity": {"domain.src_mac": "critical"}})
    strict = Store(url=store.url, engine=store.engine, settings=policy)
    with store.loading() as connection, connection.begin():
        stage(connection, [{}, {"src_mac": "x"}])
    assert judge(strict, 2)[1] == {"domain.src_mac": [2]}


def test_a_column_of_another_type_stops_the_gate(store: Store) -> None:
    with store.loading() as connection, connection.begin():
        stage(connection, [{}])
        connection.exec_driver_sql("ALTER TABLE etl.stage_1 ALTER event_duration TYPE real")
    with pytest.raises(PermanentError, match=r"type\.event_duration"):
        judge(store, 1)


def test_a_suite_that_loads_fewer_rules_than_its_file_fails(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    import great_expectations as gx  # noqa: TID251  to make it lose a rule

    class Forgetful(gx.ExpectationSuite):
        def __init__(self, **kwargs: Any) -> None:
            super().__init__(**{**kwargs, "expectations": kwargs["expectations"][:-1]})

    with store.loading() as connection, connection.begin():
        stage(connection, [{}])
    monkeypatch.setattr(gx, "ExpectationSuite", Forgetful)
    with pytest.raises(EnvironmentProblem, match=r"took \d+ of \d+ rules"):
        judge(store, 1)


def test_the_gate_of_all_suites_sends_few_statements(store: Store) -> None:
    sent: list[str] = []
    with store.loading() as connection, connection.begin():
        stage(connection, [{}])
        address = engine.url_as(connection, store.url, store.settings, "test")

    def note(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        sent.append(statement)

    sa.event.listen(sa.engine.Engine, "before_cursor_execute", note)
    try:
        gx.find(address, rules.rules("gate"), table="etl.stage_1")
    finally:
        sa.event.remove(sa.engine.Engine, "before_cursor_execute", note)
    assert len([statement for statement in sent if "etl.stage_1" in statement]) <= 5
    assert len([statement for statement in sent if "FILTER (WHERE" in statement]) == 1

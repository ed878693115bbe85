"""The gate's statements in their cheap form say what those say that Great Expectations writes itself."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from etl import pipeline
from etl.database import engine
from etl.database.store import Store
from etl.quality import day_checks, gate_sql, gx
from etl.quality.rules import Rule, rules
from tests.integration.quality.test_gate_rules import ALSO_GOOD, BAD, stage
from tests.logs import flow, flows, tsv, write

TABLES: dict[str, list[dict[str, Any]]] = {
    "no row": [],
    "good rows": [{}, *ALSO_GOOD],
    "a bad row of each rule": [{}, *(row for rows in BAD.values() for row in rows)],
    "the limits of whole numbers": [
        {"src_bytes": 2**63 - 1, "dst_bytes": -(2**63)},
        {"event_duration": 1e300},
        {"event_duration": -5e-324},
        {"event_duration": -0.0},
    ],
}
Answer = tuple[list[str], dict[str, list[tuple[Any, ...]]]]
"""Texts of the statements that count for all rules at once, and the rows that each failing rule finds."""


@contextmanager
def own_sql(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let Great Expectations write its statements itself."""
    with monkeypatch.context() as patch:
        patch.setattr(gate_sql, "write_cheaply", lambda _: None)
        gx._datasource.cache_clear()
        yield
    gx._datasource.cache_clear()


def asked(store: Store, wanted: tuple[Rule, ...], name: str) -> Answer:
    """What is found in the staging table of batch 1, by sessions of this name."""
    sent: list[str] = []

    def note(_c: Connection, cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        if "sum(CASE" in statement or "FILTER (WHERE" in statement:
            sent.append(cursor.mogrify(statement, parameters).decode())

    sa.event.listen(Engine, "before_cursor_execute", note)
    try:
        with store.loading() as connection:
            address = engine.url_as(connection, store.url, store.settings, name)
            failing = gx.find(address, wanted, table="etl.stage_1")
    finally:
        sa.event.remove(Engine, "before_cursor_execute", note)
    with store.loading() as connection:
        connection.exec_driver_sql("SET search_path = etl")
        plain = {"no_parameters": True}
        rows = {
            rule.name: sorted(map(tuple, connection.exec_driver_sql(query, execution_options=plain)))
            for rule, query in failing
        }
    return sent, rows


@pytest.mark.parametrize("table", TABLES)
def test_counts_and_rows_are_those_of_great_expectations(
    store: Store, monkeypatch: pytest.MonkeyPatch, table: str
) -> None:
    with store.loading() as connection, connection.begin():
        stage(connection, TABLES[table])
    with own_sql(monkeypatch):
        (dear,), expected = asked(store, rules("gate"), "theirs")
    (cheap,), found = asked(store, rules("gate"), "ours")
    assert found == expected
    assert "FILTER" not in dear
    assert "sum(CASE" in dear
    assert "sum(CASE" not in cheap
    assert cheap.count("FILTER (WHERE") == dear.count("sum(CASE") > 30
    assert ".0" not in cheap
    with store.loading() as connection:
        connection.exec_driver_sql("SET search_path = etl")
        theirs, ours = (
            connection.exec_driver_sql(text, execution_options={"no_parameters": True}).one()
            for text in (dear, cheap)
        )
    # each time in another order; the sum of no row is NULL
    assert sorted(ours) == sorted(count or 0 for count in theirs)


def test_the_checks_of_a_day_find_the_same(
    store: Store, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    odd = [
        flow(40, duration="0.0"),
        flow(41, proto="udp", conn_state="REJ"),
        flow(42, orig_bytes=10**6, resp_pkts=0),
    ]
    write(tmp_path / "conn.log", tsv([*flows(40), *odd]))
    pipeline.ingest(store, [str(tmp_path)])

    def checked() -> dict[str, tuple[int, int]]:
        results = day_checks.check_day(store, date(2026, 3, 1))
        return {result.rule: (result.rows, result.failed) for result in results}

    with own_sql(monkeypatch):
        expected = checked()
    assert checked() == expected
    assert sum(failed for _, failed in expected.values()) > 0


def test_only_sums_of_ones_become_counts() -> None:
    x, made = sa.column("x"), sa.create_engine("postgresql+psycopg2://", **gate_sql.ENGINE_OPTIONS)
    gate_sql.write_cheaply(made)
    written = {
        "sum(x)": sa.func.sum(x),
        "count(*) FILTER (WHERE (x > 1))": sa.func.sum(sa.case((x > 1, 1), else_=0)),
        "sum(CASE WHEN (x > 1) THEN 1 ELSE 2 END)": sa.func.sum(sa.case((x > 1, 1), else_=2)),
        "sum(CASE WHEN (x > 1) THEN 2 ELSE 0 END)": sa.func.sum(sa.case((x > 1, 2), else_=0)),
        "sum(CASE WHEN (x > 1) THEN 1 END)": sa.func.sum(sa.case((x > 1, 1))),
        "sum(CASE WHEN (x > 1) THEN 1 WHEN (x < 0) THEN 1 ELSE 0 END)": sa.func.sum(
            sa.case((x > 1, 1), (x < 0, 1), else_=0)
        ),
        "sum(CASE x WHEN 3 THEN 1 ELSE 0 END)": sa.func.sum(sa.case({3: 1}, value=x, else_=0)),
        "x > 0.5": x > 0.5,
        "x > 9007199254740992": x > 2.0**53,
        "x > 1e+300": x > 1e300,
    }
    for text, element in written.items():
        assert str(element.compile(made, compile_kwargs={"literal_binds": True})) == text

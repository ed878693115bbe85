"""The views show every row under its other names, with what it refers to, and open only the days asked for."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa

from etl import fields, pipeline
from etl.database.store import Store
from etl.query import ask
from tests.integration.conftest import Ask
from tests.logs import flow, flows, json_lines, tsv, write

OSSEM = Path(__file__).parents[2] / "data" / "ossem_names.tsv"
ALSO = ("etl_file_id", "etl_line", "extra")


@pytest.fixture
def rows(store: Store, tmp_path: Path) -> list[str]:
    """Five rows with oddities; their uids in order."""
    made = [
        flow(1, history="^hADd", service="ssl,http", tunnel_parents=["CA", "CB"]),
        flow(2, history=None, service="ssl,-ssl", tunnel_parents=[]),
        flow(3, history="S", service=None, conn_state=None),
        flow(4, history="", service=""),
        flow(5, service="dns"),
    ]
    pipeline.ingest(store, [str(write(tmp_path / "conn.log", json_lines(made)))])
    return [str(row["uid"]) for row in made]


@pytest.mark.parametrize("view", ["zeek.conn_zeek", "zeek.conn_ossem"])
def test_a_view_of_other_names_has_every_row_and_value(ask: Ask, rows: list[str], view: str) -> None:
    assert len(rows) == 5
    assert sorted(ask(f"SELECT * FROM {view}"), key=repr) == sorted(ask("SELECT * FROM zeek.conn"), key=repr)


def columns(ask: Ask, view: str) -> list[str]:
    return [
        name
        for (name,) in ask(
            "SELECT attname FROM pg_attribute WHERE attrelid = CAST(:view AS regclass) AND attnum > 0 ORDER BY attnum",
            view=view,
        )
    ]


def test_the_names_are_zeeks(ask: Ask) -> None:
    assert columns(ask, "zeek.conn_zeek") == [*(field.zeek for field in fields.FIELDS), *ALSO]


def test_the_names_are_those_of_the_current_ossem_dictionary(ask: Ask) -> None:
    lines = [line.split("\t") for line in OSSEM.read_text(encoding="utf-8").splitlines()[1:]]
    names = {standard: ossem for _, standard, _, ossem in lines}
    wanted = [*(names[name] for name in fields.STANDARD_NAMES), "EtlFileId", "EtlLine", "Extra"]
    assert columns(ask, "zeek.conn_ossem") == wanted


def test_details_say_what_state_and_history_mean_and_where_a_row_is_from(ask: Ask, rows: list[str]) -> None:
    ask("UPDATE zeek.conn SET network_connection_history = 'Sz' WHERE event_uid = :uid", uid=rows[2])
    found = ask(
        "SELECT event_uid, state_meaning, history_meanings, tunnel_parents, sensor, path LIKE '%conn.log'"
        " FROM zeek.conn_detail ORDER BY event_uid"
    )
    established = next(state.meaning for state in fields.CONN_STATES if state.code == "SF")
    meaning = {flag.letter: flag.meaning for flag in fields.HISTORY_FLAGS}
    swapped = [
        meaning["^"],
        f"responder: {meaning['h']}",
        f"originator: {meaning['a']}",
        f"originator: {meaning['d']}",
        f"responder: {meaning['d']}",
    ]
    assert [row[0] for row in found] == rows
    assert found[0][1:] == (established, swapped, ["CA", "CB"], "", True)
    assert found[1][1:4] == (established, None, [])
    assert found[2][1:4] == (None, [f"originator: {meaning['s']}", "unknown letter z"], None)
    assert found[3][2] == []


def test_services_are_one_row_each(ask: Ask, rows: list[str]) -> None:
    found = ask(
        "SELECT event_uid, service, given_up, service_position FROM zeek.conn_service"
        " ORDER BY event_uid, service_position"
    )
    assert found == [
        (rows[0], "ssl", False, 1),
        (rows[0], "http", False, 2),
        (rows[1], "ssl", False, 1),
        (rows[1], "ssl", True, 2),
        (rows[4], "dns", False, 1),
    ]


@pytest.mark.parametrize(
    ("view", "time"),
    [
        ("conn_zeek", "ts"),
        ("conn_ossem", '"@timestamp"'),
        ("conn_detail", '"@timestamp"'),
        ("conn_service", '"@timestamp"'),
    ],
)
def test_a_view_opens_only_the_days_asked_for(store: Store, tmp_path: Path, view: str, time: str) -> None:
    spread = [flow(n, ts=f"{1_772_352_000 + 86_400 * n}.0") for n in range(6)]
    pipeline.ingest(store, [str(write(tmp_path / "days.log", tsv([*spread, *flows(3, 10)])))])
    bounds = f"{time} >= '2026-03-03 00:00+00' AND {time} < '2026-03-04 00:00+00'"
    with store.session() as connection:
        (plan,) = connection.execute(
            sa.text(f"EXPLAIN (FORMAT JSON) SELECT * FROM zeek.{view} WHERE {bounds}")
        ).scalar_one()
    assert set(ask.leaves(plan["Plan"])) == {("conn_20260303", True)}

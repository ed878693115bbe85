"""Each question of the cookbook: its exact answer on the samples and a story, as ``tests.answers`` computes it.

And that it opens only the days that it asks for, and that nothing is read without a bound.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from etl import fields, pipeline
from etl.cli import console, tables
from etl.database import embedded
from etl.database.store import Store
from etl.history import maintenance
from etl.monitoring import verify
from etl.query import ask, cookbook, formats
from etl.settings import Settings
from tests import answers, history
from tests.history import SINCE, UNTIL, Row

DAY = (SINCE, UNTIL)
HOST = "10.9.0.1"
LAST_BYTES = 500


@pytest.fixture(scope="module")
def loaded(
    server_url: str, server_home: Path, template_database: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Store, list[Row]]]:
    """Samples and story, loaded, sealed and rolled up, with forty empty days around; and the rows of the logs."""
    folder = tmp_path_factory.mktemp("story")
    admin = sa.create_engine(
        server_url.replace("postgresql:", "postgresql+psycopg2:"), isolation_level="AUTOCOMMIT"
    )
    with admin.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE cookbook TEMPLATE {template_database}")
    store = Store.open(embedded.url(server_home, "cookbook"), Settings(attempts=1))
    logs = history.story(folder)
    pipeline.ingest(store, [str(history.FOLDER), *map(str, logs)])
    with store.engine.begin() as connection:
        connection.exec_driver_sql(
            "UPDATE etl.file SET sensor = substring(path FROM '(north|south|older)/conn') "
            "WHERE path ~ '(north|south|older)/conn'"
        )
        for day in range(40):
            connection.exec_driver_sql(f"SELECT etl.ensure_partition(DATE '2026-03-02' + {day})")
    maintenance.refresh(store)
    maintenance.seal(store)
    yield store, history.all_rows(folder)
    with admin.connect() as connection:
        connection.exec_driver_sql("DROP DATABASE cookbook WITH (FORCE)")


def answer(store: Store, name: str, since: datetime, until: datetime, **given: str) -> list[tuple[Any, ...]]:
    question = cookbook.load(name)
    with store.session() as connection, ask.reading(connection, timedelta(minutes=1)):
        found = ask.ask(connection, question.sql, question.values(given, since, until))
        return [tuple(formats.plain(value) for value in row) for row in found.rows]


def span(rows: Iterable[Row], since: datetime = SINCE, until: datetime = UNTIL) -> list[answers.Row]:
    return [answers.of_log(row) for row in rows if since <= row["ts"] < until]


def same_flow_at_two_sensors(rows: list[Row]) -> list[tuple[Any, ...]]:
    def pair(by: str, one: str, other: str) -> tuple[Any, ...]:
        a, b = (next(row for row in rows if row["uid"] == uid) for uid in (one, other))
        tuple_ = a["proto"], str(a["id.orig_h"]), a["id.orig_p"], str(a["id.resp_h"]), a["id.resp_p"]
        mine = a["sensor"], a["uid"], a["orig_bytes"], a["resp_bytes"]
        return (
            by,
            a["ts"].isoformat(),
            *tuple_,
            *mine,
            b["sensor"],
            b["uid"],
            b["orig_bytes"],
            b["resp_bytes"],
        )

    # 14002: other community ids; 14003: no id, ten seconds apart
    return [
        pair("community_id", "C00000000000014000", "CSouth0"),
        pair("five_tuple", "C00000000000014001", "CSouth1"),
    ]


def week_on_week(rows: list[Row]) -> list[answers.Line]:
    week = timedelta(days=7)
    return answers.week_on_week(span(rows), span(rows, SINCE - week, UNTIL - week))


def new_destinations(rows: list[Row]) -> list[answers.Line]:
    return answers.new_destinations(span(rows), span(rows, SINCE - timedelta(days=30), SINCE), ALL)


def state_mix(rows: list[Row]) -> list[answers.Line]:
    return answers.state_mix(span(rows), {state.code: state.meaning for state in fields.CONN_STATES})


def of_day(
    oracle: Callable[..., list[answers.Line]], *given: Any
) -> Callable[[list[Row]], list[answers.Line]]:
    """An answer that the day's rows and these parameters decide."""
    return lambda rows: oracle(span(rows), *given)


ALL = 100_000
MOST = {"most": str(ALL)}
QUESTIONS: dict[str, tuple[Callable[[list[Row]], list[answers.Line]], dict[str, str]]] = {
    "host_timeline": (of_day(answers.host_timeline, HOST, 1_000), {"host": HOST}),
    "top_talkers": (of_day(answers.top_talkers, ALL), MOST),
    "top_addresses": (of_day(answers.top_addresses, 10), {}),
    "bytes_by_hour_and_service": (of_day(answers.bytes_by_hour_and_service), {}),
    "longest_connections": (of_day(answers.longest_connections, 20), {}),
    "failed_connections": (of_day(answers.failed_connections, ALL), MOST),
    "scan_candidates": (of_day(answers.scan_candidates, 25), {}),
    "beacon_candidates": (of_day(answers.beacon_candidates, 20, 0.8), {}),
    "large_uploads": (of_day(answers.large_uploads, 100_000_000, 100), {}),
    "new_destinations": (new_destinations, MOST),
    "service_on_unusual_port": (of_day(answers.service_on_unusual_port, 0.02, 50), {}),
    "packet_loss": (of_day(answers.packet_loss), {}),
    "state_mix": (state_mix, {}),
    "subnet_matrix": (of_day(answers.subnet_matrix, ALL, 20), {"v4": "20", **MOST}),
    "tunnel_children": (of_day(answers.tunnel_children), {}),
    "same_flow_at_two_sensors": (same_flow_at_two_sensors, {}),
    "week_on_week": (week_on_week, {}),
    "long_pairs": (of_day(answers.long_pairs, ALL), MOST),
    "rare_destinations": (of_day(answers.rare_destinations, ALL), MOST),
    "ports_per_pair": (of_day(answers.ports_per_pair, 2, ALL), {"ports": "2", **MOST}),
    "host_seen": (of_day(answers.host_seen, "10.9.0.0/30"), {"host": "10.9.0.0/30"}),
}


def same(found: Any, wanted: Any) -> bool:
    """Equal, floats to the last digit but one: SQL rounds numeric, Python binary."""
    if isinstance(found, float) or isinstance(wanted, float):
        return found is not None and wanted is not None and found == pytest.approx(wanted, rel=1e-9, abs=2e-6)
    return bool(found == wanted)


@pytest.mark.parametrize("name", QUESTIONS)
def test_a_question_gives_the_exact_answer(loaded: tuple[Store, list[Row]], name: str) -> None:
    store, rows = loaded
    oracle, given = QUESTIONS[name]
    found, wanted = (sorted(lines, key=repr) for lines in (answer(store, name, *DAY, **given), oracle(rows)))
    assert wanted, "the samples have nothing to show"
    assert len(found) == len(wanted)
    wrong = [(f, w) for f, w in zip(found, wanted, strict=True) if not all(map(same, f, w))]
    assert wrong == []


def test_every_question_is_tested() -> None:
    assert sorted([*QUESTIONS, "uid_pivot"]) == cookbook.names()


@pytest.mark.parametrize(
    ("name", "column"),
    [("top_talkers", None), ("longest_connections", 1), ("failed_connections", 4), ("large_uploads", 6)],
)
def test_the_largest_come_first_and_most_limits_them(
    loaded: tuple[Store, list[Row]], name: str, column: int | None
) -> None:
    store, _ = loaded
    size = lambda row: (row[3] or 0) + (row[4] or 0) if column is None else row[column]  # noqa: E731
    some, everything = answer(store, name, *DAY, most="2"), answer(store, name, *DAY, most="100000")
    assert some == everything[:2]
    assert [size(row) for row in everything] == sorted((size(row) for row in everything), reverse=True)


def test_a_uid_alone_finds_its_row_with_file_and_sensor(loaded: tuple[Store, list[Row]]) -> None:
    store, rows = loaded
    question = cookbook.load("uid_pivot")
    with store.session() as connection, ask.reading(connection, timedelta(minutes=1)):
        span = ask.span(connection, question, None, None, everything=False)
        assert span is not None
        assert span.since == min(row["ts"] for row in rows)
        assert span.until == max(row["ts"] for row in rows) + timedelta(microseconds=1)
        values = question.values({"uid": "CSouth0"}, span.since, span.until)
        (found,) = formats.as_object(ask.ask(connection, question.sql, values), {})["rows"]
    assert (found["event_uid"], found["sensor"], found["src_bytes"]) == ("CSouth0", "south", 1)
    assert found["path"].endswith("south/conn.log.gz")


@pytest.mark.parametrize("width", [80, 200, None])
def test_no_value_of_any_answer_is_cut(
    loaded: tuple[Store, list[Row]],
    width: int | None,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    store, _ = loaded
    if width is not None:
        monkeypatch.setattr(console.out, "_force_terminal", True)
        monkeypatch.setattr(console.out, "width", width)
    for name in cookbook.names():
        given = QUESTIONS[name][1] if name in QUESTIONS else {"uid": "CSouth0"}
        question = cookbook.load(name)
        with store.session() as connection, ask.reading(connection, timedelta(minutes=1)):
            found = ask.ask(connection, question.sql, question.values(given, *DAY))
            lines = list(itertools.islice(found.rows, 20))
        assert lines, name
        tables.table("Answer", found.columns, lines)
        printed = capsys.readouterr().out
        assert "…" not in printed, name
        for line in lines:
            cells = (tables.shown(value, column) for value, column in zip(line, found.columns, strict=True))
            assert all(cell in printed for cell in cells), name


# --- which days a question opens -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", cookbook.names())
def test_a_question_opens_only_the_days_that_it_asks_for(loaded: tuple[Store, list[Row]], name: str) -> None:
    store, _ = loaded
    question = cookbook.load(name)
    given = QUESTIONS.get(name, (None, {"uid": "CSouth0"}))[1]
    since, until = datetime(2026, 3, 1, 6, tzinfo=UTC), datetime(2026, 3, 1, 18, tzinfo=UTC)
    values = question.values(given, since, until)
    with store.session() as connection, ask.reading(connection, timedelta(minutes=1)):
        (plan,) = connection.execute(
            ask.bind(f"EXPLAIN (FORMAT JSON) {question.sql}", list(values)), values
        ).scalar_one()
    found = list(ask.leaves(plan["Plan"]))
    assert all(bounded for _, bounded in found)
    if question.bound == "rollup":
        compared = {f"conn_{value:%Y%m%d}" for value in values.values() if isinstance(value, datetime)}
        assert {leaf for leaf, _ in found} <= compared  # only where hours are due, or the span cuts them
        return
    assert found
    earliest = min(moment for moment in values.values() if isinstance(moment, datetime)).date()
    days = {(earliest + timedelta(days=n)) for n in range((date(2026, 3, 1) - earliest).days + 1)}
    assert {leaf for leaf, _ in found} <= {f"conn_{day:%Y%m%d}" for day in days}
    if name != "new_destinations":  # the only one that looks back
        assert {leaf for leaf, _ in found} == {"conn_20260301"}


BOUNDED = [
    """SELECT count(*) FROM zeek.conn WHERE "@timestamp" >= :since AND "@timestamp" < :until""",
    """SELECT count(*) FROM zeek.conn_zeek WHERE ts >= :since AND ts < :until""",
    """SELECT * FROM zeek.conn_ossem WHERE "@timestamp" >= :since AND "SrcIpAddr" <<= '10.0.0.0/8'""",
    """SELECT service, count(*) FROM zeek.conn_service WHERE "@timestamp" >= :since GROUP BY service""",
    """SELECT * FROM zeek.conn WHERE event_uid = 'CSouth0'""",
    """SELECT sum(connections) FROM zeek.conn_hour""",
    """SELECT '{"a":1}'::jsonb, '12:30:00'::time, path FROM etl.file WHERE path LIKE '%log'""",
]
UNBOUNDED = [
    "SELECT count(*) FROM zeek.conn",
    "SELECT * FROM zeek.conn WHERE src_ip_addr = '10.0.0.1'",
    """SELECT (SELECT count(*) FROM zeek.conn) FROM zeek.conn WHERE "@timestamp" >= :since AND "@timestamp" < :until""",
    """SELECT * FROM zeek.conn_detail ORDER BY "@timestamp" DESC LIMIT 1""",
]


@pytest.mark.parametrize("sql", [*BOUNDED, *UNBOUNDED])
def test_sql_without_a_bound_is_seen_before_it_runs(loaded: tuple[Store, list[Row]], sql: str) -> None:
    store, _ = loaded
    values = {name: value for name, value in (("since", SINCE), ("until", UNTIL)) if f":{name}" in sql}
    with store.session() as connection, ask.reading(connection, timedelta(minutes=1)):
        days = ask.unbounded(connection, sql, values)
        assert bool(days) is (sql in UNBOUNDED)
        if not days:
            list(ask.ask(connection, sql, values).rows)


def test_rollups_and_ledger_hold(loaded: tuple[Store, list[Row]]) -> None:
    store, rows = loaded
    with store.session() as connection:
        assert verify.faults(connection) == []
        assert connection.scalar(sa.text("SELECT count(*) FROM zeek.conn")) == len(rows)
        assert connection.scalar(sa.text("SELECT count(*) FROM etl.touched_hour")) == 0

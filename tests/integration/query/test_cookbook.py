"""Each question of the cookbook: its exact answer on the samples and a story, computed here from the logs by hand.

And that it opens only the days that it asks for, and that nothing is read without a bound. Long since every question
is answered a second time, by a function of its own in Python.
"""

from __future__ import annotations

import ipaddress
import itertools
import statistics
from collections import Counter, defaultdict
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
from tests import history
from tests.history import SINCE, UNTIL, Row

DAY = (SINCE, UNTIL)
FAILED = {"S0", "REJ", "RSTOS0", "RSTRH", "SH", "SHR"}
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


def between(rows: Iterable[Row], since: datetime = SINCE, until: datetime = UNTIL) -> list[Row]:
    return [row for row in rows if since <= row["ts"] < until]


def total(values: Iterable[int | None]) -> int | None:
    """As SQL's sum: NULL where every term is."""
    known = [value for value in values if value is not None]
    return sum(known) if known else None


def grouped(rows: Iterable[Row], key: Callable[[Row], Any]) -> dict[Any, list[Row]]:
    found: dict[Any, list[Row]] = defaultdict(list)
    for row in rows:
        found[key(row)].append(row)
    return found


def hour(row: Row) -> str:
    return str(row["ts"].replace(minute=0, second=0, microsecond=0).isoformat())


def both(rows: Iterable[Row]) -> int:
    return sum((row.get("orig_bytes") or 0) + (row.get("resp_bytes") or 0) for row in rows)


def wire(rows: Iterable[Row]) -> int:
    return sum((row.get("orig_ip_bytes") or 0) + (row.get("resp_ip_bytes") or 0) for row in rows)


def missed(rows: Iterable[Row]) -> int:
    return sum(row.get("missed_bytes") or 0 for row in rows)


def sums(rows: list[Row], *names: str) -> tuple[int | None, ...]:
    return tuple(total(row.get(name) for row in rows) for name in names)


# --- what each question should answer, from the rows of the logs ---------------------------------------------------


def host_timeline(rows: list[Row]) -> list[tuple[Any, ...]]:
    found = []
    for row in between(rows):
        for me, peer, way, sent, got in (
            ("id.orig_h", "id.resp_h", "out", "orig_bytes", "resp_bytes"),
            ("id.resp_h", "id.orig_h", "in", "resp_bytes", "orig_bytes"),
        ):
            if str(row[me]) == HOST and (way == "out" or row[me] != row[peer]):
                about = (row["proto"], row.get("service"), row.get("conn_state"), row.get("duration"))
                ends = (row["ts"].isoformat(), way, str(row[peer]), row["id.resp_p"])
                found.append((*ends, *about, row.get(sent), row.get(got), row["uid"]))
    return found


def top_talkers(rows: list[Row]) -> list[tuple[Any, ...]]:
    names = ("orig_ip_bytes", "resp_ip_bytes", "orig_bytes", "resp_bytes", "missed_bytes")
    return [
        (str(host), len(own), len({row["id.resp_h"] for row in own}), *sums(own, *names))
        for host, own in grouped(between(rows), lambda row: row["id.orig_h"]).items()
    ]


def top_addresses(rows: list[Row]) -> list[tuple[Any, ...]]:
    found = []
    for role, end in (("src", "id.orig_h"), ("dst", "id.resp_h")):
        own = grouped(between(rows), lambda row, end=end: row[end])
        order = lambda host: (host.version, int(host))  # noqa: E731
        by_bytes = sorted(own, key=lambda host: (-wire(own[host]), -both(own[host]), order(host)))
        by_count = sorted(own, key=lambda host: (-len(own[host]), order(host)))
        for host in own:
            ranks = by_bytes.index(host) + 1, by_count.index(host) + 1
            if min(ranks) <= 10:
                names = ("orig_ip_bytes", "resp_ip_bytes", "orig_bytes", "resp_bytes", "missed_bytes")
                counts = sums(own[host], *names)
                found.append(("2026-03-01", role, str(host), len(own[host]), *counts, *ranks))
    return found


def bytes_by_hour_and_service(rows: list[Row]) -> list[tuple[Any, ...]]:
    names = ("orig_ip_bytes", "resp_ip_bytes", "orig_bytes", "resp_bytes", "missed_bytes")
    return [
        (*key, len(own), *sums(own, *names))
        for key, own in grouped(between(rows), lambda row: (hour(row), row.get("service"))).items()
    ]


def longest_connections(rows: list[Row]) -> list[tuple[Any, ...]]:
    timed = [row for row in between(rows) if row.get("duration") is not None]
    return [
        (
            row["ts"].isoformat(), row["duration"], str(row["id.orig_h"]), str(row["id.resp_h"]), row["id.resp_p"],
            row["proto"], row.get("service"), row.get("conn_state"), row.get("orig_ip_bytes"),
            row.get("resp_ip_bytes"), row.get("orig_bytes"), row.get("resp_bytes"), row["uid"],
        )
        for row in sorted(timed, key=lambda row: (-row["duration"], row["ts"]))[:20]
    ]  # fmt: skip


def failed_connections(rows: list[Row]) -> list[tuple[Any, ...]]:
    ends = grouped(
        between(rows), lambda r: (str(r["id.orig_h"]), str(r["id.resp_h"]), r["id.resp_p"], r["proto"])
    )
    found = []
    for key, own in ends.items():
        if failed := sum(row.get("conn_state") in FAILED for row in own):
            found.append((*key, failed, len(own), round(failed / len(own), 3)))
    return found


def scan_candidates(rows: list[Row]) -> list[tuple[Any, ...]]:
    tried = [r for r in between(rows) if r.get("conn_state") in FAILED and r["proto"] in {"tcp", "udp"}]
    found = []
    for host, own in grouped(tried, lambda row: str(row["id.orig_h"])).items():
        targets = {(row["id.resp_h"], row["id.resp_p"]) for row in own}
        if len(targets) >= 25:
            times = [row["ts"].isoformat() for row in own]
            counts = len({address for address, _ in targets}), len({port for _, port in targets})
            found.append((host, len(own), len(targets), *counts, min(times), max(times)))
    return found


def beacon_candidates(rows: list[Row]) -> list[tuple[Any, ...]]:
    found = []
    ends = grouped(between(rows), quadruple)
    for key, own in ends.items():
        own.sort(key=lambda row: row["ts"])
        gaps = [(b["ts"] - a["ts"]).total_seconds() for a, b in itertools.pairwise(own)]
        sizes = [row["orig_ip_bytes"] for row in own if row.get("orig_ip_bytes") is not None]
        if len(own) >= 20 and statistics.median(gaps) > 0:
            time_score, size_score = regularity(gaps), regularity(sizes)
            score = 0.75 * time_score + 0.25 * size_score
            if score >= 0.8:
                scores = (round(score, 3), round(time_score, 3), round(size_score, 3))
                middle = (round(statistics.median(gaps), 3), statistics.median(sizes))
                ends_ = (own[0]["ts"].isoformat(), own[-1]["ts"].isoformat())
                found.append((*key, len(own), *scores, *middle, *ends_))
    return found


def quadruple(row: Row) -> tuple[str, str, int, str]:
    return str(row["id.orig_h"]), str(row["id.resp_h"]), row["id.resp_p"], row["proto"]


def regularity(values: list[float]) -> float:
    """The definition of the question's answer, by the library's quantiles."""
    low, middle, high = statistics.quantiles(values, n=4, method="inclusive")
    deviation = statistics.median(abs(value - middle) for value in values)
    symmetry = 1 - abs(low + high - 2 * middle) / (high - low) if high > low else 1
    return (symmetry + (max(0, 1 - deviation / middle) if middle else float(not deviation))) / 2


def large_uploads(rows: list[Row]) -> list[tuple[Any, ...]]:
    found = []
    for row in between(rows):
        for way, sender, receiver, sent, got, local in (
            ("pushed", "id.orig_h", "id.resp_h", "orig", "resp", "local_resp"),
            ("pulled", "id.resp_h", "id.orig_h", "resp", "orig", "local_orig"),
        ):
            outside = not row[local] if row.get(local) is not None else not row[receiver].is_private
            if (row.get(f"{sent}_ip_bytes") or 0) >= 100_000_000 and outside:
                sizes = row[f"{sent}_ip_bytes"], row[f"{got}_ip_bytes"]
                ratio = round(sizes[0] / sizes[1], 1) if sizes[1] else None
                ends = (row["ts"].isoformat(), way, str(row[sender]), str(row[receiver]), row["id.resp_p"])
                about = (row[f"{sent}_bytes"], row["missed_bytes"], ratio, row["duration"], row["uid"])
                found.append((*ends, row.get("service"), *sizes, *about))
    return found


def new_destinations(rows: list[Row]) -> list[tuple[Any, ...]]:
    known = {row["id.resp_h"] for row in between(rows, SINCE - timedelta(days=30), SINCE)}
    return [
        (
            str(host),
            min(r["ts"] for r in own).isoformat(),
            len(own),
            len({r["id.orig_h"] for r in own}),
            *sums(own, "orig_ip_bytes", "resp_ip_bytes", "orig_bytes"),
        )
        for host, own in grouped(between(rows), lambda row: row["id.resp_h"]).items()
        if host not in known
    ]


def service_on_unusual_port(rows: list[Row]) -> list[tuple[Any, ...]]:
    seen = [
        row | {"one": service}
        for row in between(rows)
        for service in (row.get("service") or "").split(",")
        if service and not service.startswith("-") and row["proto"] in {"tcp", "udp"}
    ]
    found = []
    in_all = Counter(row["one"] for row in seen)
    on_port = Counter((row["one"], row["id.resp_p"]) for row in seen)
    for (service, port, host), own in grouped(
        seen, lambda r: (r["one"], r["id.resp_p"], str(r["id.resp_h"]))
    ).items():
        part, whole = on_port[service, port], in_all[service]
        if whole >= 50 and part <= 0.02 * whole:
            about = (
                len(own),
                len({row["id.orig_h"] for row in own}),
                min(row["ts"] for row in own).isoformat(),
            )
            found.append((service, port, host, *about, part, whole, round(part / whole, 4)))
    return found


def packet_loss(rows: list[Row]) -> list[tuple[Any, ...]]:
    found = []
    for key, own in grouped(between(rows), lambda row: (hour(row), row["sensor"])).items():
        if lost := missed(own):
            found.append((*key, len(own), lost, both(own), wire(own), round(min(1, lost / both(own)), 6)))
    return found


def state_mix(rows: list[Row]) -> list[tuple[Any, ...]]:
    meanings = {state.code: state.meaning for state in fields.CONN_STATES}
    states = Counter(row.get("conn_state") for row in between(rows))
    return [
        ("2026-03-01", state, meanings.get(state or ""), count, round(count / states.total(), 4))
        for state, count in states.items()
    ]


def subnet_matrix(rows: list[Row]) -> list[tuple[Any, ...]]:
    def network(address: Any) -> str:
        return str(ipaddress.ip_network((address, 20 if address.version == 4 else 64), strict=False))

    pairs = grouped(between(rows), lambda row: (network(row["id.orig_h"]), network(row["id.resp_h"])))
    return [(*key, len(own), wire(own), both(own), missed(own)) for key, own in pairs.items()]


def tunnel_children(rows: list[Row]) -> list[tuple[Any, ...]]:
    return [
        (
            parent, row["ts"].isoformat(), row["uid"], str(row["id.orig_h"]), str(row["id.resp_h"]), row["id.resp_p"],
            row["proto"], row.get("service"), row.get("orig_bytes"), row.get("resp_bytes"),
        )
        for row in between(rows)
        for parent in row.get("tunnel_parents") or []
    ]  # fmt: skip


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


def week_on_week(rows: list[Row]) -> list[tuple[Any, ...]]:
    week = timedelta(days=7)
    now = grouped(between(rows), lambda row: row.get("service"))
    then = grouped(between(rows, SINCE - week, UNTIL - week), lambda row: row.get("service"))
    found = []
    for service in {**now, **then}:
        mine, old = now.get(service, []), then.get(service, [])
        change = round(wire(mine) / wire(old), 3) if wire(old) else None
        numbers = (len(mine), len(old), wire(mine), wire(old), change, both(mine), both(old))
        found.append((service, *numbers, missed(mine), missed(old)))
    return found


def long_pairs(rows: list[Row]) -> list[tuple[Any, ...]]:
    found = []
    timed = [row for row in between(rows) if row.get("duration") is not None]
    for key, own in grouped(timed, quadruple).items():
        lengths, times = [row["duration"] for row in own], [row["ts"].isoformat() for row in own]
        numbers = (len(own), round(sum(lengths), 3), round(max(lengths), 3), wire(own))
        found.append((*key, *numbers, min(times), max(times)))
    return found


def rare_destinations(rows: list[Row]) -> list[tuple[Any, ...]]:
    def outside(row: Row) -> bool:
        told = row.get("local_resp")
        return not row["id.resp_h"].is_multicast and (
            not told if told is not None else row["id.resp_h"].is_global
        )

    called = [row for row in between(rows) if outside(row)]
    everyone = {row["id.orig_h"] for row in called}
    found = []
    for host, own in grouped(called, lambda row: str(row["id.resp_h"])).items():
        hosts = len({row["id.orig_h"] for row in own})
        if hosts <= 1:
            times = [row["ts"].isoformat() for row in own]
            numbers = (hosts, round(hosts / len(everyone), 4), len(own), wire(own))
            found.append((host, *numbers, min(times), max(times)))
    return found


def ports_per_pair(rows: list[Row]) -> list[tuple[Any, ...]]:
    found = []
    called = [row for row in between(rows) if row["proto"] != "icmp"]
    for key, own in grouped(called, lambda r: (str(r["id.orig_h"]), str(r["id.resp_h"]), r["proto"])).items():
        counts = Counter(row["id.resp_p"] for row in own)
        if len(counts) >= 2:
            ports = sorted(counts, key=lambda port: (-counts[port], port))[:20]
            failed = sum(row.get("conn_state") in FAILED for row in own)
            found.append((*key, len(counts), ports, len(own), failed))
    return found


def host_seen(rows: list[Row]) -> list[tuple[Any, ...]]:
    found = []
    network = ipaddress.ip_network("10.9.0.0/30")
    for role, me, peer in (("src", "id.orig_h", "id.resp_h"), ("dst", "id.resp_h", "id.orig_h")):
        own_rows = [row for row in between(rows) if row[me] in network]
        for host, own in grouped(own_rows, lambda row, me=me: str(row[me])).items():
            times = [row["ts"].isoformat() for row in own]
            found.append(
                (host, role, min(times), max(times), len(own), len({r[peer] for r in own}), wire(own))
            )
    return found


QUESTIONS: dict[str, tuple[Callable[[list[Row]], list[tuple[Any, ...]]], dict[str, str]]] = {
    "host_timeline": (host_timeline, {"host": HOST}),
    "top_talkers": (top_talkers, {"most": "100000"}),
    "top_addresses": (top_addresses, {}),
    "bytes_by_hour_and_service": (bytes_by_hour_and_service, {}),
    "longest_connections": (longest_connections, {}),
    "failed_connections": (failed_connections, {"most": "100000"}),
    "scan_candidates": (scan_candidates, {}),
    "beacon_candidates": (beacon_candidates, {}),
    "large_uploads": (large_uploads, {}),
    "new_destinations": (new_destinations, {"most": "100000"}),
    "service_on_unusual_port": (service_on_unusual_port, {}),
    "packet_loss": (packet_loss, {}),
    "state_mix": (state_mix, {}),
    "subnet_matrix": (subnet_matrix, {"v4": "20", "most": "100000"}),
    "tunnel_children": (tunnel_children, {}),
    "same_flow_at_two_sensors": (same_flow_at_two_sensors, {}),
    "week_on_week": (week_on_week, {}),
    "long_pairs": (long_pairs, {"most": "100000"}),
    "rare_destinations": (rare_destinations, {"most": "100000"}),
    "ports_per_pair": (ports_per_pair, {"ports": "2", "most": "100000"}),
    "host_seen": (host_seen, {"host": "10.9.0.0/30"}),
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

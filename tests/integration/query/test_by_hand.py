"""Each question on eight rows whose answers were worked out by hand, the odd cases among them.

A gap, an RST with a wild sequence number, an attempt without an answer, counters that are unset, a flow that two
sensors saw, and a span that begins and ends in the middle of an hour. Answers are the same before rollups are computed
and after.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from etl import pipeline
from etl.database.store import Store
from etl.history import maintenance
from etl.query import ask, cookbook, formats
from tests.integration.conftest import Ask
from tests.logs import flow, json_lines, write

SINCE, UNTIL = datetime(2026, 3, 1, 8, 15, tzinfo=UTC), datetime(2026, 3, 1, 9, 30, tzinfo=UTC)
UNSET: dict[str, Any] = {"duration": None, "orig_bytes": None, "resp_bytes": None}
WILD = 1_964_191_874


def at(text: str, **changes: Any) -> dict[str, Any]:
    """A row at a time of 2026-03-01, or at a whole ISO time."""
    moment = datetime.fromisoformat(text if "T" in text else f"2026-03-01T{text}").replace(tzinfo=UTC)
    return flow(0, ts=f"{moment.timestamp():.6f}", **changes)


def ends(source: str, target: str, port: int, **more: Any) -> dict[str, Any]:
    return {"id_orig_h": source, "id_orig_p": 50_000, "id_resp_h": target, "id_resp_p": port, **more}


def sizes(
    orig: int | None, resp: int | None, orig_ip: int | None, resp_ip: int | None, missed: int | None
) -> Any:
    names = ("orig_bytes", "resp_bytes", "orig_ip_bytes", "resp_ip_bytes", "missed_bytes")
    return dict(zip(names, (orig, resp, orig_ip, resp_ip, missed), strict=True))


TLS = ends("10.1.0.1", "203.0.113.5", 443, service="ssl")
NORTH = [
    # before the span, in its first hour
    at("08:10", uid="Cbefore", duration="10.0", **TLS, **sizes(1_000, 4_000, 1_400, 4_600, 0)),
    # a gap: 6,000 of the 8,000 bytes were not seen
    at("08:20", uid="Cgap", duration="20.0", **TLS, **sizes(500, 8_000, 700, 2_600, 6_000)),
    # an RST with a wild sequence number: two gigabytes that never were
    at(
        "08:40", uid="Cwild", duration="0.5", conn_state="RSTR", local_orig=False, local_resp=True,
        **ends("203.0.113.66", "10.1.0.2", 80, service="http"), **sizes(91, WILD, 211, 84, WILD),
    ),
    # one-sided: nobody answered
    at(
        "08:50", uid="Cs0", conn_state="S0", **ends("10.1.0.9", "203.0.113.5", 22, service=None),
        **(sizes(None, None, 60, 0, 0) | UNSET),
    ),
    # inside a tunnel
    at(
        "08:55", uid="Cchild", proto="udp", tunnel_parents=["Cgap"], local_resp=True, duration="1.0",
        **ends("10.1.0.3", "10.1.0.4", 2_152, service=None), **sizes(10, 20, 38, 48, 0),
    ),
]  # fmt: skip
SOUTH = [
    # the flow of the gap, whole
    at("08:20:01", uid="Csouth", duration="20.0", **TLS, **sizes(500, 8_000, 700, 8_600, 0)),
    # every counter unset, by a sensor that knows no local networks
    at(
        "09:10", uid="Cnull", proto="udp", conn_state="SF", local_orig=None, local_resp=None,
        **ends("10.1.0.1", "203.0.113.7", 53, service="dns"),
        **(sizes(None, None, None, None, None) | UNSET),
    ),
]  # fmt: skip
OLDER = [at("2026-02-22T08:20", uid="Colder", duration="2.0", **TLS, **sizes(800, 800, 1_000, 1_000, 0))]
ROWS = {"north": NORTH, "south": SOUTH, "older": OLDER}

GAP, SOUTH_AT, WILD_AT, S0_AT, CHILD_AT, NULL_AT = (
    f"2026-03-01T{time}+00:00"
    for time in ("08:20:00", "08:20:01", "08:40:00", "08:50:00", "08:55:00", "09:10:00")
)
EIGHT, NINE = "2026-03-01T08:00:00+00:00", "2026-03-01T09:00:00+00:00"
REFUSED = "Broken off by a reset of the responder"
Lines = list[tuple[Any, ...]]
ANSWERS: dict[str, tuple[dict[str, str], Lines]] = {
    "packet_loss": ({}, [(EIGHT, "north", 4, WILD + 6_000, WILD + 91 + 8_500 + 30, 3_300 + 295 + 60 + 86, 0.999999)]),
    "bytes_by_hour_and_service": (
        {},
        [
            (EIGHT, "http", 1, 211, 84, 91, WILD, WILD),
            (EIGHT, "ssl", 2, 1_400, 11_200, 1_000, 16_000, 6_000),
            (EIGHT, None, 2, 98, 48, 10, 20, 0),
            (NINE, "dns", 1, None, None, None, None, None),
        ],
    ),
    "state_mix": (
        {},
        [
            ("2026-03-01", "SF", "Established and closed in the normal way", 4, 0.6667),
            ("2026-03-01", "RSTR", REFUSED, 1, 0.1667),
            ("2026-03-01", "S0", "The originator tried and nothing came back", 1, 0.1667),
        ],
    ),
    "week_on_week": (
        {},
        [
            ("ssl", 2, 1, 12_600, 2_000, 6.3, 17_000, 1_600, 6_000, 0),
            ("http", 1, 0, 295, 0, None, WILD + 91, 0, WILD, 0),
            (None, 2, 0, 146, 0, None, 30, 0, 0, 0),
            ("dns", 1, 0, 0, 0, None, 0, 0, 0, 0),
        ],
    ),
    "top_addresses": (
        {"most": "1"},
        [
            ("2026-03-01", "src", "10.1.0.1", 3, 1_400, 11_200, 1_000, 16_000, 6_000, 1, 1),
            ("2026-03-01", "dst", "203.0.113.5", 3, 1_460, 11_200, 1_000, 16_000, 6_000, 1, 1),
        ],
    ),
    "top_talkers": (
        {},
        [
            ("10.1.0.1", 3, 2, 1_400, 11_200, 1_000, 16_000, 6_000),
            ("203.0.113.66", 1, 1, 211, 84, 91, WILD, WILD),
            ("10.1.0.3", 1, 1, 38, 48, 10, 20, 0),
            ("10.1.0.9", 1, 1, 60, 0, None, None, 0),
        ],
    ),
    "subnet_matrix": (
        {"v4": "16"},
        [
            ("10.1.0.0/16", "203.0.0.0/16", 4, 12_660, 17_000, 6_000),
            ("203.0.0.0/16", "10.1.0.0/16", 1, 295, WILD + 91, WILD),
            ("10.1.0.0/16", "10.1.0.0/16", 1, 86, 30, 0),
        ],
    ),
    "new_destinations": (
        {},
        [
            ("10.1.0.2", WILD_AT, 1, 1, 211, 84, 91),
            ("10.1.0.4", CHILD_AT, 1, 1, 38, 48, 10),
            ("203.0.113.7", NULL_AT, 1, 1, None, None, None),
        ],
    ),
    "longest_connections": (
        {"most": "2"},
        [
            (GAP, 20.0, "10.1.0.1", "203.0.113.5", 443, "tcp", "ssl", "SF", 700, 2_600, 500, 8_000, "Cgap"),
            (SOUTH_AT, 20.0, "10.1.0.1", "203.0.113.5", 443, "tcp", "ssl", "SF", 700, 8_600, 500, 8_000, "Csouth"),
        ],
    ),
    "long_pairs": (
        {"connections": "2"},
        [("10.1.0.1", "203.0.113.5", 443, "tcp", 2, 40, 20, 12_600, GAP, SOUTH_AT)],
    ),
    "failed_connections": ({}, [("10.1.0.9", "203.0.113.5", 22, "tcp", 1, 1, 1)]),
    "scan_candidates": ({"targets": "1"}, [("10.1.0.9", 1, 1, 1, 1, S0_AT, S0_AT)]),
    "ports_per_pair": (
        {"ports": "1", "most": "2"},
        [("10.1.0.1", "203.0.113.5", "tcp", 1, [443], 2, 0), ("10.1.0.1", "203.0.113.7", "udp", 1, [53], 1, 0)],
    ),
    "rare_destinations": (
        {},
        [("203.0.113.7", 1, 0.5, 1, 0, NULL_AT, NULL_AT)],
    ),
    "host_seen": (
        {"host": "203.0.113.5"},
        [("203.0.113.5", "dst", GAP, S0_AT, 3, 2, 12_660)],
    ),
    # by IP bytes: the wild RST carried 84 out of the network, and the gap's flow 700
    "large_uploads": (
        {"at_least": "80"},
        [
            (GAP, "pushed", "10.1.0.1", "203.0.113.5", 443, "ssl", 700, 2_600, 500, 6_000, 0.3, 20.0, "Cgap"),
            (SOUTH_AT, "pushed", "10.1.0.1", "203.0.113.5", 443, "ssl", 700, 8_600, 500, 0, 0.1, 20.0, "Csouth"),
            (WILD_AT, "pulled", "10.1.0.2", "203.0.113.66", 80, "http", 84, 211, WILD, WILD, 0.4, 0.5, "Cwild"),
        ],
    ),
    "service_on_unusual_port": (
        {"share": "1", "at_least": "2"},
        [("ssl", 443, "203.0.113.5", 2, 1, GAP, 2, 2, 1)],
    ),
    "same_flow_at_two_sensors": (
        {},
        [
            (
                "five_tuple", GAP, "tcp", "10.1.0.1", 50_000, "203.0.113.5", 443, "north", "Cgap", 500, 8_000,
                "south", "Csouth", 500, 8_000,
            )
        ],
    ),
    "tunnel_children": (
        {},
        [("Cgap", CHILD_AT, "Cchild", "10.1.0.3", "10.1.0.4", 2_152, "udp", None, 10, 20)],
    ),
    "host_timeline": (
        {"host": "203.0.113.66"},
        [(WILD_AT, "out", "10.1.0.2", 80, "tcp", "http", "RSTR", 0.5, 91, WILD, "Cwild")],
    ),
    # two connections a second apart are not a beacon: it takes three
    "beacon_candidates": ({"connections": "2", "score": "0"}, []),
}  # fmt: skip


@pytest.fixture
def loaded(store: Store, ask: Ask, tmp_path: Path) -> Store:
    """The rows of three sensors, just loaded."""
    logs = [write(tmp_path / sensor / "conn.log", json_lines(rows)) for sensor, rows in ROWS.items()]
    pipeline.ingest(store, [str(path) for path in logs])
    ask("UPDATE etl.file SET sensor = substring(path FROM '(north|south|older)/conn')")
    return store


def answer(store: Store, name: str, **given: str) -> Lines:
    question = cookbook.load(name)
    with store.session() as connection, ask.reading(connection, timedelta(minutes=1)):
        found = ask.ask(connection, question.sql, question.values(given, SINCE, UNTIL))
        return [tuple(formats.plain(value) for value in row) for row in found.rows]


def test_answers_are_right_before_rollups_and_after(loaded: Store) -> None:
    for step in (lambda: None, lambda: maintenance.refresh(loaded), lambda: maintenance.seal(loaded)):
        step()
        for name, (given, wanted) in ANSWERS.items():
            assert answer(loaded, name, **given) == wanted, name


def test_every_question_has_been_worked_out() -> None:
    assert sorted([*ANSWERS, "uid_pivot"]) == cookbook.names()


def test_whole_days_come_from_the_rollup_of_top_addresses(loaded: Store, ask: Ask) -> None:
    question = cookbook.load("top_addresses")
    day = datetime(2026, 3, 1, tzinfo=UTC)
    maintenance.seal(loaded)
    ask("UPDATE zeek.top_address SET connections = 77 WHERE ip_addr = '10.1.0.1' AND role = 'src'")

    def connections(until: datetime) -> list[int]:
        with loaded.session() as connection:
            values = question.values({"most": "1"}, day, until)
            found = formats.as_object(_asked(connection, question.sql, values), {})["rows"]
        return [row["connections"] for row in found if row["role"] == "src"]

    assert connections(day + timedelta(days=1)) == [77]
    assert connections(day + timedelta(hours=20)) == [4]


def _asked(connection: Any, sql: str, values: Any) -> Any:
    return ask.ask(connection, sql, values)


@pytest.mark.parametrize(
    ("missed", "payload", "wanted"),
    [(0, 10, 0), (5, 10, 0.5), (10, 10, 1), (20, 10, 1), (5, 0, 1), (5, None, 1), (0, 0, None), (0, None, None),
     (None, 10, None), (None, None, None), (1, 3, 0.333333)],
)  # fmt: skip
def test_loss_is_a_share_of_the_payload(
    ask: Ask, missed: int | None, payload: int | None, wanted: float | None
) -> None:
    ((found,),) = ask(
        "SELECT zeek.loss(CAST(:missed AS numeric), CAST(:payload AS numeric))::float8",
        missed=missed,
        payload=payload,
    )
    assert found == wanted


@pytest.mark.parametrize(
    ("address", "is_local", "wanted"),
    [("203.0.113.5", None, True), ("10.0.0.1", None, False), ("10.0.0.1", False, True), ("203.0.113.5", True, False),
     ("224.0.0.251", False, False), ("ff02::1", None, False), ("fe80::1", None, False), ("fd00::1", None, False),
     ("2001:db8::1", None, True), ("255.255.255.255", False, False), ("100.64.1.1", None, False), ("::", None, False)],
)  # fmt: skip
def test_what_is_outside(ask: Ask, address: str, is_local: bool | None, wanted: bool) -> None:
    assert ask(
        "SELECT zeek.is_external(CAST(:address AS inet), CAST(:is_local AS boolean))",
        address=address,
        is_local=is_local,
    ) == [(wanted,)]

"""Every question over a real day, against the same answer computed in plain Python from Zeek's lines."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from etl import pipeline
from etl.database.store import Store
from etl.history import maintenance
from etl.query import ask, cookbook, formats
from tests import answers, history
from tests.conftest import SHARED
from tests.integration.conftest import Ask

pytestmark = pytest.mark.realdata
SINCE, UNTIL = datetime(2024, 4, 19, 6, 30, tzinfo=UTC), datetime(2024, 4, 19, 21, 45, tzinfo=UTC)
MOST = 100_000


def answered(store: Store, name: str, **given: object) -> list[tuple[Any, ...]]:
    question = cookbook.load(name)
    values = question.values({key: str(value) for key, value in given.items()}, SINCE, UNTIL)
    with store.session() as connection, ask.reading(connection, timedelta(minutes=5)):
        return [tuple(map(formats.plain, row)) for row in ask.ask(connection, question.sql, values).rows]


def test_every_question_over_a_real_day(store: Store, ask: Ask) -> None:
    folder = SHARED / "data" / "real-hourly" / "2024-04-19"
    pipeline.ingest(store, [str(folder)])
    ask(
        "UPDATE etl.file SET sensor = CASE CAST(substring(path FROM 'conn[.]([0-9]{2})') AS integer) % 2"
        " WHEN 0 THEN 'north' ELSE 'south' END"
    )
    whole = [
        answers.of_log(row | {"sensor": "south" if hour % 2 else "north"})
        for hour, path in enumerate(sorted(folder.glob("conn.*.log.gz")))
        for row in history.rows_of(path)
    ]
    begin, end = (int(moment.timestamp() * 1e6) for moment in (SINCE, UNTIL))
    rows = [row for row in whole if begin <= row["ts"] < end]
    earlier = [row for row in whole if row["ts"] < begin]
    assert len(rows) > 10_000
    host = Counter(row["id.orig_h"] for row in rows).most_common(1)[0][0]
    meanings: dict[str, str] = dict(ask("SELECT network_connection_state, meaning FROM zeek.conn_state"))
    wanted = {
        "packet_loss": ({}, answers.packet_loss(rows)),
        "bytes_by_hour_and_service": ({}, answers.bytes_by_hour_and_service(rows)),
        "top_talkers": ({"most": MOST}, answers.top_talkers(rows, MOST)),
        "subnet_matrix": ({"most": 500}, answers.subnet_matrix(rows, 500)),
        "week_on_week": ({}, answers.week_on_week(rows, [])),
        "state_mix": ({}, answers.state_mix(rows, meanings)),
        "top_addresses": ({"most": 20}, answers.top_addresses(rows, 20)),
        "failed_connections": ({"most": 1_000}, answers.failed_connections(rows, 1_000)),
        "scan_candidates": ({"targets": 3}, answers.scan_candidates(rows, 3)),
        "ports_per_pair": ({"ports": 2, "most": MOST}, answers.ports_per_pair(rows, 2, MOST)),
        "long_pairs": ({"most": 500}, answers.long_pairs(rows, 500)),
        "longest_connections": ({"most": 1_000}, answers.longest_connections(rows, 1_000)),
        "rare_destinations": ({"most": MOST}, answers.rare_destinations(rows, MOST)),
        "new_destinations": ({"most": MOST}, answers.new_destinations(rows, earlier, MOST)),
        "host_seen": ({"host": host}, answers.host_seen(rows, host)),
        "host_timeline": ({"host": host, "most": 1_000}, answers.host_timeline(rows, host, 1_000)),
        "large_uploads": ({"at_least": 10_000, "most": MOST}, answers.large_uploads(rows, 10_000, MOST)),
        "service_on_unusual_port": (
            {"share": 0.5, "at_least": 5},
            answers.service_on_unusual_port(rows, 0.5, 5),
        ),
        "same_flow_at_two_sensors": (
            {"within": 7_200, "most": MOST},
            answers.same_flow_at_two_sensors(rows, 7_200),
        ),
        "tunnel_children": ({}, answers.tunnel_children(rows)),
        "beacon_candidates": (
            {"connections": 5, "score": 0.3, "most": MOST},
            answers.beacon_candidates(rows, 5, 0.3),
        ),
    }
    assert sorted([*wanted, "uid_pivot"]) == cookbook.names()
    for computed in (False, True):
        if computed:
            maintenance.refresh(store)
        for name, (given, lines) in wanted.items():
            found = answered(store, name, **given)
            assert len(found) == len(lines), name
            for line, right in zip(found, lines, strict=True):
                assert line == tuple(
                    pytest.approx(value, abs=1.1e-3) if isinstance(value, float) else value for value in right
                ), name
    assert all(lines for _, lines in wanted.values())

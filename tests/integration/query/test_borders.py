"""Which lines an answer has where it is limited, and in which order."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from etl import pipeline
from etl.database.store import Store
from etl.query import ask, cookbook
from tests.logs import flow, tsv, write

DAY = datetime(2026, 3, 1, tzinfo=UTC)


def answered(store: Store, name: str, **given: str) -> list[dict[str, Any]]:
    question = cookbook.load(name)
    values = question.values(given, DAY, DAY + timedelta(days=1))
    with store.session() as connection, ask.reading(connection, timedelta(minutes=1)):
        answer = ask.ask(connection, question.sql, values, lines=question.lines(values))
        return [dict(zip(answer.columns, row, strict=True)) for row in answer.rows]


@pytest.mark.parametrize("most", [1, 2, 3, 100_000])
def test_long_pairs_are_in_the_order_of_the_seconds_shown(store: Store, tmp_path: Path, most: int) -> None:
    """Half a millisecond is rounded upwards, also where floats add up to a little less."""
    durations = {"10.0.0.9": ["12.250500"], "10.0.0.1": ["12.250000"], "10.0.0.2": ["1.0005"] * 3}
    rows = [
        flow(number, id_orig_h=host, id_orig_p=number + 1, id_resp_h="192.0.2.1", duration=duration)
        for number, (host, duration) in enumerate(
            (host, one) for host in durations for one in durations[host]
        )
    ]
    pipeline.ingest(store, [str(write(tmp_path / "conn.log", tsv(rows)))])
    found = [
        (str(line["src_ip_addr"]), str(line["seconds"]))
        for line in answered(store, "long_pairs", most=str(most))
    ]
    assert found == [("10.0.0.9", "12.251"), ("10.0.0.1", "12.250"), ("10.0.0.2", "3.002")][:most]

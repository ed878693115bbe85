"""Maintenance goes on without the hour or the day that fails, says which, and does it when it can."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from etl import pipeline
from etl.database.store import Store
from etl.errors import ConnEtlError
from etl.history import maintenance
from tests.integration.conftest import Ask
from tests.logs import START, flow, tsv, write

DAYS = [date(2026, 3, day) for day in (1, 2, 3)]
BAD = DAYS[1]
REFUSE = """
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF to_jsonb(NEW) ->> '{column}' LIKE '2026-03-02%' THEN RAISE 'not this one'; END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER refuse BEFORE INSERT OR UPDATE ON {table} FOR EACH ROW EXECUTE FUNCTION refuse();
"""


@pytest.fixture
def three_days(store: Store, tmp_path: Path) -> None:
    """A row in each of three hours of three days."""
    rows = [
        flow(day * 10 + hour, ts=f"{START + day * 86_400 + hour * 3_600}.5")
        for day in range(3)
        for hour in range(3)
    ]
    assert pipeline.ingest(store, [str(write(tmp_path / "conn.log", tsv(rows)))]).total("rows_loaded") == 9


def refuse(ask: Ask, table: str, column: str) -> None:
    ask(REFUSE.replace("{table}", table).replace("{column}", column))


@pytest.mark.usefixtures("three_days")
def test_hours_that_fail_stop_no_others(store: Store, ask: Ask) -> None:
    refuse(ask, "zeek.conn_hour", "hour")
    with pytest.raises(
        ConnEtlError, match=r"3 of 9 pieces of work failed, first the hour 2026-03-02 08:00 UTC"
    ):
        maintenance.refresh(store)
    done = "SELECT DISTINCT etl.day_of(hour) FROM {} ORDER BY 1"
    assert ask(done.format("zeek.conn_hour")) == [(DAYS[0],), (DAYS[2],)]
    assert ask(done.format("etl.touched_hour")) == [(BAD,)]
    ask("DROP TRIGGER refuse ON zeek.conn_hour")
    assert maintenance.refresh(store) == (3, 0)
    assert ask(done.format("zeek.conn_hour")) == [(day,) for day in DAYS]


@pytest.mark.usefixtures("three_days")
def test_a_day_that_cannot_be_sealed_stops_no_other(store: Store, ask: Ask) -> None:
    refuse(ask, "etl.sealed_day", "day")
    with pytest.raises(ConnEtlError, match="not this one"):
        maintenance.seal(store, DAYS)
    sealed = "SELECT day FROM etl.sealed_day ORDER BY day"
    assert ask(sealed) == [(DAYS[0],), (DAYS[2],)]
    assert ask("SELECT DISTINCT day FROM zeek.top_address ORDER BY 1") == ask(sealed)
    ask("DROP TRIGGER refuse ON etl.sealed_day")
    maintenance.seal(store, DAYS)
    assert ask(sealed) == [(day,) for day in DAYS]


@pytest.mark.usefixtures("three_days")
def test_a_day_that_cannot_be_dropped_stops_no_other(store: Store, ask: Ask) -> None:
    refuse(ask, "etl.retired_day", "day")
    with pytest.raises(ConnEtlError, match="not this one"):
        maintenance.drop(store, dict.fromkeys(DAYS, "old"))
    left = 'SELECT DISTINCT etl.day_of("@timestamp") FROM zeek.conn ORDER BY 1'
    assert ask(left) == [(BAD,)]
    ask("DROP TRIGGER refuse ON etl.retired_day")
    maintenance.drop(store, {BAD: "old"})
    assert ask(left) == []

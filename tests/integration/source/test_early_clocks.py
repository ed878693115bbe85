"""Captures whose clock starts at 0: the setting goes down to 1970, and the table has such days."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from etl import pipeline
from etl.database.store import Store
from etl.settings import Settings
from tests.integration.conftest import Ask
from tests.logs import flow, tsv, write

TIMES = ["0.000000", "0.000001", "5.250000", "86400.000000"]


def test_a_clock_that_starts_at_0_loads_where_the_settings_say_so(
    database_url: str, ask: Ask, tmp_path: Path
) -> None:
    log = write(tmp_path / "conn.log", tsv([flow(number, ts=ts) for number, ts in enumerate(TIMES)]))
    default = Store.open(database_url, Settings(attempts=1))
    assert pipeline.ingest(default, [str(log)]).total("rows_quarantined") == 4
    early = Store.open(database_url, Settings.model_validate({"attempts": 1, "earliest": "1970-01-01"}))
    assert pipeline.ingest(early, [str(log)], retry=True).total("rows_loaded") == 4
    assert ask('SELECT extract(EPOCH FROM "@timestamp")::text FROM zeek.conn ORDER BY 1') == [
        ("0.000000",),
        ("0.000001",),
        ("5.250000",),
        ("86400.000000",),
    ]
    assert ask("SELECT count(*) FROM pg_class WHERE relname IN ('conn_19700101', 'conn_19700102')") == [(2,)]


def test_the_setting_goes_no_further() -> None:
    for value in ("1969-12-31", "1970-01-01T00:00:00+01:00"):
        with pytest.raises(ValidationError, match="the table begins with 1970"):
            Settings.model_validate({"earliest": value})

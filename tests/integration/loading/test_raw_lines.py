"""Bytes in quarantine are those of the file that was staged, whatever the path holds by now."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from etl import pipeline
from etl.database.store import Store
from etl.loading.ledger import BatchFile
from etl.models import RawLine, ReadOptions
from etl.monitoring import verify
from etl.pipeline import steps
from etl.settings import Settings
from tests.integration.conftest import Ask
from tests.logs import flow, flows, json_lines, tsv, write

Faults = Callable[[], list[verify.Disagreement]]
ROWS = [*flows(8), flow(8, conn_state="??"), *flows(3, 20), flow(30, conn_state="!!")]
OTHERS = [*flows(8, 100), flow(108, conn_state="??"), *flows(3, 120), flow(130, conn_state="!!")]


def other_bytes(path: Path, writer: Callable[..., bytes]) -> None:
    path.write_bytes(writer(OTHERS))


def other_bytes_of_the_same_size_and_time(path: Path, writer: Callable[..., bytes]) -> None:
    status, old = path.stat(), path.read_bytes()
    new = old.replace(b"C00000000000000008", b"C99999999999999998").replace(
        b"C00000000000000003", b"C33333333333333333"
    )
    assert len(new) == len(old)
    assert new != old
    assert writer
    path.write_bytes(new)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def a_line_more_at_the_top(path: Path, writer: Callable[..., bytes]) -> None:
    path.write_bytes(writer([flow(777), *ROWS]))


def gone(path: Path, writer: Callable[..., bytes]) -> None:
    assert writer
    path.unlink()


@pytest.mark.parametrize(
    "change", [other_bytes, other_bytes_of_the_same_size_and_time, a_line_more_at_the_top, gone]
)
@pytest.mark.parametrize("writer", [tsv, json_lines])
@pytest.mark.parametrize("after", ["stage", "validate"])
def test_a_path_that_was_replaced_gives_no_bytes(
    after: str,
    writer: Callable[..., bytes],
    change: Callable[[Path, Callable[..., bytes]], None],
    database_url: str,
    ask: Ask,
    faults: Faults,
    tmp_path: Path,
) -> None:
    store = Store.open(database_url, Settings(settle_after="0s"))
    path = write(tmp_path / "conn.log", writer(ROWS))
    pipeline.begin(store, "run", "dag", {})
    (batch,) = pipeline.discover(store, "run", [str(tmp_path)])
    for step in (pipeline.stage, pipeline.validate, pipeline.publish):
        step(store, batch)
        if step.__name__ == after:
            change(path, writer)
    assert ask("SELECT count(*) FROM zeek.conn") == [(11,)]
    assert ask("SELECT mapped ->> 'event_uid', raw FROM etl.quarantine ORDER BY 1") == [
        ("C00000000000000008", None), ("C00000000000000030", None),
    ]  # fmt: skip
    assert faults() == []


@pytest.mark.parametrize("writer", [tsv, json_lines])
def test_bytes_are_read_before_any_day_is_locked(
    writer: Callable[..., bytes],
    store: Store,
    ask: Ask,
    faults: Faults,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    real, locked = steps.lines_of, list[int]()
    days = sa.text("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND classid IN (7102, 7103)")

    def watched(file: BatchFile, numbers: Collection[int], settings: Settings) -> Mapping[int, RawLine]:
        with store.engine.connect() as other:
            locked.append(other.scalar(days) or 0)
        return real(file, numbers, settings)

    monkeypatch.setattr(steps, "lines_of", watched)
    write(tmp_path / "a.log", tsv(flows(20)))
    rows = [*ROWS, flow(3, resp_bytes=1), flow(4, resp_bytes=2)]  # the last two are there with other values
    write(tmp_path / "b.log", writer(rows))
    pipeline.ingest(store, [str(tmp_path / "a.log"), str(tmp_path / "b.log")])
    assert locked == [0, 0]  # bad rows, then conflicts
    lines = ask("SELECT rule, raw, format ->> 'kind' FROM etl.quarantine_line ORDER BY etl_line")
    assert [rule for rule, _, _ in lines] == ["enum.network_connection_state"] * 2 + ["identity_conflict"] * 2
    wanted = writer(rows).splitlines()
    assert all(bytes(raw) in wanted for _, raw, _ in lines)
    assert len({bytes(raw) for _, raw, _ in lines}) == 4
    assert faults() == []


PLANTED: dict[str, tuple[str, str]] = {
    "another line": (
        "raw = (SELECT raw FROM etl.quarantine AS o WHERE o.etl_line <> q.etl_line LIMIT 1)",
        "event_uid",
    ),
    "no row at all": (r"raw = '\x78'", "no row"),
    "a value changed": ("mapped = jsonb_set(mapped, '{src_bytes}', '7')", "src_bytes"),
    "a value gone": ("mapped = mapped - 'src_ip_addr'", "src_ip_addr"),
    "an address changed": ("""mapped = jsonb_set(mapped, '{dst_ip_addr}', '"10.9.9.9"')""", "dst_ip_addr"),
    "a time changed": (
        """mapped = jsonb_set(mapped, '{@timestamp}', '"2026-03-01T00:00:00+00:00"')""",
        "@timestamp",
    ),
}


@pytest.mark.parametrize("writer", [tsv, json_lines])
def test_verify_finds_bytes_that_are_not_those_of_the_values(
    writer: Callable[..., bytes], store: Store, faults: Faults, tmp_path: Path
) -> None:
    write(tmp_path / "conn.log", writer(ROWS))
    pipeline.ingest(store, [str(tmp_path)])
    assert faults() == []
    for name, (change, said) in PLANTED.items():
        with store.session() as connection:
            trial = connection.begin()
            connection.exec_driver_sql(
                f"UPDATE etl.quarantine AS q SET {change} WHERE mapped ->> 'event_uid' = 'C00000000000000008'",
                execution_options={"no_parameters": True},
            )
            (fault,) = verify.disagreements(connection, ReadOptions())
            assert said in fault.what, name
            assert "in quarantine are not those of its values" in fault.what
            trial.rollback()


def test_settings_that_name_columns_count_for_verify(database_url: str, tmp_path: Path) -> None:
    store = Store.open(database_url, Settings(aliases={"bytes_out": "orig_bytes"}))
    rows: list[dict[str, Any]] = [json.loads(line) for line in json_lines(ROWS).splitlines()]
    for row in rows:
        row["bytes_out"] = row.pop("orig_bytes")
    write(tmp_path / "conn.log", json_lines(rows))
    pipeline.ingest(store, [str(tmp_path)])
    with store.session() as connection:
        assert verify.faults(connection, store.settings.read_options()) == []
        assert len(verify.faults(connection)) == 2

"""Speculative publishing changes when rows are inserted, and nothing else: each case is loaded with and without it."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from etl import pipeline
from etl.database.store import Store
from etl.loading import speculative, stage
from etl.loading.batch import Batch
from etl.loading.publish import PublishPlan
from etl.monitoring import verify
from etl.settings import Settings
from tests.logs import flow, flows, json_lines, tsv, write

SETTINGS = Settings(attempts=1, block_rows=40, max_file_bytes=400_000, max_new_days=5)
DAY = 86_400
START = 1_772_352_000
WHAT = {
    "rows": 'SELECT * FROM zeek.conn ORDER BY "@timestamp", event_uid',
    "files": """SELECT etl_file_id, path, state, kind, reason, digest, rows_read, rows_loaded, rows_duplicate,
        rows_quarantined, min_timestamp, max_timestamp FROM etl.file ORDER BY 1""",
    "quarantine": "SELECT etl_file_id, etl_line, reason, rule, raw, mapped, existing FROM etl.quarantine ORDER BY 1, 2",
    "duplicates": "SELECT * FROM etl.duplicate_of ORDER BY 1, 2, 3",
    "hours": "SELECT DISTINCT hour FROM etl.touched_hour ORDER BY 1",
    "days": """SELECT tablename, indexname, indexdef FROM pg_indexes WHERE schemaname = 'zeek' ORDER BY 1, 2""",
    "constraints": "SELECT conrelid::regclass::text, conname FROM pg_constraint ORDER BY 1, 2",
    "rights": """SELECT relname, relacl::text FROM pg_class WHERE relnamespace = 'zeek'::regnamespace
        AND relkind = 'r' ORDER BY 1""",
    "left": "SELECT relname FROM pg_class WHERE relname LIKE 'stage%'",
}


def good(folder: Path) -> None:
    for number in range(3):
        write(folder / f"conn{number}.log", tsv(flows(100, number * 100)))


def two_days(folder: Path) -> None:
    late = [flow(n, ts=f"{START + DAY + n}.5") for n in range(200, 300)]
    write(
        folder / "conn.log", json_lines([row for pair in zip(flows(100), late, strict=True) for row in pair])
    )


def bad_rows(folder: Path) -> None:
    rows = flows(300)
    rows[7] |= {"conn_state": "XX"}
    rows[250] |= {"proto": "carrier pigeon", "conn_state": "YY"}
    write(folder / "conn.log", tsv(rows[:150]) + b"torn\n")
    write(folder / "more.log", tsv(rows[150:]))


def bad_first_and_last(folder: Path) -> None:
    for number in range(3):
        rows = flows(100, number * 100)
        for i in ((0,), (99,), (0, 99))[number]:
            rows[i] |= {"conn_state": "XX"}
        write(folder / f"conn{number}.log", tsv(rows))


def torn_gzip(folder: Path) -> None:
    packed = gzip.compress(json_lines(flows(400)))
    write(folder / "conn.log", packed[: len(packed) * 2 // 3])


def again(folder: Path) -> None:
    write(folder / "a.log", tsv(flows(200)))
    write(folder / "b.log", json_lines(flows(200, 150)))


def twice_in_a_new_day(folder: Path) -> None:
    write(folder / "conn.log", tsv([*flows(200), flow(20)]))


def changed_row(folder: Path) -> None:
    write(folder / "conn.log", tsv([*flows(200), flow(20, resp_bytes=9)]))


def same_bytes(folder: Path) -> None:
    write(folder / "a.log", tsv(flows(200)))
    write(folder / "b.log", tsv(flows(200)))


def refused(folder: Path) -> None:
    write(folder / "a.log", tsv(flows(200)))
    write(folder / "b.log", tsv(flows(150, 200, conn_state="XX")))


def too_large(folder: Path) -> None:
    write(folder / "a.log", tsv(flows(200)))
    write(folder / "b.log", tsv(flows(4_000, 1_000)))


def out_of_range(folder: Path) -> None:
    write(folder / "conn.log", tsv([*flows(200), flow(900, ts="4102444800.0"), flow(901, ts="86400.0")]))


def many_days(folder: Path) -> None:
    write(folder / "conn.log", tsv([flow(n, ts=f"{START + DAY * (n // 30)}.{n:06d}") for n in range(300)]))


def retired(folder: Path) -> None:
    two_days(folder)


CASES: list[tuple[Callable[[Path], None], bool]] = [
    (good, True),
    (two_days, True),
    (bad_rows, True),
    (bad_first_and_last, True),
    (torn_gzip, True),
    (again, False),
    (twice_in_a_new_day, False),
    (changed_row, False),
    (same_bytes, False),
    (refused, False),
    (too_large, False),
    (out_of_range, False),
    (many_days, False),
    (retired, False),
]


@pytest.fixture
def finished(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Batches that were published speculatively; parts are tiny."""
    batches: list[int] = []
    publish = speculative.SpeculativePublish.publish

    def noted(ahead: speculative.SpeculativePublish, batch: Batch, plan: PublishPlan) -> bool:
        committed = publish(ahead, batch, plan)
        if committed:
            batches.append(batch.batch_id)
        return committed

    monkeypatch.setattr(speculative.SpeculativePublish, "publish", noted)
    monkeypatch.setattr(stage, "PART_BYTES", 5_000)
    monkeypatch.setattr(stage, "FLUSH_BYTES", 2_000)
    return batches


def everything(store: Store) -> dict[str, list[tuple[Any, ...]]]:
    with store.engine.connect() as connection:
        found = {
            name: [tuple(row) for row in connection.execute(sa.text(query))] for name, query in WHAT.items()
        }
    return {
        name: [tuple(bytes(v) if isinstance(v, memoryview) else v for v in row) for row in rows]
        for name, rows in found.items()
    }


def load(
    url: str, folder: Path, before: Path, statement: str | None, *, speculative_publish: bool = True
) -> dict[str, list[tuple[Any, ...]]]:
    store = Store.open(url, SETTINGS.model_copy(update={"speculative_publish": speculative_publish}))
    if before.exists():
        pipeline.ingest(store, [str(before)])
    if statement:
        with store.engine.begin() as connection:
            connection.execute(sa.text(statement))
    pipeline.ingest(store, [str(folder)])
    with store.session() as connection:
        assert verify.faults(connection) == []
    return everything(store)


@pytest.mark.parametrize(
    ("case", "won", "there"),
    [
        *((case, won, False) for case, won in CASES),
        *(
            (case, won, True)
            for case, won in CASES
            if case in (two_days, bad_rows, bad_first_and_last, twice_in_a_new_day)
        ),
    ],
    ids=lambda value: getattr(value, "__name__", str(value)),
)
def test_what_is_loaded_is_the_same(
    case: Callable[[Path], None],
    won: bool,
    there: bool,
    database_url: str,
    second_database_url: str,
    finished: list[int],
    tmp_path: Path,
) -> None:
    case(tmp_path / "logs")
    if there:
        row = {"ts": f"{START + 40_000}.0"}
        write(
            tmp_path / "before" / "conn.log", tsv([flow(77_777) | row, flow(88_888, ts=f"{START + DAY}.0")])
        )
    statement = None
    if case is retired:
        statement = "INSERT INTO etl.retired_day (day, reason) VALUES ('2026-03-02', 'age')"
        (tmp_path / "before" / "conn.log").unlink(missing_ok=True)
    with_head = load(database_url, tmp_path / "logs", tmp_path / "before", statement)
    assert bool(finished) == won
    finished.clear()
    without = load(
        second_database_url, tmp_path / "logs", tmp_path / "before", statement, speculative_publish=False
    )
    assert finished == []
    assert with_head == without


def test_an_accepted_file_without_a_good_row_does_not_stop_its_batch(
    store: Store, finished: list[int], tmp_path: Path
) -> None:
    write(tmp_path / "a.log", tsv(flows(200)))
    write(tmp_path / "b.log", tsv(flows(150, 200, conn_state="XX")))
    results = pipeline.ingest(store, [str(tmp_path)], accepted_by="somebody").results
    assert finished
    assert [(r.state, r.rows_loaded, r.rows_quarantined) for r in results] == [
        ("published", 200, 0), ("published", 0, 150),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "lock", ["7102, {bucket}", "7103, 20513", "7104, 20513"], ids=["bytes", "day", "new day"]
)
def test_what_another_session_holds_is_waited_for_in_the_ordinary_order(
    lock: str, store: Store, finished: list[int], tmp_path: Path
) -> None:
    import hashlib

    content = tsv(flows(300))
    path = write(tmp_path / "conn.log", content)
    key = lock.format(bucket=hashlib.sha256(content).digest()[0] % 64)
    with store.engine.connect() as other:
        other.execute(sa.text(f"SELECT pg_advisory_lock({key})"))
        other.commit()
        thread = threading.Thread(target=pipeline.ingest, args=(store, [str(path)]))
        thread.start()
        waits = sa.text("SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted)")
        while thread.is_alive() and not other.scalar(waits):
            other.rollback()
        assert thread.is_alive()
        other.execute(sa.text(f"SELECT pg_advisory_unlock({key})"))
        other.commit()
        thread.join()
        assert finished == []
        assert other.scalar(sa.text("SELECT count(*) FROM zeek.conn")) == 300


def test_a_speculation_that_loses_its_session_is_only_given_up(
    store: Store, finished: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    insert = speculative.SpeculativePublish._insert

    def killed(ahead: speculative.SpeculativePublish, part: stage.Part) -> None:
        insert(ahead, part)
        assert ahead._batch is not None
        with store.engine.begin() as other:
            other.execute(
                sa.text(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = :name"
                    " AND datname = current_database()"
                ),
                {"name": f"conn-etl publish {ahead._batch.batch_id}"},
            )

    monkeypatch.setattr(speculative.SpeculativePublish, "_insert", killed)
    pipeline.ingest(store, [str(write(tmp_path / "conn.log", tsv(flows(300))))])
    assert finished == []
    with store.engine.connect() as connection:
        assert connection.scalar(sa.text("SELECT count(*) FROM zeek.conn")) == 300

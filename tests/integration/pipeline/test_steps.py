"""Each step can be entered alone, at any time, twice: what a crash leaves between two steps costs no row."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from etl import pipeline
from etl.database.store import Store
from tests.integration.conftest import Ask
from tests.logs import flow, flows, json_lines, tsv, write

STEPS: dict[str, Callable[[Store, int], dict[str, object]]] = {
    "stage": pipeline.stage,
    "validate": pipeline.validate,
    "publish": pipeline.publish,
}
DAMAGE = {
    "nothing": "SELECT 1",
    "rows emptied by crash recovery": "TRUNCATE {stage}, {stage}_reject, {stage}_bad",
    "one row lost": "DELETE FROM {stage} WHERE etl_line = 9",
    "verdicts lost": "TRUNCATE {stage}_bad",
    "tables dropped": "DROP TABLE {stage}, {stage}_reject, {stage}_bad",
    "rejects lost": "TRUNCATE {stage}_reject",
    "counts lost": "TRUNCATE {stage}_hour",
    "one count lost": "DELETE FROM {stage}_hour WHERE etl_file_id = 1",
    "counts of an older version": "DROP TABLE {stage}_hour",
}


@pytest.fixture
def batch(store: Store, tmp_path: Path) -> int:
    """A discovered batch of two files with one reject and one bad row."""
    write(tmp_path / "2026-03-01" / "conn.08:00:00-09:00:00.log", tsv([*flows(40), flow(40, orig_bytes="x")]))
    write(
        tmp_path / "2026-03-01" / "conn.09:00:00-10:00:00.log",
        json_lines([*flows(40, 50), flow(90, conn_state="X")]),
    )
    pipeline.begin(store, "run-1", "dag", {})
    (number,) = pipeline.discover(store, "run-1", [str(tmp_path)])
    return number


@pytest.mark.parametrize("damage", sorted(DAMAGE))
@pytest.mark.parametrize("after", ["stage", "validate"])
def test_damage_between_two_steps_costs_nothing(
    store: Store, ask: Ask, faults: Callable[[], list[object]], batch: int, after: str, damage: str
) -> None:
    for name, step in STEPS.items():
        step(store, batch)
        if name == after:
            ask(DAMAGE[damage].format(stage=f"etl.stage_{batch}"))
    assert ask("SELECT count(*) FROM zeek.conn") == [(80,)]
    assert sorted(ask("SELECT rule FROM etl.quarantine")) == [
        ("enum.network_connection_state",),
        ("type.src_bytes",),
    ]
    assert ask("SELECT count(*) FROM pg_class WHERE relname LIKE 'stage%'") == [(0,)]
    assert faults() == []


@pytest.mark.parametrize(
    "steps", [["publish"], ["validate", "publish"], ["stage", "stage", "validate", "validate", "publish"]]
)
def test_steps_may_be_left_out_or_repeated(store: Store, ask: Ask, batch: int, steps: list[str]) -> None:
    results = [STEPS[step](store, batch) for step in steps]
    assert results[-1]["rows_loaded"] == 80
    for step in STEPS.values():  # all final: nothing is done, the recorded counts come back
        assert step(store, batch)["rows_loaded"] == 80
    assert ask("SELECT count(*) FROM zeek.conn") == [(80,)]


def test_a_batch_of_an_ended_run_is_an_orphan_and_the_next_run_sweeps_it(
    store: Store, ask: Ask, batch: int, tmp_path: Path
) -> None:
    pipeline.stage(store, batch)
    pipeline.begin(store, "run-2", "dag", {})
    assert ask("SELECT count(*) FROM pg_class WHERE relname ~ '^stage_'") == [(6,)]  # run-1 still lives
    assert pipeline.discover(store, "run-2", [str(tmp_path)]) == []
    pipeline.end(store, "run-1")
    pipeline.begin(store, "run-3", "dag", {})
    assert ask("SELECT count(*) FROM pg_class WHERE relname ~ '^stage_'") == [(0,)]
    (again,) = pipeline.discover(store, "run-3", [str(tmp_path)])
    assert pipeline.publish(store, again)["rows_loaded"] == 80
    assert pipeline.publish(store, batch)["rows_loaded"] == 0  # the zombie's batch holds no file any more


def test_the_command_takes_files_that_a_dag_run_left_between_two_steps(
    store: Store, ask: Ask, batch: int, tmp_path: Path
) -> None:
    pipeline.stage(store, batch)
    assert pipeline.ingest(store, [str(tmp_path)]).total("rows_loaded") == 80
    pipeline.validate(store, batch)
    pipeline.publish(store, batch)
    assert ask("SELECT count(*) FROM zeek.conn") == [(80,)]


def test_discover_takes_only_settled_files_within_the_window(store: Store, ask: Ask, tmp_path: Path) -> None:
    from datetime import UTC, datetime

    for hour in range(3):
        name = f"conn.{hour:02}:00:00-{hour + 1:02}:00:00.log"
        write(tmp_path / "2026-03-01" / name, tsv(flows(2, hour * 10)))
    write(
        tmp_path / "conn.log", tsv(flows(2, 100)).replace(b"#close", b"#")
    )  # nothing says that it is settled
    pipeline.begin(store, "run", "dag", {})
    since, until = datetime(2026, 3, 1, 1, tzinfo=UTC), datetime(2026, 3, 1, 2, tzinfo=UTC)
    (batch_id,) = pipeline.discover(store, "run", [str(tmp_path)], since=since, until=until)
    assert ask("SELECT path FROM etl.file WHERE batch_id = :batch", batch=batch_id) == [
        (str(tmp_path / "2026-03-01" / "conn.01:00:00-02:00:00.log"),)
    ]

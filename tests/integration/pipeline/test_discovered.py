"""What a scan says of itself: the files that it took, those that wait, why and until when; and `status` after it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from etl import pipeline
from etl.database.store import Store
from tests.integration.conftest import Command
from tests.logs import flows, json_lines, tsv, write

OPEN = tsv(flows(2, 10)).partition(b"#close")[0]


def scan(store: Store, folder: Path, run: str = "run") -> pipeline.Discovered:
    found: list[pipeline.Discovered] = []
    pipeline.begin(store, run, "dag", {"dag": run})
    pipeline.discover(store, run, [str(folder)], report=found.append)
    (only,) = found
    return only


def test_taken_and_waiting_files_are_named_with_reason_and_moment(
    store: Store, command: Command, tmp_path: Path
) -> None:
    assert "waiting:" not in command("status").stdout
    done = write(tmp_path / "done.log", tsv(flows(2)))
    waits = write(tmp_path / "open.log", OPEN)
    found = scan(store, tmp_path)
    assert [path for path, _ in found.taken] == [str(done)]
    (waiting,) = found.waiting
    left = waiting.until - datetime.now(UTC) if waiting.until else None
    assert left is not None
    assert timedelta(minutes=4) < left <= timedelta(minutes=5)
    first, second, third = found.lines()
    assert (
        first
        == f"2 files listed: 1 taken ({done.stat().st_size:,} bytes, 1 batch), 1 waiting, 0 final before"
    )
    assert second.startswith(f"waits: {waits}: it may still be written to (last changed ")
    assert f", until {waiting.until:%Y-%m-%d %H:%M:%S} UTC" in second
    assert third == f"taken: {done} ({done.stat().st_size:,} bytes)"
    told = found.as_dict()
    assert (told["listed"], told["taken"], told["waiting"]) == (2, 1, 1)
    assert told["waiting_files"][0]["path"] == str(waits)

    said = command("status").stdout
    assert f"waiting: 1 file {waits}; loaded not before {waiting.until:%Y-%m-%d %H:%M}" in said
    said = command("status", CONN_ETL_SETTLE_AFTER="0s").stdout
    assert f"waiting: 1 file {waits}; loaded by the next run" in said
    assert command("ingest", waits).returncode == 0
    assert "waiting:" not in command("status").stdout


def test_without_settling_nothing_waits(store: Store, tmp_path: Path) -> None:
    write(tmp_path / "open.log", OPEN)
    now = replace(store, settings=store.settings.model_copy(update={"settle_after": timedelta(0)}))
    found = scan(now, tmp_path)
    assert (len(found.taken), found.waiting) == (1, [])


def test_files_of_another_run_and_beyond_the_last_batch_are_counted_apart(
    store: Store, tmp_path: Path
) -> None:
    for number in range(3):
        write(tmp_path / f"{number}.json.log", tsv(flows(2, 10 * number)))
    small = {"batch_files": 1, "max_batches": 1}
    few = replace(store, settings=store.settings.model_copy(update=small))
    first, second = scan(few, tmp_path, "one"), scan(few, tmp_path, "two")
    assert (len(first.taken), first.left_over, len(first.waiting)) == (1, 2, 0)
    assert (len(second.taken), second.left_over) == (1, 1)
    assert [str(file) for file in second.waiting] == [
        f"waits: {first.taken[0][0]}: another run has claimed it"
    ]
    assert second.lines()[1] == "1 file left for the next run: CONN_ETL_MAX_BATCHES is reached"


def test_files_that_are_loaded_are_final(store: Store, tmp_path: Path) -> None:
    write(tmp_path / "one.log", json_lines(flows(2)))
    pipeline.ingest(store, [str(tmp_path)])
    assert scan(store, tmp_path).lines() == [
        "1 file listed: 0 taken (0 bytes, 0 batches), 0 waiting, 1 final before"
    ]

"""A file is not the same from one run to the next: refused and mended, killed in the middle, damaged, oddly named."""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from etl import pipeline
from etl.database.store import Store
from etl.monitoring import verify, windows
from etl.pipeline.explain import explain
from etl.settings import Settings
from tests.integration.conftest import Ask, Command
from tests.logs import flow, flows, json_lines, tsv, write

OPEN = "SELECT count(*) FROM etl.quarantine WHERE state = 'open'"


def test_a_refused_file_that_is_mended_leaves_nothing_open(store: Store, ask: Ask, tmp_path: Path) -> None:
    log = write(tmp_path / "conn.log", tsv([flow(1, conn_state="REG")]))
    pipeline.ingest(store, [str(log)])
    assert ask(OPEN) == [(1,)]
    os.utime(log, (1, 1))
    pipeline.ingest(store, [str(log)])
    assert ask(OPEN) == [(1,)]
    write(log, tsv([flow(1, conn_state="REJ")]))
    assert [r.state for r in pipeline.ingest(store, [str(log)]).results] == ["published"]
    assert ask(OPEN) == [(0,)]


def test_what_a_killed_run_did_not_read_before_it_changed_is_passed_over(
    store: Store, ask: Ask, tmp_path: Path
) -> None:
    log = write(tmp_path / "conn.log", tsv(flows(5)))
    pipeline.begin(store, "killed", "dag", {})
    (batch,) = pipeline.discover(store, "killed", [str(log)])
    assert batch
    write(log, tsv(flows(9)))
    pipeline.ingest(store, [str(log)])
    states = ask("SELECT state, kind, rows_loaded FROM etl.file ORDER BY etl_file_id")
    assert states == [("skipped", "gone", None), ("published", None, 9)]
    assert ask("SELECT count(*) FROM etl.file WHERE etl.is_open(state)") == [(0,)]


def test_lines_of_other_logs_spend_no_budget(
    store: Store, ask: Ask, faults: Callable[[], list[verify.Disagreement]], tmp_path: Path
) -> None:
    ours = json_lines(flows(300)).splitlines()
    theirs = [json.dumps({"_path": "dns", "ts": 1.5, "uid": f"D{n}"}).encode() for n in range(300)]
    mixed = b"".join(line + b"\n" for pair in zip(ours, theirs, strict=True) for line in pair)
    log = str(write(tmp_path / "all.log", mixed))
    assert "would load 300 of its 600 rows" in explain(log, store.settings, store).would
    summary = pipeline.ingest(store, [log])
    assert [summary.total(term) for term in pipeline.TERMS] == [600, 300, 0, 300]
    assert ask("SELECT DISTINCT reason FROM etl.quarantine") == [("other_log",)]
    assert faults() == []


def test_a_damaged_gz_brings_nothing_until_it_is_whole(store: Store, ask: Ask, tmp_path: Path) -> None:
    whole = gzip.compress(tsv(flows(3_000)), mtime=0)
    damaged = bytearray(whole)
    damaged[-6] ^= 1  # the checksum alone: every row is readable, and none is vouched for
    path = tmp_path / "conn.log.gz"
    path.write_bytes(damaged)
    assert "would fail to read it (unreadable)" in explain(str(path), store.settings, store).would
    (result,) = pipeline.ingest(store, [str(path)]).results
    assert (result.state, result.kind) == ("failed", "unreadable")
    assert "corrupt gz" in (result.reason or "")
    assert ask("SELECT count(*) FROM zeek.conn") == [(0,)]
    path.write_bytes(whole)
    os.utime(path, (5, 5))
    assert pipeline.ingest(store, [str(path)]).total("rows_loaded") == 3_000


def test_a_path_of_any_bytes_and_its_name_in_the_ledger_are_arguments(
    store: Store, ask: Ask, tmp_path: Path
) -> None:
    folder = os.fsdecode(os.fsencode(tmp_path) + b"/nu\xff")
    os.mkdir(folder)  # noqa: PTH102
    write(Path(folder) / "x.log", tsv(flows(3)))
    assert pipeline.ingest(store, [folder]).total("rows_loaded") == 3
    ((name,),) = ask("SELECT path FROM etl.file")
    assert name.startswith("file://")
    pipeline.unload(store, [name])
    assert pipeline.ingest(store, [name], replace=True).total("rows_loaded") == 3
    plain = write(tmp_path / "y.log", tsv(flows(4, 50)))
    assert pipeline.ingest(store, [plain.as_uri()]).total("rows_loaded") == 4
    assert ask("SELECT count(*) FROM etl.file WHERE path = :path", path=str(plain)) == [(1,)]


def test_explain_of_an_empty_folder_and_a_dry_run_with_a_span(command: Command, tmp_path: Path) -> None:
    (tmp_path / "none").mkdir()
    done = command("explain", tmp_path / "none")
    assert done.returncode == 2
    assert "is a folder; name one file of it" in done.stderr
    for hour in (8, 9):
        name = f"conn.{hour:02}:00:00-{hour + 1:02}:00:00.log"
        write(tmp_path / "logs" / "2026-03-01" / name, tsv(flows(2, hour)))
    done = command("ingest", "--dry-run", "--json", "--since", "2026-03-01T09:00", tmp_path / "logs")
    assert json.loads(done.stdout)["files"] == 1
    assert command("ingest", "--dry-run", "--since", "garbage", tmp_path / "logs").returncode == 2


def test_a_window_is_quiet_when_all_of_its_hours_are(store: Store, ask: Ask) -> None:
    for day in (1, 2, 4):
        ask(
            "INSERT INTO etl.file (path, size, mtime, sensor, state, window_start, window_end, rows_read, rows_loaded,"
            " rows_duplicate, rows_quarantined) VALUES (:path, 1, now(), 's', 'published', :start,"
            " CAST(:start AS timestamptz) + interval '1 day', 0, 0, 0, 0)",
            path=f"/{day}",
            start=datetime(2024, 5, day, tzinfo=UTC),
        )
    assert quiet_gaps(store, ()) == quiet_gaps(store, (0, 1, 2)) == [3]
    assert quiet_gaps(store, tuple(range(24))) == []


def quiet_gaps(store: Store, hours: tuple[int, ...]) -> list[int]:
    with store.session() as connection:
        return [gap.window_start.day for gap in windows.gaps(connection, Settings(quiet_hours=hours))]

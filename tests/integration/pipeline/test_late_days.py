"""A day of hourly logs that comes late, twice, cut and then whole, and out of order: the same table as at once."""

from __future__ import annotations

import gzip
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

from etl import pipeline
from etl.database.store import Store
from etl.monitoring import verify
from tests.logs import flows, json_lines, tsv, write

Ask = Callable[..., list[tuple[Any, ...]]]
HOURS = 24
ROWS = 30


def _hour(number: int) -> bytes:
    """An hour's log; a few of its connections are in the next one too, as after an unclean restart."""
    rows = flows(ROWS + 3, number * ROWS)
    return json_lines(rows) if number % 5 == 4 else tsv(rows)


def _name(folder: Path, number: int) -> Path:
    return folder / "2026-03-01" / f"conn.{number:02d}:00:00-{(number + 1) % HOURS:02d}:00:00.log.gz"


def test_a_day_that_comes_late_twice_cut_and_out_of_order(
    store: Store, ask: Ask, faults: Callable[[], list[verify.Disagreement]], tmp_path: Path
) -> None:
    rng = random.Random(24)
    hours = list(range(HOURS))
    rng.shuffle(hours)
    for start in range(0, HOURS, 6):
        for number in hours[start : start + 6]:
            whole = gzip.compress(_hour(number), mtime=0)
            cut = whole[: len(whole) * 2 // 3] if number % 3 == 0 else whole
            path = _name(tmp_path / "first", number)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(cut)
        pipeline.ingest(store, [str(tmp_path / "first")])
    for number in range(HOURS):
        write(_name(tmp_path / "first", number), _hour(number))
        write(_name(tmp_path / "again", number), _hour(number))
    for folder in ("first", "again", "first"):
        pipeline.ingest(store, [str(tmp_path / folder)])
    expected = {row["uid"]: row for number in range(HOURS) for row in flows(ROWS + 3, number * ROWS)}
    found = ask("SELECT event_uid, src_port, dst_bytes, etl_file_id FROM zeek.conn")
    assert len(found) == len(expected)
    assert {uid: (port, size) for uid, port, size, _ in found} == {
        uid: (row["id.orig_p"], row["resp_bytes"]) for uid, row in expected.items()
    }
    assert ask("SELECT count(*) FROM etl.quarantine WHERE state = 'open'") == [(0,)]
    assert ask("SELECT DISTINCT state FROM etl.file ORDER BY 1") == [
        ("known",),
        ("published",),
        ("superseded",),
    ]
    assert faults() == []

"""``unload`` and ``ingest --replace``: what was loaded is taken back or loaded again, and no other file loses by it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from etl import pipeline
from etl.database.store import Store
from etl.errors import Misuse
from etl.monitoring import verify
from tests.logs import flow, flows, tsv, write

Ask = Callable[..., list[tuple[Any, ...]]]
Faults = Callable[[], list[verify.Disagreement]]


def _load(store: Store, *paths: Path, **options: Any) -> pipeline.Summary:
    return pipeline.ingest(store, [str(path) for path in paths], **options)


def _states(ask: Ask) -> dict[str, str]:
    return {
        Path(path).name: state for path, state in ask("SELECT path, state FROM etl.file ORDER BY etl_file_id")
    }


def _uids(ask: Ask) -> list[str]:
    return [uid for (uid,) in ask("SELECT event_uid FROM zeek.conn ORDER BY 1")]


def test_a_file_is_unloaded_with_its_quarantine(
    store: Store, ask: Ask, faults: Faults, tmp_path: Path
) -> None:
    log = write(tmp_path / "conn.log", tsv([*flows(20), flow(20, id_resp_h="8.8.8.999")]))
    other = write(tmp_path / "other.log", tsv(flows(5, 100)))
    _load(store, log, other)
    done = pipeline.unload(store, [str(log)])
    assert (done.rows, len(done.undone), done.again) == (20, 1, [])
    assert ask("SELECT count(*), count(DISTINCT etl_file_id) FROM zeek.conn") == [(5, 1)]
    assert ask("SELECT state FROM etl.quarantine") == [("closed",)]
    assert _states(ask) == {"conn.log": "unloaded", "other.log": "published"}
    assert faults() == []
    assert _load(store, log).total("rows_loaded") == 0
    assert _load(store, log, replace=True).total("rows_loaded") == 20
    assert ask("SELECT state FROM etl.quarantine") == [("open",)]
    assert faults() == []


def test_a_run_is_unloaded_with_all_its_files(store: Store, ask: Ask, faults: Faults, tmp_path: Path) -> None:
    first = _load(store, write(tmp_path / "a.log", tsv(flows(5))))
    second = _load(
        store, write(tmp_path / "b.log", tsv(flows(5, 10))), write(tmp_path / "c.log", tsv(flows(5, 20)))
    )
    assert pipeline.unload(store, [second.run_id]).rows == 10
    assert _states(ask) == {"a.log": "published", "b.log": "unloaded", "c.log": "unloaded"}
    assert pipeline.unload(store, [first.run_id]).rows == 5
    assert faults() == []


def test_rows_that_another_file_holds_come_back_from_there(
    store: Store, ask: Ask, faults: Faults, tmp_path: Path
) -> None:
    first = write(tmp_path / "first.log", tsv(flows(10)))
    second = write(tmp_path / "second.log", tsv(flows(10, 5)))
    third = write(tmp_path / "third.log", tsv(flows(10, 8)))
    _load(store, first)
    _load(store, second, third)
    wanted = ask("SELECT event_uid FROM zeek.conn WHERE event_uid >= 'C00000000000000005' ORDER BY 1")
    done = pipeline.unload(store, [str(first)])
    assert sorted(Path(f.path).name for f in done.again) == ["second.log", "third.log"]
    assert ask("SELECT event_uid FROM zeek.conn ORDER BY 1") == wanted
    assert ask(
        "SELECT rows_loaded, rows_duplicate FROM etl.file WHERE state = 'published' ORDER BY path"
    ) == [(10, 0), (3, 7)]
    assert faults() == []


def test_a_row_that_lost_to_a_conflict_comes_in_once_the_first_is_gone(
    store: Store, ask: Ask, faults: Faults, tmp_path: Path
) -> None:
    first = write(tmp_path / "first.log", tsv(flows(10)))
    second = write(tmp_path / "second.log", tsv([flow(3, orig_bytes=424242)]))
    _load(store, first)
    _load(store, second)
    assert ask("SELECT rule FROM etl.quarantine") == [("identity_conflict",)]
    pipeline.unload(store, [str(first)])
    assert ask("SELECT src_bytes FROM zeek.conn") == [(424242,)]
    assert ask("SELECT count(*) FROM etl.quarantine") == [(0,)]
    assert faults() == []


def test_unload_refuses_where_rows_would_be_lost_to_a_file_that_is_gone(
    store: Store, ask: Ask, faults: Faults, tmp_path: Path
) -> None:
    first = write(tmp_path / "first.log", tsv(flows(10)))
    second = write(tmp_path / "second.log", tsv(flows(10, 5)))
    _load(store, first)
    _load(store, second)
    second.unlink()
    with pytest.raises(Misuse, match=r"second.log shares 5 of these rows"):
        pipeline.unload(store, [str(first)])
    assert len(_uids(ask)) == 15
    assert _states(ask) == {"first.log": "published", "second.log": "published"}
    assert pipeline.unload(store, [str(first), str(second)]).rows == 15
    assert faults() == []


def test_copies_of_the_bytes_go_with_the_file(store: Store, ask: Ask, faults: Faults, tmp_path: Path) -> None:
    log = write(tmp_path / "conn.log", tsv(flows(5)))
    write(tmp_path / "conn.log.gz", tsv(flows(5)))
    _load(store, tmp_path)
    assert sorted(_states(ask).values()) == ["known", "published"]
    pipeline.unload(store, [str(log)])
    assert set(_states(ask).values()) == {"unloaded"}
    assert _uids(ask) == []
    assert faults() == []


def test_all_versions_of_a_path_are_unloaded(store: Store, ask: Ask, faults: Faults, tmp_path: Path) -> None:
    log = write(tmp_path / "conn.log", tsv(flows(5)))
    _load(store, log)
    write(log, tsv(flows(10)))
    _load(store, log)
    assert ask("SELECT state, rows_loaded FROM etl.file ORDER BY 1") == [("published", 5), ("superseded", 5)]
    assert pipeline.unload(store, [str(log)]).rows == 10
    assert faults() == []


def test_unload_of_what_was_never_loaded_is_misuse(store: Store, tmp_path: Path) -> None:
    with pytest.raises(Misuse, match="nothing is loaded from it"):
        pipeline.unload(store, [str(tmp_path / "nothing.log")])


def test_replace_loads_the_same_rows_again(store: Store, ask: Ask, faults: Faults, tmp_path: Path) -> None:
    log = write(tmp_path / "conn.log", tsv([*flows(10), flow(10, id_resp_h="8.8.8.999")]))
    _load(store, log)
    rows = ask("SELECT * FROM zeek.conn ORDER BY 1, event_uid")
    summary = _load(store, log, replace=True)
    assert [summary.total(term) for term in pipeline.TERMS] == [11, 10, 0, 1]
    assert ask("SELECT * FROM zeek.conn ORDER BY 1, event_uid") == rows
    assert ask("SELECT count(*) FROM etl.file") == [(1,)]
    assert faults() == []


def test_replace_by_a_new_version_takes_the_old_rows_along(
    store: Store, ask: Ask, faults: Faults, tmp_path: Path
) -> None:
    log = write(tmp_path / "conn.log", tsv(flows(10)))
    leaning = write(tmp_path / "leaning.log", tsv(flows(3, 8)))
    copy = write(tmp_path / "copy.log.gz", tsv(flows(2)))
    _load(store, log)
    _load(store, leaning, copy)
    write(log, tsv([flow(0, orig_bytes=1), *flows(3, 50)]))
    _load(store, log, replace=True)
    assert ask("SELECT src_bytes FROM zeek.conn WHERE event_uid = 'C00000000000000000'") == [(1,)]
    numbers = [int(uid[1:]) for uid in _uids(ask)]
    assert numbers == [0, 1, 8, 9, 10, 50, 51, 52]
    assert ask("SELECT state FROM etl.file WHERE path = :path ORDER BY 1", path=str(log)) == [
        ("published",),
        ("unloaded",),
    ]
    assert [f.what for f in faults()] == []


def test_a_failed_replacement_leaves_all_as_it_was(
    store: Store, ask: Ask, faults: Faults, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = write(tmp_path / "conn.log", tsv(flows(10)))
    _load(store, log)
    rows = ask("SELECT * FROM zeek.conn ORDER BY 1")
    ledger = (
        "SELECT digest, rows_read, rows_loaded, min_timestamp, max_timestamp, mapping_version FROM etl.file"
    )
    recorded = ask(ledger)
    monkeypatch.setattr("etl.source.opened", _gone)
    summary = _load(store, log, replace=True)
    assert [(r.state, r.kind) for r in summary.became_bad] == [("published", "not_replaced")]
    assert ask("SELECT * FROM zeek.conn ORDER BY 1") == rows
    assert ask(ledger) == recorded
    assert faults() == []


def _gone(_: str) -> None:
    from etl.errors import Unreadable

    raise Unreadable("it cannot be opened: gone")


def test_readers_never_see_a_replacement_half_done(store: Store, ask: Ask, tmp_path: Path) -> None:
    log = write(tmp_path / "conn.log", tsv(flows(3_000)))
    _load(store, log)
    seen: set[int] = set()
    done = threading.Event()

    def look() -> None:
        while not done.is_set():
            seen.add(ask("SELECT count(*) FROM zeek.conn")[0][0])

    reader = threading.Thread(target=look)
    reader.start()
    _load(store, log, replace=True)
    done.set()
    reader.join()
    assert seen == {3_000}

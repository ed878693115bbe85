"""A batch survives any one of its files: the others are published, the bad one has a state and a reason."""

from __future__ import annotations

import gzip
import json
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from etl import pipeline
from etl.database.store import Store
from etl.loading import stage
from etl.pipeline import steps
from etl.settings import Settings
from tests.integration.conftest import Ask
from tests.logs import flow, flows, json_lines, tsv, write

Damage = Callable[[pytest.MonkeyPatch], None]
LONG = "x" * 8_000


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two good files around one that a test fills."""
    write(tmp_path / "conn-a.log", tsv(flows(10)))
    write(tmp_path / "conn-c.log", json_lines(flows(10, 100)))
    return tmp_path


def bytes_of(**changes: Any) -> bytes:
    return json_lines([*flows(5, 50), flow(55, **changes)])


def nested(depth: int) -> bytes:
    deep = "[" * depth + "]" * depth
    return json_lines(flows(5, 50)) + json_lines([flow(56)]).rstrip(b"}\n") + f',"deep":{deep}}}\n'.encode()


POISON: dict[str, tuple[bytes, set[str]]] = {
    "an object without a known key": (b'{"a":1}\n', {"refused", "skipped", "failed"}),
    "one key, plain text": (b'{"name":"a"}\n', {"refused", "skipped", "failed"}),
    "nothing but a line end": (b"\n", {"published", "refused"}),
    "a uid that no index can hold": (bytes_of(uid=LONG), {"failed", "published"}),
    "a key of 8 kB": (bytes_of(**{LONG: 1}), {"published"}),
    "a service of 8 kB": (bytes_of(service=LONG), {"published"}),
    "a zero byte in extra": (bytes_of(note="a\0b"), {"published"}),
    "a zero byte in a key": (bytes_of(**{"a\0b": 1}), {"published", "failed"}),
    "half a surrogate": (
        json_lines(flows(5, 50)) + json_lines([flow(56)]).rstrip(b"}\n") + b',"note":"\\ud800"}\n',
        {"published"},
    ),
    "nesting of 300": (nested(300), {"published", "failed"}),
    "nesting of 20,000": (nested(20_000), {"published", "failed"}),
    "a number that no jsonb holds": (
        json_lines(flows(5, 50)) + json_lines([flow(56)]).rstrip(b"}\n") + b',"note":1e999999}\n',
        {"published", "failed"},
    ),
    "half of a gzip": (gzip.compress(tsv(flows(500, 50)))[:900], {"incomplete", "refused", "failed"}),
    "a header alone": (tsv([]), {"published"}),
}


@pytest.mark.parametrize("name", sorted(POISON))
def test_the_good_files_are_there_whatever_one_file_has(
    name: str, store: Store, ask: Ask, faults: Callable[[], list[object]], folder: Path
) -> None:
    content, states = POISON[name]
    path = folder / "conn-b.log"
    path.write_bytes(content)
    summary = pipeline.ingest(store, [str(folder)])
    result = next(r for r in summary.results if r.path == str(path))
    assert result.state in states, result
    assert result.reason or result.state == "published"
    assert [r.state for r in summary.results if r.path != str(path)] == ["published"] * 2
    good = "SELECT count(*) FROM zeek.conn INNER JOIN etl.file USING (etl_file_id) WHERE path <> :path"
    assert ask(good, path=str(path)) == [(20,)]
    assert faults() == []
    again = pipeline.ingest(store, [str(folder)])
    assert again.became_bad == []
    assert again.problem is None


class Planted(Exception):
    """Not foreseen by anybody."""


def breaks(reader: Any, error: BaseException) -> Callable[..., Any]:
    """A reader that gives out its first block and then raises, for the file of the name conn-b.log."""
    from contextlib import contextmanager

    @contextmanager
    def opened(path: str, settings: Settings) -> Iterator[Any]:
        with reader(path, settings) as real:
            if not path.endswith("conn-b.log"):
                yield real
                return

            class Broken:
                def small(self) -> None:
                    return None

                def __iter__(self) -> Iterator[Any]:
                    yield from real
                    raise error

                def scan(self) -> Any:
                    return real.scan()

            yield Broken()

    return opened


@pytest.mark.parametrize(
    "error",
    [
        Planted("boom"),
        MemoryError(),
        RecursionError("deep"),
        AssertionError("no"),
        KeyError("k\0ey"),
        UnicodeError("?"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_an_unforeseen_error_while_a_file_is_read_is_that_files_failure(
    error: Exception,
    store: Store,
    ask: Ask,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    write(folder / "conn-b.log", tsv(flows(10, 50)))
    monkeypatch.setattr(steps, "reader_of", breaks(steps.reader_of, error))
    monkeypatch.setattr(stage, "FLUSH_BYTES", 10)  # rows of the file are in staging before it breaks
    with caplog.at_level(logging.ERROR):
        summary = pipeline.ingest(store, [str(folder)])
    assert [r.state for r in summary.results] == ["published", "failed", "published"]
    assert summary.results[1].kind == "unforeseen"
    assert type(error).__name__ in str(summary.results[1].reason)
    assert [type(record.exc_info[1]) for record in caplog.records if record.exc_info] == [type(error)]
    assert ask("SELECT count(*) FROM zeek.conn") == [(20,)]
    assert len(summary.became_bad) == 1
    assert pipeline.ingest(store, [str(folder)]).became_bad == []
    monkeypatch.undo()
    assert pipeline.ingest(store, [str(folder)], retry=True).total("rows_loaded") == 10


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(1)], ids=["Ctrl-C", "exit"])
def test_being_stopped_is_no_matter_of_a_file(
    error: BaseException, store: Store, ask: Ask, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(folder / "conn-b.log", tsv(flows(10, 50)))
    monkeypatch.setattr(steps, "reader_of", breaks(steps.reader_of, error))
    with pytest.raises(type(error)):
        pipeline.ingest(store, [str(folder)])
    assert ask("SELECT DISTINCT state FROM etl.file") == [("found",)]


TRIGGER = """
CREATE FUNCTION public.refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM etl.file WHERE etl_file_id = new.etl_file_id AND path LIKE '%conn-b.log') THEN
        RAISE EXCEPTION 'not this one' USING ERRCODE = '{code}';
    END IF;
    RETURN new;
END $$;
GRANT EXECUTE ON FUNCTION public.refuse() TO public;
CREATE TRIGGER refuse BEFORE {event} ON {table} FOR EACH ROW {when} EXECUTE FUNCTION public.refuse();
"""


@pytest.mark.parametrize(
    ("table", "event", "when"),
    [
        ("zeek.conn", "INSERT", ""),
        ("etl.quarantine", "INSERT", ""),
        ("etl.expectation_result", "INSERT", ""),
        ("etl.file", "UPDATE", "WHEN (new.rows_staged > 0 AND new.rows_failed IS NULL)"),
        ("etl.file", "UPDATE", "WHEN (new.rows_loaded > 0)"),
    ],
    ids=["insert", "quarantine", "verdicts", "what was read", "the end"],
)
@pytest.mark.parametrize("way", ["command", "steps"])
def test_what_the_database_refuses_of_one_file_stops_no_other(
    way: str,
    table: str,
    event: str,
    when: str,
    store: Store,
    ask: Ask,
    faults: Callable[[], list[object]],
    folder: Path,
) -> None:
    bad = [*flows(9, 50), flow(59, conn_state="??")]
    write(folder / "conn-b.log", tsv(bad))
    ask(TRIGGER.format(table=table, event=event, when=when, code="22000"))
    if way == "command":
        pipeline.ingest(store, [str(folder)])
    else:
        settled = Store.open(
            str(store.url.render_as_string(hide_password=False)), Settings(settle_after="0s")
        )
        pipeline.begin(settled, "run", "dag", {})
        for batch in pipeline.discover(settled, "run", [str(folder)]):
            for step in (pipeline.stage, pipeline.validate, pipeline.publish):
                step(settled, batch)
    states = ask("SELECT state FROM etl.file ORDER BY path")
    assert states == [("published",), ("failed",), ("published",)]
    assert "not this one" in ask("SELECT reason FROM etl.file WHERE state = 'failed'")[0][0]
    assert ask("SELECT count(*) FROM zeek.conn") == [(20,)]
    ask(f"DROP TRIGGER refuse ON {table}")
    assert faults() == []


def test_a_path_that_the_ledger_cannot_index_is_reported(store: Store, ask: Ask, folder: Path) -> None:
    deep = folder
    for number in range(12):
        deep /= f"{number:02}" + "".join(chr(0x4E00 + (number * 991 + i * 37) % 20_000) for i in range(80))
    deep.mkdir(parents=True)
    write(deep / "conn.log", tsv(flows(3, 70)))
    summary = pipeline.ingest(store, [str(folder)])
    assert [(r.state, r.kind) for r in summary.results if r.state != "published"] == [
        ("failed", "path_too_long")
    ]
    assert ask("SELECT count(*) FROM zeek.conn") == [(20,)]
    assert pipeline.ingest(store, [str(folder)]).became_bad == []


def test_a_file_without_room_stops_no_other(store: Store, ask: Ask, folder: Path) -> None:
    from shutil import disk_usage

    free = disk_usage("/").free
    for name, size in (("conn-b.log", 300 << 30), ("conn-d.log", free // 20 + (1 << 30))):
        with (folder / name).open("wb") as file:
            file.truncate(size)
    write(folder / "conn-e.log", tsv(flows(5, 300)))
    summary = pipeline.ingest(store, [str(folder)])
    states = {Path(r.path).name: r.state for r in summary.results}
    assert states["conn-a.log"] == states["conn-c.log"] == states["conn-e.log"] == "published"
    assert states["conn-b.log"] in ("refused", "found")
    assert states["conn-d.log"] == "found"
    assert summary.problem is not None
    assert summary.problem.kind == "no_room"
    assert ask("SELECT count(*) FROM zeek.conn") == [(25,)]
    assert json.dumps([r.reason for r in summary.results]).count("MiB") == 2

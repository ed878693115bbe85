"""Lines in quarantine: what is at fault in each, what is refused as unknown, what replaces them."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from etl import pipeline
from etl.database.store import Store
from etl.errors import Misuse
from etl.quarantine.discard import discard
from etl.quarantine.export import export
from etl.quarantine.lines import QuarantineFilter, listed, shown
from etl.quarantine.replay import replay
from etl.settings import Settings
from tests.integration.conftest import Ask
from tests.logs import flow, flows, json_lines, tsv, write

AT_FAULT: list[tuple[dict[str, Any], str, str]] = [
    ({"id_resp_h": "8.8.8.999"}, "id.resp_h", "8.8.8.999"),
    ({"orig_bytes": "many"}, "orig_bytes", "many"),
    ({"ts": "yesterday"}, "ts", "yesterday"),
    ({"conn_state": "??"}, "conn_state", "??"),
    ({"proto": "pigeon"}, "proto", "pigeon"),
    ({"history": "Sh!"}, "history", "Sh!"),
]


@pytest.mark.parametrize("writer", [tsv, json_lines])
def test_a_list_has_the_field_at_fault_and_its_value(
    writer: Callable[..., bytes], store: Store, tmp_path: Path
) -> None:
    if writer is json_lines:
        rows = [flow(n, **c) for n, (c, f, _) in enumerate(AT_FAULT) if f != "ts"]
    else:
        rows = [flow(n, **changes) for n, (changes, _, _) in enumerate(AT_FAULT)]
    write(tmp_path / "conn.log", writer([*rows, *flows(20, 100)]))
    pipeline.ingest(store, [str(tmp_path)])
    with store.session() as connection:
        lines = listed(connection, QuarantineFilter(), None, 100)
        wanted = {(f, v) for _, f, v in AT_FAULT if writer is tsv or f != "ts"}
        assert {(line.field, line.value) for line in lines} == wanted
        for line in lines:
            one = shown(connection, line.quarantine_id)
            assert line.field is not None
            assert one["cells"][line.field] == line.value


@pytest.fixture
def loaded(store: Store, tmp_path: Path) -> Path:
    """A log with two bad lines."""
    path = tmp_path / "conn.log"
    rows = [*flows(20), flow(20, id_resp_h="8.8.8.999"), flow(21, conn_state="??")]
    write(path, tsv(rows))
    pipeline.ingest(store, [str(path)])
    return path


@pytest.mark.parametrize(
    ("wanted", "state", "said"),
    [
        ({}, "opened", "choose one of open, replayed, discarded, closed"),
        ({"rule": "type.dst_ip"}, None, "there are type.dst_ip_addr"),
        ({"rule": "no such thing"}, None, "enum.network_connection_state, type.dst_ip_addr"),
        ({"path": "/elsewhere/conn.log"}, None, "conn.log"),
    ],
)
def test_what_no_line_has_is_refused_with_the_choices(
    wanted: dict[str, str], state: str | None, said: str, store: Store, loaded: Path
) -> None:
    assert loaded.exists()
    chosen = QuarantineFilter(**wanted)
    with store.session() as connection, pytest.raises(Misuse) as refused:
        listed(connection, chosen, state, 10)
    assert said in str(refused.value)
    if wanted:
        for act in (replay, discard):
            with pytest.raises(Misuse, match="no line in quarantine has the"):
                act(store, chosen, actor="me", why="a test")


@pytest.mark.parametrize("writer", [tsv, json_lines])
def test_lines_that_were_exported_and_corrected_are_closed_as_replaced(
    writer: Callable[..., bytes], store: Store, ask: Ask, faults: Callable[[], list[object]], tmp_path: Path
) -> None:
    rows = [*flows(20), flow(20, id_resp_h="8.8.8.999"), flow(21, conn_state="??"), flow(22, proto="pigeon")]
    write(tmp_path / "conn.log", writer(rows))
    pipeline.ingest(store, [str(tmp_path / "conn.log")])
    before = "SELECT count(*) FROM etl.quarantine WHERE state = 'open'"
    assert ask(before) == [(3,)]
    text = io.StringIO()
    export(store, QuarantineFilter(), text, as_log=True)
    fixed = text.getvalue().replace("8.8.8.999", "8.8.8.9").replace("??", "SF")
    path = write(tmp_path / "fixed.log", fixed.encode())
    assert pipeline.ingest(store, [str(path)]).total("rows_loaded") == 2
    lines = ask(
        "SELECT q.state, q.resolution LIKE 'replaced by line % of %fixed.log' FROM etl.quarantine AS q "
        "INNER JOIN etl.file AS f USING (etl_file_id) WHERE f.path LIKE '%conn.log' ORDER BY q.etl_line"
    )
    assert lines == [("closed", True), ("closed", True), ("open", None)]
    assert ask("SELECT count(*) FROM zeek.conn") == [(22,)]
    assert faults() == []


def test_rows_of_the_same_uid_close_nothing_that_was_not_exported(
    store: Store, ask: Ask, loaded: Path, tmp_path: Path
) -> None:
    assert loaded.exists()
    pipeline.ingest(store, [str(write(tmp_path / "again.log", tsv([flow(20), flow(21)])))])
    assert ask("SELECT DISTINCT state FROM etl.quarantine") == [("open",)]


def test_a_refused_copy_that_is_known_when_it_is_judged_again_leaves_no_line_open(
    database_url: str, ask: Ask, tmp_path: Path
) -> None:
    """Found by chaos (a server's clock that was wrong): rows were in the table, and open in quarantine too."""
    for name in ("a.log", "b.log.gz"):
        write(tmp_path / name, tsv(flows(5)))
    late = Store.open(
        database_url, Settings.model_validate({"attempts": 1, "earliest": "2026-06-01T00:00:00Z"})
    )
    assert {r.state for r in pipeline.ingest(late, [str(tmp_path)]).results} == {"refused"}
    assert ask("SELECT count(*) FROM etl.quarantine WHERE state = 'open'") == [(10,)]
    right = Store.open(database_url, Settings(attempts=1))
    again = pipeline.ingest(right, [str(tmp_path)], retry=True).results
    assert {r.state for r in again} == {"published", "known"}
    assert ask("SELECT count(*) FROM etl.quarantine") == [(0,)]

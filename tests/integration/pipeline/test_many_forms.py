"""Logs in the forms that people have, through the whole path: other logs skipped, holes noted, quarantine replayed."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.integration.conftest import Ask, Command
from tests.logs import flow, flows, json_lines, write

OTHERS = {
    "dns": {"query": "a.example", "rtt": 0.5},
    "wireguard": {"established": "x", "initiations": "x"},
    "login": {"user": "x"},
    "loaded_scripts": {"name": "x"},
    "capture_loss": {"ts_delta": 0.5, "percent_lost": 0.5},
    "reporter": {"level": "x", "message": "x", "location": "x"},
    "weird_stats": {"name": "x", "num_seen": 3},
}


@pytest.fixture
def said(command: Command) -> Callable[..., dict[str, Any]]:
    def run(*arguments: object, code: int = 0) -> dict[str, Any]:
        done = command(*arguments, "--json")
        assert done.returncode == code, done.stderr
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    return run


def test_other_logs_of_a_folder_are_skipped_and_the_run_is_green(
    said: Callable[..., dict[str, Any]], tmp_path: Path
) -> None:
    for stream, members in OTHERS.items():
        row = {"ts": 1772355600.5, "uid": "C1", "id.orig_h": "192.0.2.7", "proto": "tcp", **members}
        write(tmp_path / f"{stream}.09:00:00-10:00:00.log", json.dumps(row).encode() + b"\n")
    write(tmp_path / "conn.09:00:00-10:00:00.log", json_lines(flows(5)))
    found = said("ingest", tmp_path)
    states = {Path(file["path"]).name.partition(".")[0]: file["state"] for file in found["results"]}
    assert states == {**dict.fromkeys(OTHERS, "skipped"), "conn": "published"}
    assert found["rows_loaded"] == 5


def test_what_can_hold_no_log_is_skipped_beside_one_that_does(
    said: Callable[..., dict[str, Any]], tmp_path: Path
) -> None:
    write(tmp_path / "trace.pcap", b"\xd4\xc3\xb2\xa1\x02\x00\x04\x00" + b"\0" * 16)
    write(tmp_path / "conn.log", json_lines(flows(3)))
    found = said("ingest", tmp_path)
    assert sorted(file["state"] for file in found["results"]) == ["published", "skipped"]


def test_a_log_without_a_known_key_is_refused_and_its_neighbour_loads(
    said: Callable[..., dict[str, Any]], tmp_path: Path
) -> None:
    write(tmp_path / "app.ndjson", b'{"name":"a"}\n{"name":"b"}\n')
    write(tmp_path / "conn.log", json_lines([flow(1, **{"k" * 8_192: 1}), *flows(4, 2)]))
    found = said("ingest", tmp_path, code=1)
    states = {Path(file["path"]).name: file["state"] for file in found["results"]}
    assert states == {"app.ndjson": "refused", "conn.log": "published"}
    assert found["rows_loaded"] == 5


def test_a_hole_and_an_emptied_file_are_told_by_the_ledger(
    said: Callable[..., dict[str, Any]], ask: Ask, tmp_path: Path
) -> None:
    write(tmp_path / "conn.log", b"\0" * 70_000 + json_lines(flows(5)))
    (tmp_path / "conn.09:00:00-10:00:00.log.gz").write_bytes(b"")
    said("ingest", tmp_path)
    rows = ask("SELECT path, state, reason FROM etl.file")
    reasons = {Path(path).name: (state, reason) for path, state, reason in rows}
    assert reasons["conn.log"][0] == "published"
    assert "70,000 NUL bytes" in reasons["conn.log"][1]
    assert reasons["conn.09:00:00-10:00:00.log.gz"][0] == "incomplete"


def test_wrapped_lines_of_quarantine_are_replayed(
    said: Callable[..., dict[str, Any]], command: Command, ask: Ask, tmp_path: Path
) -> None:
    rows = [flow(1), flow(2, conn_state="REG"), flow(3)]
    lines = [
        json.dumps({"_index": "z", "_source": json.loads(line)}) for line in json_lines(rows).splitlines()
    ]
    write(tmp_path / "conn.log", "".join(line + "\n" for line in lines).encode())
    assert said("ingest", tmp_path)["rows_quarantined"] == 1
    ((raw, stored),) = ask("SELECT raw, format FROM etl.quarantine_line")
    assert (bytes(raw).decode(), stored["wrapping"]) == (lines[1], ["key:_source"])
    severity = json.dumps({"enum.network_connection_state": "warning"})
    done = command("quarantine", "replay", "--all", "--why", "a test", CONN_ETL_RULE_SEVERITY=severity)
    assert done.returncode == 0, done.stderr
    assert ask("SELECT count(*) FROM zeek.conn") == [(3,)]

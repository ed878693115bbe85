"""What ``conn-etl quarantine`` says to people: lists, both versions of a conflict, what was done, exports."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from etl import pipeline
from etl.database.store import Store
from tests.cli_output import Say
from tests.cli_output import say as say  # noqa: PLC0414  a fixture
from tests.integration.conftest import BINARY, Ask
from tests.logs import flow, flows, tsv, write

STATE = "enum.network_connection_state"


@pytest.fixture
def logs(store: Store, tmp_path: Path) -> tuple[Path, Path]:
    """Two logs that are loaded: one with a word that is no state and an address that is none, one with a conflict."""
    bad = [*flows(20), flow(20, conn_state="REG"), flow(21, id_orig_h="8.8.8.999", uid="C[red]:abc:\x07")]
    first = write(tmp_path / "logs" / "a.log", tsv(bad))
    second = write(tmp_path / "logs" / "b.log", tsv([flow(3, orig_bytes=77), flow(40)]))
    for path in (first, second):
        pipeline.ingest(store, [str(path)])
    return first, second


def number(ask: Ask, reason: str) -> int:
    ((found,),) = ask("SELECT quarantine_id FROM etl.quarantine WHERE reason = :reason", reason=reason)
    return int(found)


def test_list_is_a_line_for_each_with_its_number(say: Say, ask: Ask, logs: tuple[Path, Path]) -> None:
    said = say("quarantine", "list")
    assert said.rows[:2] == [["Quarantine"], ["id", "file", "line", "rule", "reason", "field", "state"]]
    first, second = map(str, logs)
    assert sorted(said.rows[2:]) == sorted(
        [
            [str(number(ask, STATE)), first, "29", STATE, STATE, *["conn_state", "=", "REG"], "open"],
            [
                str(number(ask, "not_an_ip")),
                first,
                "30",
                "type.src_ip_addr",
                "not_an_ip",
                *["id.orig_h", "=", "8.8.8.999"],
                "open",
            ],
            [str(number(ask, "identity_conflict")), second, "9", *["identity_conflict"] * 2, "open"],
        ]
    )
    assert say("quarantine", "list", "--state", "discarded").out == "Quarantine: none\n"
    assert [row[1] for row in say("quarantine", "list", "--file", second).rows[2:]] == [second]


def test_show_sets_both_versions_of_a_conflict_side_by_side(
    say: Say, ask: Ask, logs: tuple[Path, Path]
) -> None:
    said = say("quarantine", "show", number(ask, "identity_conflict"))
    assert ["path", str(logs[1])] in said.rows
    assert ["state", "open"] in said.rows
    assert ["column", "as", "mapped", "in", "the", "table"] in said.rows
    assert ["src_bytes", "77", "9"] in said.rows
    assert ["network_protocol", "tcp", "tcp"] in said.rows
    assert "Done about it" not in said.out


def test_show_of_a_line_without_a_row_has_its_bytes_as_they_are(
    say: Say, ask: Ask, logs: tuple[Path, Path]
) -> None:
    """No colour for [red], no picture for :abc:, no bell."""
    assert all(logs)
    said = say("quarantine", "show", number(ask, "not_an_ip"))
    (raw,) = [line for line in said.out.splitlines() if line.split()[:1] == ["raw"]]
    assert r"C[red]:abc:\x07\t8.8.8.999" in raw
    lines = said.out.splitlines()
    (under,) = [number for number, line in enumerate(lines) if set(line) == {" ", "^"}]
    names, cells, marks = lines[under - 2 : under + 1]
    begin = marks.index("^")
    assert names[begin:].startswith("id.orig_h  ")
    assert cells[begin:].startswith("8.8.8.999  ")
    assert marks[begin:] == "^" * len("8.8.8.999")
    assert r"C[red]:abc:\x07  " in cells
    assert "Values" not in said.out


def test_what_was_done_about_a_line_is_shown_with_who_and_why(
    say: Say, ask: Ask, logs: tuple[Path, Path]
) -> None:
    assert all(logs)
    which = number(ask, STATE)
    again = say("quarantine", "replay", which, "--why", "perhaps now", LOGNAME="ana")
    assert (again.code, again.rows) == (0, [["Replayed"], ["outcome", "lines"], ["still_bad", "1"]])
    gone = say("quarantine", "discard", which, "--why", "nobody needs it", LOGNAME="ben")
    assert (gone.code, gone.out) == (0, "1 lines discarded\n")
    said = say("quarantine", "show", which)
    assert ["state", "discarded"] in said.rows
    assert ["column", "as", "mapped"] in said.rows  # there is no row in the table to set beside it
    _, _, done = said.out.partition("Done about it")
    assert [line.split()[:4] for line in done.splitlines()[2:]] == [
        ["replay", "still_bad", "ana", "perhaps"],
        ["discard", "discarded", "ben", "nobody"],
    ]


def test_replay_says_how_many_passed_and_what_cannot_be_tried(
    say: Say, ask: Ask, logs: tuple[Path, Path]
) -> None:
    assert all(logs)
    ask("UPDATE etl.quarantine SET raw = NULL WHERE reason = 'not_an_ip'")
    said = say(
        "quarantine", "replay", "--file", logs[0], "--why", "REG is fine",
        CONN_ETL_RULE_SEVERITY=json.dumps({STATE: "warning"}),
    )  # fmt: skip
    assert said.rows[:3] == [["Replayed"], ["outcome", "lines"], ["published", "1"]]
    assert said.rows[3] == ["Not", "replayable"]
    assert said.rows[5][-1] == "1"
    assert ask("SELECT count(*) FROM zeek.conn WHERE network_connection_state = 'REG'") == [(1,)]


def test_export_is_json_lines_on_stdout_and_the_same_in_a_file(
    say: Say, logs: tuple[Path, Path], tmp_path: Path
) -> None:
    shown = say("quarantine", "export", "--rule", STATE)
    (line,) = map(json.loads, shown.out.splitlines())
    assert (line["path"], line["etl_line"], line["reason"]) == (str(logs[0]), 29, STATE)
    assert "\tREG\t" in line["raw"]
    into = say("quarantine", "export", "--rule", STATE, "--out", tmp_path / "kept.json")
    assert (into.code, into.out) == (0, "")
    assert (tmp_path / "kept.json").read_text(encoding="utf-8") == shown.out


def test_export_as_log_is_a_log_on_stdout_and_the_same_in_a_file(
    say: Say, logs: tuple[Path, Path], tmp_path: Path
) -> None:
    shown = say("quarantine", "export", "--as-log")
    say("quarantine", "export", "--as-log", "--out", tmp_path / "mend.log")
    assert (tmp_path / "mend.log").read_text(encoding="utf-8") == shown.out
    written = [path.read_text(encoding="utf-8").splitlines() for path in logs]
    lines = shown.out.splitlines()
    assert [line for line in lines if line.startswith("#fields")] == [written[0][6]]
    assert [line for line in lines if not line.startswith("#")] == [*written[0][28:30], written[1][8]]


@pytest.mark.parametrize("encoding", ["utf-8:surrogateescape", "utf-8:strict", "ascii:strict"])
def test_export_as_log_leaves_bytes_that_are_no_text_as_they_are(
    database_url: str, store: Store, tmp_path: Path, encoding: str
) -> None:
    rows = tsv([*flows(3), flow(3, id_orig_h="x", history="cafe")]).replace(b"cafe", b"caf\xe9")
    pipeline.ingest(store, [str(write(tmp_path / "conn.log", rows))])
    environment = os.environ | {"CONN_ETL_DATABASE_URL": database_url, "PYTHONIOENCODING": encoding}
    done = subprocess.run(
        [BINARY, "quarantine", "export", "--as-log"], capture_output=True, env=environment, check=False
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"\tcaf\xe9\t" in done.stdout

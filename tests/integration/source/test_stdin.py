"""``conn-etl ingest -``: a log that is piped in is a log, whatever it is packed with and however long it is."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from etl import pipeline
from etl.database.store import Store
from etl.errors import Misuse
from tests.integration.conftest import BINARY, Ask, Command
from tests.logs import flow, flows, json_lines, tsv, write


def as_object(result: subprocess.CompletedProcess[str], returncode: int = 0) -> Any:
    assert result.returncode == returncode, result.stderr
    return json.loads(result.stdout)


@pytest.mark.parametrize("packed", [lambda content: content, gzip.compress], ids=["plain", "gz"])
def test_a_piped_log_is_loaded_as_a_file_is(command: Command, ask: Ask, tmp_path: Path, packed: Any) -> None:
    rows = [*flows(20), flow(20, conn_state="REG"), flow(21, ts="x")]
    (first,) = as_object(command("ingest", "-", "--json", piped=packed(tsv(rows))))["results"]
    path = first["path"]
    assert path.startswith("stdin:")
    assert first["state"] == "published"
    assert [first[f"rows_{term}"] for term in ("read", "loaded", "duplicate", "quarantined")] == [
        22,
        20,
        0,
        2,
    ]
    assert ask("SELECT count(*) FROM zeek.conn") == [(20,)]
    # a line that a rule of the gate refused is read again for its bytes: that too works
    assert ask("SELECT rule, raw IS NOT NULL FROM etl.quarantine ORDER BY etl_line") == [
        ("enum.network_connection_state", True),
        ("type.@timestamp", True),
    ]
    again = as_object(command("ingest", "-", "--json", piped=packed(tsv(rows))))
    assert (again["rows_loaded"], [r["state"] for r in again["results"]]) == (0, ["known"])
    copy = write(tmp_path / "conn.log", tsv(rows))
    assert [r["state"] for r in as_object(command("ingest", copy, "--json"))["results"]] == ["known"]
    assert as_object(command("verify", "--json"))["faults"] == []


def test_two_piped_logs_are_two_files(command: Command, ask: Ask) -> None:
    one, two = ([flow(n, conn_state="REG"), *flows(5, n + 1)] for n in (0, 100))
    paths = [
        as_object(command("ingest", "-", "--json", piped=make(rows)))["results"][0]["path"]
        for make, rows in ((tsv, one), (json_lines, two))
    ]
    # neither supersedes the other, so both keep their lines in quarantine
    assert ask("SELECT path, state, rows_loaded FROM etl.file ORDER BY etl_file_id") == [
        (path, "published", 5) for path in paths
    ]
    assert ask("SELECT count(*) FROM etl.quarantine WHERE state = 'open'") == [(2,)]
    assert as_object(command("unload", paths[0], "--json"))["rows"] == 5
    assert ask("SELECT count(*) FROM zeek.conn") == [(5,)]
    # the same bytes again, now that they are not loaded any more
    assert as_object(command("ingest", "-", "--json", piped=tsv(one)))["rows_loaded"] == 5


def test_what_a_call_left_open_is_brought_to_an_end_by_the_next(
    command: Command, ask: Ask, tmp_path: Path
) -> None:
    content = tsv(flows(5))
    usage = shutil.disk_usage(tmp_path)  # more than is free, and not more than the disk
    factor = (usage.free + usage.total) // 2 // len(content)
    assert command("ingest", "-", piped=content, CONN_ETL_DISK_FACTOR=str(factor)).returncode == 2
    assert ask("SELECT state FROM etl.file") == [("found",)]
    assert as_object(command("ingest", "-", "--json", piped=content))["rows_loaded"] == 5
    assert ask("SELECT state FROM etl.file") == [("published",)]


def test_a_piped_log_beside_files_counts_once(command: Command, tmp_path: Path) -> None:
    path = write(tmp_path / "a.log", tsv(flows(5)))
    found = as_object(command("ingest", path, "-", "-", "--json", piped=tsv(flows(3, 50))))
    assert (found["files"], found["rows_loaded"]) == (2, 8)


def test_dry_run_and_explain_take_a_pipe(command: Command, ask: Ask) -> None:
    content = gzip.compress(json_lines([*flows(7), flow(7, orig_bytes="many")]))
    (tried,) = as_object(command("ingest", "-", "--dry-run", "--json", piped=content))["results"]
    assert (tried["state"], tried["rows_read"], tried["rows_quarantined"]) == ("readable", 8, 1)
    explained = as_object(command("explain", "-", "--json", piped=content))
    assert (explained["rows"], explained["compression"], explained["format"]) == (8, "gz", "json")
    assert "would load 7 of its 8 rows" in explained["would"]
    assert ask("SELECT count(*) FROM etl.file") == [(0,)]


@pytest.mark.parametrize(
    ("piped", "words"),
    [
        (b"Dear reader,\n", "neither Zeek TSV"),
        (b"\0\1\2" * 99, "binary"),
        (gzip.compress(b"prose\n"), "neither"),
    ],
    ids=["prose", "binary", "prose.gz"],
)
def test_a_pipe_without_a_conn_log_is_exit_code_2(command: Command, piped: bytes, words: str) -> None:
    result = command("ingest", "-", piped=piped)
    assert result.returncode == 2
    assert words in result.stderr
    assert "Traceback" not in result.stderr


def test_an_empty_pipe_says_that_it_is_empty(command: Command) -> None:
    (found,) = as_object(command("ingest", "-", "--json", piped=b""))["results"]
    assert (found["state"], found["rows_read"]) == ("published", 0)


def test_a_cut_pipe_is_incomplete_and_a_refused_one_can_be_accepted(command: Command) -> None:
    content = gzip.compress(tsv(flows(5_000)))
    (cut,) = as_object(command("ingest", "-", "--json", piped=content[: len(content) // 2]))["results"]
    assert (cut["state"], cut["rows_read"] > 1_000) == ("incomplete", True)
    bad = tsv([flow(n, conn_state="REG" if n % 2 else "SF") for n in range(9_000, 9_400)])
    assert as_object(command("ingest", "-", "--json", piped=bad), 1)["results"][0]["state"] == "refused"
    accepted = as_object(command("ingest", "-", "--accept", "--json", piped=bad))
    assert (accepted["rows_loaded"], accepted["rows_quarantined"]) == (200, 200)


def test_a_closed_stdin_is_misuse(database_url: str, tmp_path: Path) -> None:
    result = subprocess.run(
        ["sh", "-c", f'"{BINARY}" ingest - <&-'],
        capture_output=True, text=True, check=False, cwd=tmp_path, timeout=60,
        env=os.environ | {"CONN_ETL_DATABASE_URL": database_url},
    )  # fmt: skip
    assert result.returncode == 2
    assert result.stderr.startswith("conn-etl: standard input is closed")
    assert "Traceback" not in result.stderr


def test_what_came_by_pipe_is_not_read_by_anybody_else(command: Command, store: Store) -> None:
    """A DAG's param may not make a worker read its own stdin, nor may a name from the ledger be a file."""
    path = as_object(command("ingest", "-", "--json", piped=tsv(flows(3))))["results"][0]["path"]
    result = command("ingest", path)
    assert (result.returncode, "came from stdin, which is gone" in result.stderr) == (2, True)
    with pytest.raises(Misuse, match="-: No such file"):
        pipeline.discover(store, "a-run", ["-"])


def peak(blank: int, folder: Path) -> int:
    """Peak memory in bytes of a dry run over 100 rows and blank lines of a MiB each that come through a pipe."""
    code = (
        "import resource, sys; from etl.cli import main\n"
        "try:\n    main()\nfinally:\n"
        "    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024, file=sys.stderr)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, "ingest", "-", "--dry-run", "--json"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=folder,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[3])},
    ) as process:  # fmt: skip
        assert process.stdin is not None
        process.stdin.write(json_lines(flows(100)))
        for _ in range(blank):
            process.stdin.write(b" " * (1 << 20) + b"\n")
        out, said = process.communicate(timeout=250)
    assert json.loads(out)["results"][0]["rows_read"] == 100
    return int(said.split()[-1])


def test_a_long_pipe_costs_no_memory(tmp_path: Path) -> None:
    short, long = peak(32, tmp_path), peak(512, tmp_path)
    assert long < short + (128 << 20)

"""``conn-etl`` as a person meets it: exit codes, one clear line for each kind of bad input, JSON and nothing else."""

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

from etl.cli import console
from tests.integration.conftest import BINARY, Command
from tests.logs import flow, flows, tsv, write


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """A good log of 20 rows."""
    return write(tmp_path / "logs" / "conn.log", tsv(flows(20)))


def test_ingest_prints_one_object_and_counts_this_call_only(command: Command, log: Path) -> None:
    first, second = (json.loads(command("ingest", log, "--json").stdout) for _ in range(2))
    assert {
        k: first[k] for k in ("files", "rows_read", "rows_loaded", "rows_duplicate", "rows_quarantined")
    } == {
        "files": 1,
        "rows_read": 20,
        "rows_loaded": 20,
        "rows_duplicate": 0,
        "rows_quarantined": 0,
    }
    assert [(r["path"], r["state"], r["reason"], r["rows_loaded"]) for r in first["results"]] == [
        (str(log), "published", None, 20)
    ]
    assert second["rows_read"] == second["rows_loaded"] == 0
    assert second["results"][0]["recorded"] == {
        "rows_read": 20,
        "rows_loaded": 20,
        "rows_duplicate": 0,
        "rows_quarantined": 0,
    }


def test_a_refused_file_is_exit_code_1_once(command: Command, tmp_path: Path) -> None:
    path = write(tmp_path / "conn.log", tsv(flows(150, conn_state="REG")))
    first = command("ingest", path)
    assert first.returncode == 1
    assert "not one of its 150 rows is good" in first.stdout
    assert (
        command("ingest", path, "--json").returncode == 0
    )  # it was refused before, and status still says so
    status = json.loads(command("status", "--json").stdout)
    assert [(p["path"], p["kind"]) for p in status["problems"]] == [(str(path), "over_budget")]
    accepted = json.loads(command("ingest", path, "--accept", "--json").stdout)
    assert (accepted["rows_loaded"], accepted["rows_quarantined"]) == (0, 150)


def test_accept_holds_for_a_file_that_was_never_seen(command: Command, ask: Any, tmp_path: Path) -> None:
    path = write(tmp_path / "conn.log", tsv([*flows(10), *flows(150, 10, conn_state="REG")]))
    found = json.loads(command("ingest", path, "--accept", "--json").stdout)
    assert (found["rows_loaded"], found["rows_quarantined"]) == (10, 150)
    assert ask("SELECT accepted_by IS NOT NULL, accepted_at IS NOT NULL FROM etl.file") == [(True, True)]


def test_an_unloaded_file_says_how_it_comes_back(command: Command, log: Path) -> None:
    command("ingest", log)
    assert json.loads(command("unload", log, "--json").stdout)["rows"] == 20
    again = command("ingest", log, COLUMNS="300")
    assert (again.returncode, "load it again with --replace" in again.stdout) == (0, True)
    assert json.loads(command("ingest", log, "--replace", "--json").stdout)["rows_loaded"] == 20


def test_nobody_who_reads_the_answer_changes_it(database_url: str, tmp_path: Path) -> None:
    """As under ``| head``: the exit code is that of the work."""
    refused = write(tmp_path / "conn.log", tsv(flows(150, conn_state="REG")))
    for arguments, expected in ((("ingest", str(refused)), 1), (("status",), 0), (("status", "--json"), 0)):
        read, nobody_reads = os.pipe()
        os.close(read)
        done = subprocess.run(
            [BINARY, *arguments], stdout=nobody_reads, stderr=subprocess.PIPE, check=False, timeout=120,
            env=os.environ | {"CONN_ETL_DATABASE_URL": database_url},
        )  # fmt: skip
        os.close(nobody_reads)
        assert (done.returncode, done.stderr) == (expected, b""), arguments


def test_a_file_that_cannot_be_written_is_one_line(command: Command, log: Path, tmp_path: Path) -> None:
    command("ingest", log)
    for verb in (("quarantine", "export", "--out"), ("report", "--out")):
        result = command(*verb, log / "below" if verb[0] == "report" else tmp_path / "nowhere" / "x")
        assert (result.returncode, result.stderr.count("\n")) == (2, 1), result.stderr
        assert "conn-etl: /" in result.stderr


def test_a_user_without_a_name_is_a_number(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(os, "getuid", lambda: 3_999_999_999)
    assert console.actor() == "uid 3999999999"


def test_quarantine_show_has_both_versions_of_a_conflict(command: Command, log: Path, tmp_path: Path) -> None:
    command("ingest", log)
    command("ingest", write(tmp_path / "b.log", tsv([flow(3, orig_bytes=77), flow(4)])))
    (line,) = json.loads(command("quarantine", "list", "--reason", "identity_conflict", "--json").stdout)[
        "lines"
    ]
    shown = json.loads(command("quarantine", "show", line["quarantine_id"], "--json").stdout)
    assert (shown["mapped"]["src_bytes"], shown["existing"]["src_bytes"]) == (77, 9)
    assert f"{flow(3)['uid']}\t" in shown["raw"]


def test_dry_run_reads_and_writes_nothing(command: Command, log: Path) -> None:
    result = command(
        "ingest", log, "--dry-run", "--json", CONN_ETL_DATABASE_URL="postgresql://nobody@127.0.0.1:1/x"
    )
    assert (result.returncode, json.loads(result.stdout)["results"][0]["rows_read"]) == (0, 20)


def prepared(folder: Path) -> dict[str, Path]:
    """Inputs that are no conn log, or none that can be read, by what is wrong with them."""
    folder.mkdir()
    return {
        "missing path": folder / "nowhere" / "conn.log",
        "another log": write(folder / "conn.a.log", tsv(flows(3)).replace(b"#path\tconn", b"#path\tdns")),
        "live connections": write(
            folder / "conn.b.log", tsv(flows(3)).replace(b"#path\tconn", b"#path\topen_conn")
        ),
        "binary": write(folder / "conn.c.log", bytes(range(256)) * 40),
        "binary, gzipped": write(folder / "conn.d.log", gzip.compress(bytes(range(256)) * 40)),
        "prose": write(folder / "conn.e.log", b"Dear reader,\nthis is no log.\n"),
        "pretty JSON": write(folder / "conn.f.json", json.dumps(flow(1), indent=2).encode()),
        "empty folder": (folder / "empty", (folder / "empty").mkdir())[0],
    }


WORDS = {
    "missing path": "No such file",
    "another log": "dns",
    "live connections": "open_conn",
    "binary": "",
    "binary, gzipped": "",
    "prose": "",
    "pretty JSON": "JSON",
    "empty folder": "no file at all",
}


@pytest.mark.parametrize("case", sorted(WORDS))
def test_no_conn_log_at_all_is_one_line_and_exit_code_2(command: Command, tmp_path: Path, case: str) -> None:
    result = command("ingest", prepared(tmp_path / "bad")[case])
    assert result.returncode == 2
    message = [line for line in result.stderr.splitlines() if line.startswith("conn-etl: ")]
    assert len(message) == 1
    assert WORDS[case] in message[0]
    assert "Traceback" not in result.stderr


def test_an_unreadable_folder_is_named(command: Command, tmp_path: Path) -> None:
    """Tried as another user: root may read all."""
    if os.geteuid() != 0:
        folder = tmp_path / "closed"
        folder.mkdir(mode=0)
        result = command("ingest", folder)
        assert result.returncode == 2
        assert "permission denied" in result.stderr.lower()
        return
    for parent in (tmp_path, *tmp_path.parents):
        if parent.stat().st_uid == 0 and parent.stat().st_mode & 0o777 == 0o700:
            parent.chmod(0o711)
    closed = tmp_path / "closed"
    closed.mkdir()
    closed.chmod(0o700)
    code = (
        "import os, sys; os.setgid(65534); os.setuid(65534)\n"
        "from etl import source\nfrom etl.errors import ConnEtlError\n"
        "try:\n    list(source.listed(sys.argv[1:]))\n"
        "except ConnEtlError as error:\n    print(type(error).__name__, error)"
    )
    result = subprocess.run(
        [sys.executable, "-c", f"from etl import source, errors\n{code}", str(closed)],
        capture_output=True, text=True, check=True, cwd=Path(__file__).parents[3],
    )  # fmt: skip
    assert "EnvironmentProblem" in result.stdout
    assert "ermission denied" in result.stdout


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("postgresql://nobody:sesame@127.0.0.1:1/flows", "cannot be reached"),
        ("mysql://somebody:sesame@127.0.0.1/flows", "not a PostgreSQL URI"),
        ("no url at all", "not a PostgreSQL URI"),
    ],
)
def test_a_database_that_is_away_or_misnamed(command: Command, log: Path, url: str, words: str) -> None:
    result = command("ingest", log, CONN_ETL_DATABASE_URL=url)
    assert result.returncode == 2
    assert words in result.stderr
    assert "sesame" not in result.stderr + result.stdout
    assert "Traceback" not in result.stderr


def test_a_missing_database_and_a_missing_schema_say_what_to_do(
    command: Command, log: Path, empty_database_url: str
) -> None:
    away = command("ingest", log, CONN_ETL_DATABASE_URL=empty_database_url.replace("/test_", "/gone_"))
    assert (away.returncode, "does not exist" in away.stderr) == (2, True)
    bare = command("ingest", log, CONN_ETL_DATABASE_URL=empty_database_url)
    assert (bare.returncode, "run `conn-etl migrate`" in bare.stderr) == (2, True)
    assert command("migrate", CONN_ETL_DATABASE_URL=empty_database_url).returncode == 0
    assert command("ingest", log, CONN_ETL_DATABASE_URL=empty_database_url).returncode == 0


def test_a_schema_of_another_version_is_not_touched(command: Command, log: Path, ask: Any) -> None:
    ask("UPDATE etl.alembic_version SET version_num = '9999'")
    result = command("ingest", log)
    assert (result.returncode, "schema version 9999" in result.stderr) == (2, True)
    assert ask("SELECT count(*) FROM etl.file") == [(0,)]


def test_too_little_disk_is_told_before_anything_is_staged(command: Command, log: Path, ask: Any) -> None:
    usage = shutil.disk_usage(log.parent)  # more than is free, and not more than the disk
    factor = (usage.free + usage.total) // 2 // log.stat().st_size
    result = command("ingest", log, CONN_ETL_DISK_FACTOR=str(factor))
    assert result.returncode == 2
    assert "MiB free" in result.stderr
    assert ask("SELECT state FROM etl.file") == [("found",)]
    assert ask("SELECT count(*) FROM zeek.conn") == [(0,)]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("CONN_ETL_ERROR_BUDGET_SHARE", "many"),
        # rows of such days would pass the gate and find no partition
        ("CONN_ETL_EARLIEST", "1960-01-01"),
        ("CONN_ETL_LATEST_AFTER_FIRST_SEEN", "P400D"),
        ("CONN_ETL_ZONE", "Europe/Nowhere"),
        ("CONN_ETL_QUIET_HOURS", "[24]"),
        ("CONN_ETL_PATH_PATTERNS", '["{sensr}/{date}"]'),
        ("CONN_ETL_SENSORS", "north: Europe/Berlin"),
        ("CONN_ETL_SENSORS", '{"north": {"colour": "red"}}'),
    ],
)
def test_a_setting_that_cannot_be_is_named(command: Command, log: Path, name: str, value: str) -> None:
    result = command("ingest", log, **{name: value})
    assert (result.returncode, result.stderr.count("\n")) == (2, 1), result.stderr
    assert name.removeprefix("CONN_ETL_").lower() in result.stderr.lower()


def test_a_span_that_holds_nothing_is_misuse(command: Command, log: Path) -> None:
    backwards = ("--since", "2026-03-02", "--until", "2026-03-01")
    for verb in (("ingest", log), ("report",)):
        result = command(*verb, *backwards)
        assert (result.returncode, "is not after --since" in result.stderr) == (2, True)


@pytest.mark.usefixtures("log")
def test_an_empty_path_is_not_the_current_folder(command: Command) -> None:
    result = command("ingest", "")
    assert (result.returncode, "an empty path" in result.stderr) == (2, True)


def test_a_path_is_shown_as_it_is(command: Command, tmp_path: Path) -> None:
    """No picture for :abc:, no colour for [red], no line for a line feed."""
    path = write(tmp_path / "a:abc:[red]b\nc.log", tsv(flows(3)).replace(b"#path\tconn", b"#path\tdns"))
    result = command("ingest", path)
    assert result.returncode == 2
    assert "a:abc:[red]b" in result.stderr


def test_doctor_and_verify_are_content_with_a_fresh_load(command: Command, log: Path) -> None:
    command("ingest", log)
    assert command("verify").returncode == 0
    findings = json.loads(command("doctor", "--json").stdout)["findings"]
    assert not [f for f in findings if f["level"] == "error" and "pool" not in f["what"]]


def test_help_is_quick_to_load() -> None:
    heavy = ("polars", "pandas", "great_expectations", "sqlalchemy")
    code = f"import sys, etl.cli.app; print([m for m in {heavy} if m in sys.modules])"
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
        == "[]\n"
    )

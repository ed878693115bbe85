"""What verbs that look after the database say to people: days, rollups, the embedded server, ``doctor``."""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from etl.database import embedded
from tests.cli_output import Say
from tests.cli_output import say as say  # noqa: PLC0414  a fixture
from tests.integration.conftest import Ask
from tests.logs import flows, tsv, write


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """A log of 20 rows."""
    return write(tmp_path / "logs" / "2026-03-01" / "conn.a.log", tsv(flows(20)))


# --- partitions, rollups ----------------------------------------------------------------------------------------------


def test_a_day_is_made_sealed_shown_and_dropped_in_words(say: Say, log: Path) -> None:
    say("ingest", log)
    days = ("2026-03-01", "2026-03-02")
    assert say("partitions", "ensure", *days).out == "made: 2026-03-02\n"
    assert say("partitions", "ensure", *days).out == "made: none\n"
    assert say("partitions", "seal", days[0]).out == "sealed: 2026-03-01\n"
    listed = say("partitions", "list").rows
    assert listed[:2] == [["Days"], ["day", "state", "rows", "(about)", "bytes", "retention"]]
    assert [row[:3] for row in listed[2:]] == [[days[0], "sealed", "20"], [days[1], "open", "0"]]
    assert say("partitions", "drop").out == "Would be dropped (do it with --yes): none\n"
    would = say("partitions", "drop", days[0])
    (row,) = [row for row in would.rows if row[0] == days[0]]
    assert (row[1], row[3:]) == (
        "20",
        ["dropped", "by", "command", "their", "logs,", "while", "you", "have", "them"],
    )
    assert would.out.splitlines()[-1].startswith("20 rows, ")
    assert [row[1] for row in say("partitions", "list").rows[2:]] == ["sealed", "open"]  # it was only asked
    old = (datetime.now(UTC).date() - datetime(2026, 3, 1, tzinfo=UTC).date()).days - 1
    expiring = say("partitions", "drop", CONN_ETL_KEEP_DAYS=str(old)).rows
    assert ["older", "than", str(old), "days"] in [row[3:7] for row in expiring if row[0] == days[0]]
    dropped = say("partitions", "drop", "--yes", days[0]).out.splitlines()
    assert dropped[0] == "dropped: 2026-03-01"
    assert dropped[1].startswith("20 rows, ")
    assert "`conn-etl partitions restore DAY` opens it again" in dropped[1]
    for gone, why in (("2026-03-01", "was dropped before"), ("2031-01-01", "has no partition")):
        nothing = say("partitions", "drop", gone)
        assert (nothing.code, nothing.out) == (2, "")
        assert f"{gone} {why}" in nothing.err
    assert [*days[:1], "dropped", "20", "0", "dropped", "by", "command"] in say("partitions", "list").rows


def test_a_dropped_day_is_restored_in_words(say: Say, log: Path, ask: Ask) -> None:
    say("ingest", log)
    say("partitions", "drop", "--yes", "2026-03-01")
    restored = say("partitions", "restore", "2026-03-01")
    assert restored.code == 0
    assert restored.out.startswith("2026-03-01 takes rows again; retention leaves it alone until ")
    assert ["20", "there", str(log)] in restored.rows
    assert restored.out.splitlines()[-1] == "Load them again: conn-etl ingest --replace with these files"
    say("ingest", "--replace", log)
    assert ask("SELECT count(*) FROM zeek.conn") == [(20,)]
    again = say("partitions", "restore", "2026-03-01")
    assert (again.code, again.out) == (2, "")
    assert "2026-03-01 was not dropped; see `conn-etl partitions list`" in again.err


def test_rollups_say_how_much_was_brought_up_to_date(say: Say, log: Path) -> None:
    say("ingest", log)
    say("partitions", "seal", "2026-03-01")  # which has top addresses then
    words = "{} hours and the top addresses of {} days are up to date.\n"
    assert say("rollups").out == words.format(0, 0)
    assert say("rollups", "--all").out == words.format(1, 1)


# --- the embedded server ----------------------------------------------------------------------------------------------


@pytest.fixture
def home() -> Iterator[Path]:
    home = Path(tempfile.mkdtemp(prefix="conn-etl-"))
    home.chmod(0o755)
    yield home
    embedded.stop(home)
    shutil.rmtree(home)


def test_up_migrate_and_down_say_what_runs(say: Say, home: Path) -> None:
    own: dict[str, Any] = {"CONN_ETL_HOME": str(home), "without": ("CONN_ETL_DATABASE_URL",)}

    def run(*arguments: str) -> tuple[int, str]:
        said = say(*arguments, **own)
        return said.code, said.out or said.err

    code, words = run("status")
    assert (code, words.startswith("conn-etl: no database: ")) == (2, True)
    assert words.endswith("; start one with `conn-etl up`\n")
    assert run("down") == (0, "It was not running.\n")
    url, schema = embedded.reader_url(home), run("up")[1].split("(schema ")[-1][:4]
    running = f"PostgreSQL runs at {url} (schema {schema}); stop it with `conn-etl down`\n"
    assert run("up") == (0, running)
    assert run("migrate") == (0, f"Schema version {schema}.\n")
    assert run("down") == (0, "Stopped.\n")
    assert run("verify") == (0, "The tables match the ledger.\n")  # it was only asleep


# --- doctor -----------------------------------------------------------------------------------------------------------


def test_doctor_lists_what_is_well_and_what_is_not_with_its_cure(
    say: Say, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))  # of an environment without Airflow
    well = say("doctor", CONN_ETL_LOG_DIR=str(write(tmp_path / "logs" / "conn.log", b"").parent))
    assert well.code == 0
    assert {("ok", "log folder"), ("ok", "schema version"), ("ok", "PostgreSQL")} <= {
        (line.split()[0], what)
        for line in well.out.splitlines()
        for what in ("log folder", "schema version", "PostgreSQL")
        if what in line
    }
    assert "pool" not in well.out
    ill = say("doctor", CONN_ETL_LOG_DIR=str(tmp_path / "gone"), CONN_ETL_LOW_DISK=str(1 << 60))
    assert ill.code == 2
    (folder,) = [line for line in ill.out.splitlines() if line.startswith("error")]
    assert f"the log folder {tmp_path / 'gone'} is not there" in folder
    assert "set CONN_ETL_LOG_DIR to the folder of rotated logs" in folder
    assert [line for line in ill.out.splitlines() if line.startswith("warning") and "free some" in line]

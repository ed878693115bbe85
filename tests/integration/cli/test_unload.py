"""``conn-etl unload`` as a person meets it: folders, archives, patterns; what would go, a question, a dry run."""

from __future__ import annotations

import json
import re
import tarfile
from pathlib import Path

import pytest

from etl import pipeline
from etl.database.store import Store
from etl.errors import Misuse
from etl.resources import samples_dir
from tests.integration.conftest import Ask, Command
from tests.logs import flows, tsv, write


@pytest.fixture
def logs(store: Store, tmp_path: Path) -> Path:
    """Logs of two days and a neighbour whose name begins like theirs, loaded: 5, 6, 7 and 8 rows."""
    names = (
        ("logs/2026-03-01/conn.08:00:00-09:00:00.log", 5),
        ("logs/2026-03-01/conn.09:00:00-10:00:00.log", 6),
        ("logs/2026-03-02/conn.08:00:00-09:00:00.log", 7),
        ("logs2/conn.log", 8),
    )
    paths = [write(tmp_path / name, tsv(flows(rows, 100 * rows))) for name, rows in names]
    write(tmp_path / "logs/2026-03-01/dns.08:00:00-09:00:00.log", b"#path\tdns\n")
    pipeline.ingest(store, [str(tmp_path / "logs"), str(paths[-1])])
    return tmp_path / "logs"


def rows(ask: Ask) -> int:
    return int(ask("SELECT count(*) FROM zeek.conn")[0][0])


@pytest.mark.parametrize(
    ("targets", "left"),
    [
        (["logs"], 8),
        (["logs/"], 8),
        (["logs/2026-03-01"], 15),
        (["logs/2026-03-01/../2026-03-02"], 19),
        (["logs/2026-03-01", "logs/2026-03-02", "logs"], 8),
        (["logs/*"], 8),
        (["logs/2026-03-0[1]"], 15),
        (["logs/2026-03-0[!1]"], 19),
        (["logs/*/conn.08*"], 14),
        (["logs/*/conn.0?:00:00-09:00:00.log"], 14),
        (["logs/**"], 8),
        (["log*/conn.log"], 18),
        ([".."], 0),
        (["/"], 0),
        # what a shell writes out holds files that were skipped, too
        (["logs/2026-03-01/conn.08:00:00-09:00:00.log", "logs/2026-03-01/dns.08:00:00-09:00:00.log"], 21),
    ],
)
def test_folders_and_patterns_mean_what_was_loaded_below_them(
    store: Store, logs: Path, monkeypatch: pytest.MonkeyPatch, targets: list[str], left: int
) -> None:
    monkeypatch.chdir(logs.parent)
    found = pipeline.would_unload(store, targets)
    assert found.rows == 26 - left


@pytest.mark.parametrize(
    "targets",
    [
        ["log"],
        ["nowhere"],
        ["logs", "nowhere"],
        ["logs/*.log"],
        ["logs/[z-a]*"],
        ["lo%"],
        ["logs/2026-03-0_"],
        ["l.gs"],
    ],
)
def test_a_name_that_nothing_was_loaded_from_deletes_nothing(
    store: Store, ask: Ask, logs: Path, monkeypatch: pytest.MonkeyPatch, targets: list[str]
) -> None:
    monkeypatch.chdir(logs.parent)
    for call in (pipeline.would_unload, pipeline.unload):
        with pytest.raises(
            Misuse, match=f"^{re.escape(targets[-1])}: nothing is loaded from it; give a path"
        ):
            call(store, targets)
    assert rows(ask) == 26


def test_a_folder_that_is_gone_from_the_disk_can_still_be_unloaded(
    command: Command, ask: Ask, logs: Path
) -> None:
    logs.rename(logs.with_name("elsewhere"))
    assert command("unload", "--yes", "logs").returncode == 0
    assert rows(ask) == 8


@pytest.mark.usefixtures("logs")
def test_it_says_what_would_go_and_asks(command: Command, ask: Ask) -> None:
    for answer, code in ((b"\n", 1), (b"n\n", 1), (b"", 2)):
        asked = command("unload", "logs", piped=answer)
        assert (asked.returncode, rows(ask)) == (code, 26)
        assert (
            "18 rows of 3 files would be deleted: 2026-03-01 08:08 to 2026-03-01 08:11 UTC." in asked.stdout
        )
        assert "Delete these rows? [y/N]" in asked.stderr
    assert "there is nobody to ask; say --yes" in asked.stderr
    assert command("unload", "logs", piped=b"y\n").returncode == 0
    assert rows(ask) == 8


def test_a_dry_run_deletes_nothing_and_names_the_files(command: Command, ask: Ask, logs: Path) -> None:
    shown = command("unload", "logs", "--dry-run")
    assert (shown.returncode, rows(ask)) == (0, 26)
    assert shown.stdout.splitlines()[-1] == "Dry run: nothing was deleted."
    found = json.loads(command("unload", "logs/2026-03-02", "--dry-run", "--json").stdout)
    assert (found["dry_run"], found["files"], found["rows"]) == (True, 1, 7)
    assert found["results"][0]["path"] == str(logs / "2026-03-02/conn.08:00:00-09:00:00.log")


@pytest.mark.usefixtures("logs")
def test_json_asks_nothing(command: Command, ask: Ask) -> None:
    refused = command("unload", "logs", "--json")
    assert (refused.returncode, refused.stdout, rows(ask)) == (2, "", 26)
    assert "say --yes, or look first with --dry-run" in refused.stderr
    done = json.loads(command("unload", "logs", "--json", "--yes").stdout)
    assert (done["files"], done["rows"], rows(ask)) == (3, 18, 8)


def test_an_archive_is_a_folder_and_a_name_of_other_bytes_lies_in_one(
    command: Command, store: Store, ask: Ask, tmp_path: Path
) -> None:
    odd = write(tmp_path / "in" / "conn.\udcff.log", tsv(flows(3)))
    with tarfile.open(tmp_path / "up.tar", "w") as tar:
        for number in range(2):
            member = write(tmp_path / f"conn.{number}.log", tsv(flows(4, 10 * (number + 1))))
            tar.add(member, arcname=f"day/{member.name}")
    pipeline.ingest(store, [str(odd), str(tmp_path / "up.tar")])
    assert rows(ask) == 11
    assert command("unload", "--yes", "in").returncode == 0
    assert rows(ask) == 8
    assert command("unload", "--yes", "up.tar!/day/conn.0.log").returncode == 0
    assert rows(ask) == 4
    assert command("unload", "--yes", "up.tar").returncode == 0
    assert rows(ask) == 0


def test_the_samples_are_unloaded_by_their_folder(command: Command, store: Store, ask: Ask) -> None:
    folder = str(samples_dir())
    pipeline.ingest(store, [folder])
    asked = command("unload", folder, "--dry-run")
    assert asked.stdout.startswith("1,430 rows of 6 files would be deleted: ")
    assert command("unload", folder, "--yes").returncode == 0
    assert (rows(ask), ask("SELECT count(*) FROM etl.quarantine WHERE state = 'open'")) == (0, [(0,)])

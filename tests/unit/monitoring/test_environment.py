"""What ``conn-etl doctor`` says of what is around the database: log folder, notifier, Airflow's pools."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from etl.monitoring import environment
from etl.settings import Settings
from tests.logs import write

POOLS = tuple(json.loads((Path(__file__).parents[3] / "dags" / "pools.json").read_text(encoding="utf-8")))
CURE = f"airflow pools import {Path(__file__).parents[3] / 'dags' / 'pools.json'}"


@pytest.fixture
def airflow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """An environment whose ``airflow`` prints this; without a call, one that has none."""
    monkeypatch.setattr(sys, "executable", str(tmp_path / "bin" / "python"))

    def installed(script: str) -> None:
        program = write(tmp_path / "bin" / "airflow", f"#!/bin/sh\n{script}\n".encode())
        program.chmod(0o755)

    return installed


def found(settings: Settings | None = None) -> list[tuple[str, str, str]]:
    return [(f.level, f.what, f.cure) for f in environment.look(settings or Settings())]


@pytest.mark.usefixtures("airflow")
def test_nothing_set_and_no_airflow_is_nothing_to_say() -> None:
    assert found() == []
    assert found(Settings(log_dir="s3://bucket/logs")) == []  # what an object store holds is not looked into


@pytest.mark.parametrize("missing", [(), ("conn_quality",), POOLS])
def test_each_pool_is_there_or_missing(airflow: Callable[[str], None], missing: tuple[str, ...]) -> None:
    pools = [{"pool": name, "slots": 1} for name in ("default_pool", *POOLS) if name not in missing]
    airflow(
        'test "$*" = "pools list --output json" || exit 1\n'
        f"echo 'a line of its log'\ncat <<END\n{json.dumps(pools)}\nEND"
    )
    assert found() == [
        ("error", f"Airflow pool {name} is missing", CURE)
        if name in missing
        else ("ok", f"Airflow pool {name}", "")
        for name in POOLS
    ]


@pytest.mark.parametrize("script", ["echo 'no database' >&2; exit 1", "echo '[half'", "true"])
def test_an_airflow_that_cannot_say_its_pools_is_a_warning(
    airflow: Callable[[str], None], script: str
) -> None:
    airflow(script)
    assert found() == [
        ("warning", "Airflow's pools cannot be listed", "set AIRFLOW_HOME, run `airflow db migrate`")
    ]


@pytest.mark.usefixtures("airflow")
def test_a_log_folder_is_there_empty_closed_or_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "logs"

    def said() -> tuple[str, str]:
        ((level, what, cure),) = found(Settings(log_dir=str(folder)))
        assert ("CONN_ETL_LOG_DIR" in cure) is (level != "ok")
        return level, what

    assert said() == ("error", f"the log folder {folder} is not there")
    folder.mkdir()
    assert said() == ("warning", f"the log folder {folder} is empty")
    write(folder / "conn.log", b"")
    assert said() == ("ok", f"log folder {folder}")
    monkeypatch.setattr("os.access", lambda *_: False)  # root may read all, so it is told that it may not
    assert said() == ("error", f"the log folder {folder} may not be read")


@pytest.mark.usefixtures("airflow")
@pytest.mark.parametrize(
    ("path", "level", "what"),
    [
        ("pathlib.Path", "ok", "notifier pathlib.Path"),
        ("pathlib.Paths", "error", "the notifier pathlib.Paths cannot be imported"),
        ("nobody.at.Home", "error", "the notifier nobody.at.Home cannot be imported"),
        ("Path", "error", "the notifier Path cannot be imported"),
        ("", "error", "the notifier (no class) cannot be imported"),
    ],
)
def test_a_notifier_can_be_imported_or_is_named(path: str, level: str, what: str) -> None:
    ((*told, cure),) = found(Settings(notifier={"class": path} if path else {"arguments": {}}))
    assert told == [level, what]
    assert ("CONN_ETL_NOTIFIER" in cure) is (level == "error")

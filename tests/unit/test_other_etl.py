"""Another package named ``etl``, first on Python's path: one sentence and its cure, wherever one comes in."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import conn_etl
from etl.monitoring import environment

ROOT = Path(__file__).resolve().parents[2]
COMMAND = str(Path(sys.executable).with_name("conn-etl"))
DAG_FILE = [sys.executable, str(ROOT / "dags" / "zeek_conn.py")]


@pytest.fixture(params=["package", "module"])
def stranger(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """What somebody else calls etl."""
    place = tmp_path / ("etl/__init__.py" if request.param == "package" else "etl.py")
    place.parent.mkdir(exist_ok=True)
    place.write_text("VERSION = 1\n")
    return place.parent if request.param == "package" else place


def run(call: list[str], path: Path) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "PYTHONPATH": str(path), "AIRFLOW_HOME": str(path)}
    return subprocess.run(call, env=env, cwd=path, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("verb", ["doctor", "status", "--help"])
def test_the_command_says_so_and_ends(stranger: Path, verb: str) -> None:
    done = run([COMMAND, verb], stranger.parent)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        f"conn-etl: another package named etl, {stranger}, comes before conn-etl's in {ROOT}: "
        f"rename it, or put {ROOT} before {stranger.parent} on PYTHONPATH\n"
    )


def test_the_dag_file_says_so_at_import(stranger: Path) -> None:
    done = run(DAG_FILE, stranger.parent)
    assert done.returncode == 1
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith(f"ImportError: another package named etl, {stranger}, comes before conn-etl's")


def test_a_folder_without_code_hides_nothing(tmp_path: Path) -> None:
    (tmp_path / "etl").mkdir()
    assert run([COMMAND, "--version"], tmp_path).returncode == 0


def test_doctor_finds_one_that_comes_later_and_one_beside_the_dags(
    stranger: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def package() -> list[environment.Finding]:
        return list(environment._package())

    assert package() == []
    monkeypatch.setenv("AIRFLOW__CORE__DAGS_FOLDER", str(stranger.parent))
    (beside,) = package()
    monkeypatch.delenv("AIRFLOW__CORE__DAGS_FOLDER")
    monkeypatch.syspath_prepend(str(stranger.parent))
    assert package() == [beside]
    assert beside.level == "warning"
    assert str(stranger.parent) in beside.what
    assert "rename it" in beside.cure
    assert conn_etl.others([str(ROOT)]) == []

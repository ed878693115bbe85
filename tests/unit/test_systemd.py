"""The units in deploy/systemd: systemd itself finds nothing to say about them, and they call what there is."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import typer

from etl.cli.app import app

UNITS = sorted((Path(__file__).resolve().parents[2] / "deploy" / "systemd").iterdir())
BINARIES = "/opt/conn-etl/bin"


def verify(folder: Path) -> str:
    """What systemd says of the units in a folder; one component stands for the template."""
    template = folder / "conn-etl-airflow@.service"
    shutil.copy(template, template.with_name("conn-etl-airflow@scheduler.service"))
    units = sorted(str(unit) for unit in folder.glob("conn-etl*") if unit != template)
    call = ["systemd-analyze", "verify", "--man=no", *units]
    done = subprocess.run(call, capture_output=True, text=True, check=False, cwd=folder)
    return f"{done.stdout}{done.stderr}"


@pytest.fixture
def units(tmp_path: Path) -> Path:
    """Copies whose programs are there."""
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed")
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("airflow", "conn-etl"):
        (programs / name).write_text("#!/bin/sh\n")
        (programs / name).chmod(0o755)
    for unit in UNITS:
        (tmp_path / unit.name).write_text(unit.read_text().replace(BINARIES, str(programs)))
    return tmp_path


def test_systemd_has_nothing_to_say(units: Path) -> None:
    assert verify(units) == ""


def test_a_misspelt_key_would_be_found(units: Path) -> None:
    timer = units / "conn-etl-ingest.timer"
    timer.write_text(timer.read_text().replace("Persistent", "Persistant"))
    assert "Persistant" in verify(units)


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_each_verb_and_each_unit_that_is_named_is_there(unit: Path) -> None:
    verbs = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    text = unit.read_text()
    assert set(re.findall(rf"{BINARIES}/conn-etl ([a-z-]+)", text)) <= set(verbs)
    named = {re.sub(r"@[a-z-]+\.", "@.", name) for name in re.findall(r"conn-etl-[a-z@-]+\.[a-z]+", text)}
    assert named <= {other.name for other in UNITS}

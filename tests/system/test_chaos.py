"""A short `make chaos`, and eight loaders on one tree at once."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

pytestmark = [pytest.mark.system, pytest.mark.timeout(600)]


def test_two_minutes_of_kills_lose_nothing_and_double_nothing(tmp_path: Path) -> None:
    figures = tmp_path / "chaos.json"
    call = [
        sys.executable,
        "-m",
        "tests.chaos.run",
        "--seconds",
        "120",
        "--kills",
        "25",
        "--rows",
        "4000",
        "--seed",
        "25",
    ]
    done = subprocess.run(
        [*call, "--resume", str(figures)], cwd=ROOT, capture_output=True, text=True, check=False, timeout=550
    )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    tally = json.loads(figures.read_text())
    assert tally["failures"] == []
    assert sum(sum(steps.values()) for steps in tally["kills"].values()) >= 3


def test_eight_loaders_of_one_tree_load_each_row_once() -> None:
    call = [sys.executable, "-m", "tests.chaos.crowd", "--files", "500", "--loaders", "8"]
    done = subprocess.run(call, cwd=ROOT, capture_output=True, text=True, check=False, timeout=550)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    assert "500 files" in done.stdout

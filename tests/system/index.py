"""Environments that a test installs from the package index, beside the one that it runs in."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest


def uv(*call: str | Path, required: bool = False) -> None:
    """Run uv; where the index cannot be reached the test is skipped, unless it was asked for by name."""
    program = Path(sys.executable).with_name("uv")
    done = subprocess.run([program, *call], capture_output=True, text=True, check=False)
    unreachable = re.search(r"fetch|connect|dns|certificate", done.stderr, re.IGNORECASE)
    if done.returncode and unreachable and not required:
        pytest.skip("the package index cannot be reached")
    assert done.returncode == 0, done.stderr[-4000:]

"""What a person or a scheduler waits for before anything is done: heavy libraries come only with the work."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = ("polars", "pandas", "numpy", "pyarrow", "great_expectations", "sqlalchemy")


@pytest.mark.parametrize("module", ["etl.cli", "etl.cli.app", "etl.fields", "etl.errors"])
def test_entry_points_bring_no_heavy_library(module: str) -> None:
    code = f"import sys, {module}; print([name for name in {HEAVY} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"

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


def test_a_command_that_finds_nothing_to_load_brings_no_reader() -> None:
    unused = ("polars", "numpy", "pandas", "great_expectations", "alembic")
    code = f"import sys, etl.pipeline; print([name for name in {unused} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_great_expectations_comes_without_what_it_only_draws_and_reckons_with() -> None:
    """A version that uses these while it is imported costs each command a second: then the list has to change."""
    unused = ("altair.vegalite", "boto3.session", "jsonschema.validators", "scipy.stats._continuous_distns")
    code = (
        "import gc, sys; from etl.quality import gx; gx.load();"
        f"print([name for name in {unused} if name in sys.modules], gc.isenabled());"
        "from scipy import stats; import altair;"
        "print(stats.entropy([1]), altair.Chart.__name__)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[] True\n0.0 Chart\n"

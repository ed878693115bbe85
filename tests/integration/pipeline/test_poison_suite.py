"""Files that are odd in one way each, a good file beside each: the good ones load, the odd ones have a state.

One load of all of them by the command, one by the steps of a DAG run; what each single oddity becomes stands in other
tests. ``pytest -s`` shows what the command took.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from etl import pipeline
from etl.database.store import Store
from etl.settings import Settings
from tests import poison
from tests.integration.conftest import Ask

SECONDS = 60.0
"""Of the processor: other work on this machine is not the suite's fault."""
MIB = 1024
_MEASURED = """
import json, sys, time
from pathlib import Path
from etl.cli import main
begin = time.monotonic()
try:
    main()
finally:
    peak = Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0]
    figures = {"seconds": time.monotonic() - begin, "cpu": time.process_time(), "mib": int(peak) >> 10}
    print(json.dumps(figures), file=sys.stderr)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder with all of them."""
    poison.plant(tmp_path)
    return tmp_path


def test_there_are_enough_of_them() -> None:
    assert len(poison.CONTENT) + len(poison.NAMES) >= 60


@pytest.mark.timeout(300)
def test_the_command_loads_all_good_files_within_a_minute_and_a_gibibyte(
    database_url: str, ask: Ask, faults: Callable[[], list[object]], folder: Path
) -> None:
    first, figures = _command(database_url, folder)
    print("poison suite by the command:", json.dumps(figures))
    assert first == 1  # red for the odd ones
    poison.check(ask)
    assert faults() == []
    assert figures["cpu"] <= SECONDS
    assert figures["mib"] <= MIB
    before = poison.states(ask)
    second, figures = _command(database_url, folder)
    print("again:", json.dumps(figures))
    assert second == 0
    assert poison.states(ask) == before


def _command(url: str, folder: Path) -> tuple[int, dict[str, float]]:
    """Exit code of ``conn-etl ingest`` in a process of its own, and what it took."""
    done = subprocess.run(
        [sys.executable, "-c", _MEASURED, "ingest", str(folder)],
        env=os.environ | {"CONN_ETL_DATABASE_URL": url, "CONN_ETL_ATTEMPTS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, json.loads(done.stderr.splitlines()[-1])


@pytest.mark.timeout(300)
def test_the_steps_load_all_good_files(
    database_url: str, ask: Ask, faults: Callable[[], list[object]], folder: Path
) -> None:
    store = Store.open(database_url, Settings(attempts=1, settle_after="0s"))
    _steps(store, folder, "first")
    poison.check(ask)
    assert faults() == []
    before = poison.states(ask)
    _steps(store, folder, "second")
    assert poison.states(ask) == before


def _steps(store: Store, folder: Path, run: str) -> None:
    pipeline.begin(store, run, "dag", {})
    for batch in pipeline.discover(store, run, [str(folder)]):
        for step in (pipeline.stage, pipeline.validate, pipeline.publish):
            step(store, batch)
    pipeline.end(store, run)

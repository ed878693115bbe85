"""The real stack, started once for the tests that only use it."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system.airflow import Stack, clean_environment


@pytest.fixture(scope="session")
def stack() -> Iterator[Stack]:
    """Up, with a log folder of its own; stopped, and looked after, at the end."""
    home = Path(tempfile.mkdtemp(prefix="conn-etl-stack-"))
    home.chmod(0o755)
    logs = home / "zeek" / "logs"
    logs.mkdir(parents=True)
    more = {"LOGS": str(logs), "PORT": "0", "CONN_ETL_BATCH_FILES": "100", "CONN_ETL_SETTLE_AFTER": "PT0S"}
    started = Stack(home=home, logs=logs, env=clean_environment(home, **more))
    try:
        assert started.make("up") == 0, started.said
        del started.env["LOGS"], started.env["PORT"]  # both are remembered
        yield started
    finally:
        started.make("down")
    shutil.rmtree(home)

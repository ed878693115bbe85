"""What makes one run in this process start sooner: Airflow prepares for more than one process needs.

Measured with nothing new to load (processor seconds of 15 in all): the old versions of the API between tasks and server
3.2, looking after the tables 1.5; and three seconds of sleep between steps.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

POLL = 0.05
NEWEST = 2
"""Versions of the API that change something which one process uses; the third is there without changes."""


def rare_collections() -> None:
    """Look for cyclic garbage more rarely: imports make a million objects that stay, and each look reads them again.

    Measured with nothing new to load: 8 processor seconds of 9.3.
    """
    gc.set_threshold(100_000, 50, 100)


def prepare_tables(folder: Path) -> None:
    """Make or migrate Airflow's tables in this AIRFLOW_HOME, once for each version of Airflow."""
    marker, current = folder / "tables.version", version("apache-airflow-core")
    if (folder / "airflow.db").exists() and marker.exists() and marker.read_text() == current:
        return
    from airflow.utils.db import initdb

    initdb()
    marker.write_text(current)


def newest_api_only() -> None:
    """Leave out versions of the API for older clients: here client and server are one process."""
    from airflow.api_fastapi.execution_api import versions
    from cadwyn import HeadVersion, Version, VersionBundle

    known = versions.bundle.versions
    if len(known) <= NEWEST:
        return
    for change in (change for known_version in known for change in known_version.changes):
        change._bound_version_bundle = None  # noqa: SLF001  a change belongs to one bundle, and this is the other one
    versions.bundle = VersionBundle(HeadVersion(), *known[:NEWEST], Version(known[NEWEST].value))


@contextmanager
def short_sleeps() -> Iterator[None]:
    """``dag.test()`` looks for the next tasks once a second; here several times."""
    real = time.sleep
    time.sleep = lambda seconds: real(min(float(seconds), POLL))
    try:
        yield
    finally:
        time.sleep = real

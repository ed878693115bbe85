"""``archive_victim.py URL ARCHIVE STEP``: a process that exports what is due and kills itself in one of the steps."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from typing import Any

from pyiceberg.catalog.sql import SqlCatalog

from etl.archive import export, ledger, writing
from etl.database.store import Store
from etl.settings import Settings


def die(*_: Any, **__: Any) -> Any:
    """End as a process ends that nobody asked."""
    os.kill(os.getpid(), signal.SIGKILL)


def die_in_the_middle(_: int, first: Any, __: Iterator[Any]) -> Iterator[Any]:
    """Write one part of the rows."""
    yield first
    die()


STEPS = {
    "write": (writing, "_upto", die_in_the_middle),
    "read back": (export, "read_back", die),
    "commit": (SqlCatalog, "commit_table", die),
    "record": (ledger, "record", die),
}
"""Of each step, what is replaced; at ``commit_table`` Iceberg's own files are written, and nothing points to them."""

if __name__ == "__main__":
    url, archive, step = sys.argv[1:]
    setattr(*STEPS[step])
    for _ in export.export(Store.open(url, Settings(attempts=1, archive_url=archive))):
        pass

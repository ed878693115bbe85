"""``archive_victim.py``: processes that export what is due and kill themselves in one of the steps.

One process imports everything; for each line of JSON on its input (url, archive, step, environment) it forks a child
that exports, and answers with the child's exit code, -9 after SIGKILL. A kill costs a fork, and no import.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import sys
from collections.abc import Iterator
from typing import Any

from pyiceberg.catalog.sql import SqlCatalog

from etl.archive import export, ledger, writing
from etl.database.store import Store
from etl.settings import Settings

LATE = ("polars.io.plugins", "psycopg2", "pyarrow.parquet", "pyiceberg.io.pyarrow")
"""What an export imports where it needs it; none of it starts a thread, which a fork would lose."""

PATIENT = {"s3.connect-timeout": "60", "s3.request-timeout": "60"}
"""Seconds; pyarrow's own three are too few for a server in Python on a busy machine."""


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


def export_in_a_child(url: str, archive: str, step: str, environment: dict[str, str]) -> int:
    """Exit code of a child that exports what is due."""
    child = os.fork()
    if not child:
        code = 1
        try:
            os.environ.update(environment)
            setattr(*STEPS[step])
            for _ in export.export(
                Store.open(url, Settings(attempts=1, archive_url=archive, archive_catalog=PATIENT))
            ):
                pass
            code = 0
        finally:
            sys.stderr.flush()
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


if __name__ == "__main__":
    for name in LATE:
        importlib.import_module(name)
    for line in sys.stdin:
        print(export_in_a_child(**json.loads(line)), flush=True)

"""``python -m tests.chaos.crowd --files 500 --loaders 8``: many ``conn-etl ingest`` of one tree at the same time.

Half of the files overlap with their neighbours in rows. Each row has to be there once, no loader may fail or speak of
a deadlock, and tables and ledger have to agree.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from pathlib import Path

from tests.chaos import processes
from tests.chaos.stage import Trial, server
from tests.logs import flows, json_lines, tsv, write

ROWS = 40
WORDS = ("deadlock", "Traceback", "40P01", "duplicate key")


def tree(folder: Path, count: int) -> list[Path]:
    """``count`` small logs over a day and more, every second one sharing half its rows with the one before."""
    paths = []
    for number in range(count):
        first = number * ROWS - (ROWS // 2 if number % 2 else 0)
        rows = flows(ROWS, first)
        name = f"worker-{number % 7}/2026-03-01/conn.{number:04d}.log{'.gz' if number % 3 else ''}"
        paths.append(write(folder / name, tsv(rows) if number % 4 else json_lines(rows)))
    return sorted(paths)


def main() -> int:
    """Start all at once, wait, look."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=500)
    parser.add_argument("--loaders", type=int, default=8)
    parser.add_argument("--batch", type=int, default=25, help="files of a batch: small ones meet more often")
    chosen = parser.parse_args()
    processes.warm()
    scratch = Path(tempfile.mkdtemp(prefix="chaos-crowd-"))
    try:
        paths = tree(scratch / "logs", chosen.files)
        with server() as where:
            where.execute("postgres", "CREATE DATABASE crowd TEMPLATE chaos_template")
            trial = Trial(server=where, scratch=scratch, database="crowd", paths=paths)
            trial.more = {"CONN_ETL_BATCH_FILES": str(chosen.batch)}
            return _crowd(trial, chosen.loaders)
    finally:
        shutil.rmtree(scratch)


def _crowd(trial: Trial, loaders: int) -> int:
    begin = time.monotonic()
    crowd = [trial.run("ingest", str(trial.scratch / "logs"), "--json") for _ in range(loaders)]
    codes = [process.wait(480) for process in crowd]
    seconds = time.monotonic() - begin
    loaded = [processes.result(process).get("rows_loaded", 0) for process in crowd]
    wrong = [process.said()[-1500:] for process in crowd if any(word in process.said() for word in WORDS)]
    found = trial.check()
    print(f"{len(trial.paths)} files, {loaders} loaders, {seconds:.1f} s")
    print(f"exit codes {codes}, rows loaded by each {loaded}")
    print(f"table and ledger: {found or 'each row once, nothing left over'}")
    for text in wrong:
        print(f"WRONG {text}")
    return 1 if found or wrong or any(codes) else 0


if __name__ == "__main__":
    sys.exit(main())

"""A tree of 20,000 small logs, as hourly rotation leaves it in two years: the first load, and a second run over it."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from benchmarks import results
from benchmarks.server import database, server
from samples.writing import write_conn_log

SECOND_RUN_LIMIT = 3.0
START = datetime(2024, 1, 1, tzinfo=UTC)
COMMAND = str(Path(sys.executable).with_name("conn-etl"))


def main(arguments: list[str] | None = None) -> None:
    """Measure and print; ``--json`` writes the figures too."""
    parser = results.parser(__doc__)
    parser.add_argument("--files", type=int, default=20_000)
    parser.add_argument("--rows", type=int, default=10, help="rows of each file")
    chosen = parser.parse_args(arguments)
    with server() as home, tempfile.TemporaryDirectory() as folder:
        make(Path(folder), chosen.files, chosen.rows)
        figures = measure(database(home, "tree"), Path(folder), chosen.files, chosen.rows)
    show(figures)
    results.save(chosen.json, "tree", arguments, figures)


def make(folder: Path, files: int, rows: int) -> None:
    """One file for each hour, in a folder for each day: the rows of one sample, with times and uids of their own."""
    write_conn_log(folder / "sample.log", rows, 7, "tsv")
    lines = (folder / "sample.log").read_text().splitlines(keepends=True)
    (folder / "sample.log").unlink()
    sample = [line.split("\t", 2)[2] for line in lines if not line.startswith("#")]
    head = "".join(line for line in lines if line.startswith("#") and not line.startswith("#close"))
    for number in range(files):
        start = START + timedelta(hours=number)
        name = f"conn.{start:%H:%M:%S}-{start + timedelta(hours=1):%H:%M:%S}.log.gz"
        path = folder / f"{start:%Y-%m-%d}" / name
        path.parent.mkdir(exist_ok=True)
        own = (f"{start.timestamp() + i:.6f}\tC{number:08}{i:08}\t{row}" for i, row in enumerate(sample))
        path.write_bytes(gzip.compress((head + "".join(own)).encode(), 1, mtime=0))


def measure(url: str, folder: Path, files: int, rows: int) -> dict[str, Any]:
    """The whole command, started twice, and the listing alone."""
    first, second = run(url, folder), run(url, folder)
    if first["rows_read"] != files * rows or second["rows_read"]:
        raise SystemExit(f"read {first['rows_read']:,} and {second['rows_read']:,} of {files * rows:,} rows")
    return {
        "files": files,
        "rows": files * rows,
        "first": first,
        "second": second,
        "files_per_second": files / first["seconds"],
        "listing_seconds": listing(folder),
    }


def run(url: str, folder: Path) -> dict[str, Any]:
    """Seconds and peak memory of one ``conn-etl ingest``, with the rows that it read."""
    begin = time.monotonic()
    env = os.environ | {"CONN_ETL_DATABASE_URL": url, "CONN_ETL_MAX_NEW_DAYS": "1000"}
    with subprocess.Popen(
        [COMMAND, "ingest", str(folder), "--json"], stdout=subprocess.PIPE, env=env
    ) as process:
        assert process.stdout is not None
        output = process.stdout.read()
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"conn-etl ended with {process.returncode}")
    summary = json.loads(output)
    return {
        "seconds": time.monotonic() - begin,
        "peak_mib": used.ru_maxrss / 1024,
        "cpu_seconds": used.ru_utime + used.ru_stime,
        "rows_read": summary["rows_read"],
    }


def listing(folder: Path) -> float:
    """Seconds to list the tree once."""
    from etl import source

    begin = time.monotonic()
    for _ in source.listed([str(folder)]):
        pass
    return time.monotonic() - begin


def show(figures: dict[str, Any]) -> None:
    """The table."""
    print(
        f"{figures['files']:,} files with {figures['rows']:,} rows, listed in {figures['listing_seconds']:.1f} s"
    )
    for name in ("first", "second"):
        f = figures[name]
        print(f"{name:8}{f['seconds']:8.1f} s{f['cpu_seconds']:8.1f} CPU s{f['peak_mib']:8.0f} MiB peak")
    print(f"first run: {figures['files_per_second']:,.0f} files/s")
    within = figures["second"]["seconds"] < SECOND_RUN_LIMIT
    print(f"second run {'within' if within else 'NOT within'} {SECOND_RUN_LIMIT:.0f} s")


if __name__ == "__main__":
    main()

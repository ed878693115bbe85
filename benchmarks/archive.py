"""The archive: export of one day beside a plain COPY TO of the same rows, with memory, commit and bytes a row.

``python -m benchmarks.archive --rows 1200000``. Where the real hourly logs lie beside the checkout, the size of their
rows is measured too, as they are and with a community_id. ``--logs FOLDER`` takes the rows of these logs instead of
generated ones, and ``--export`` is the measured process itself.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg2

from benchmarks import results
from benchmarks.server import database, server
from etl import pipeline
from etl.database.store import Store
from etl.history.days import listed
from etl.settings import Settings
from samples.writing import write_conn_log

REAL = Path(__file__).resolve().parents[2] / "shared" / "data" / "real-hourly"
START = datetime(2026, 3, 1, 0, 30, tzinfo=UTC)


def main(arguments: list[str] | None = None) -> None:
    """Measure and print; ``--json`` writes the figures too."""
    parser = results.parser(__doc__)
    parser.add_argument("--rows", type=int, default=1_200_000)
    parser.add_argument("--community-id", action="store_true", help="generated rows have one")
    parser.add_argument("--logs", type=Path, help="a folder of conn logs to take instead of generated rows")
    parser.add_argument("--export", nargs=2, metavar=("URL", "ARCHIVE"), help="export all days and print")
    chosen = parser.parse_args(arguments)
    if chosen.export:
        print(json.dumps(export(*chosen.export)))
        return
    with server() as home, tempfile.TemporaryDirectory(prefix="conn-etl-bench-") as folder:
        url = database(home, "archive")
        logs = chosen.logs or _generated(Path(folder), chosen.rows, community_id=chosen.community_id)
        pipeline.ingest(Store.open(url, Settings()), [str(logs)])
        figures = {"copy": copy_to(url), **_measured(url, folder)}
        if not chosen.logs and REAL.is_dir():
            figures["real_logs"] = real_sizes(home, Path(folder))
    figures["share_of_copy"] = figures["rows_per_second"] / figures["copy"]["rows_per_second"]
    print(json.dumps(figures, indent=2))
    results.save(chosen.json, "archive", arguments, figures)


def real_sizes(home: Path, folder: Path) -> dict[str, float]:
    """Bytes a row of the real logs, as they are and with a community_id."""
    sizes = {}
    for name, logs in {"as_they_are": REAL, "with_community_id": _with_community_id(folder / "ids")}.items():
        url, target = database(home, f"real_{name}"), folder / name
        target.mkdir()
        pipeline.ingest(Store.open(url, Settings()), [str(logs)])
        sizes[name] = _measured(url, str(target))["bytes_per_row"]
    return sizes


def _with_community_id(folder: Path) -> Path:
    """The real logs with one more column: as long and as random as a community_id."""
    ends = {b"#fields": b"\tcommunity_id", b"#types": b"\tstring"}
    folder.mkdir()
    for log in REAL.rglob("conn.*.log.gz"):
        lines = gzip.decompress(log.read_bytes()).splitlines()
        with gzip.open(folder / log.name, "wb", compresslevel=1) as target:
            for line in lines:
                more = ends.get(line.partition(b"\t")[0], b"") if line.startswith(b"#") else b"\t" + _id(line)
                target.write(line + more + b"\n")
    return folder


def _id(line: bytes) -> bytes:
    return b"1:" + base64.b64encode(hashlib.sha1(line, usedforsecurity=False).digest())


def _generated(folder: Path, rows: int, *, community_id: bool) -> Path:
    """One day of flows, all of them with an ip_proto, if wanted with a community_id too."""
    path = folder / "conn.log"
    write_conn_log(path, rows, 7, start=START, hours=23, community_id=community_id)
    return path


def _measured(url: str, folder: str) -> dict[str, Any]:
    """In a process of its own: memory is that of an export."""
    command = [sys.executable, "-m", "benchmarks.archive", "--export", url, f"{folder}/archive"]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    figures: dict[str, Any] = json.loads(done.stdout)
    return figures


class _Counted:
    """Takes what COPY sends."""

    rows = 0

    def write(self, _: bytes) -> None:
        """One row."""
        self.rows += 1


def copy_to(url: str) -> dict[str, float]:
    """COPY TO of the whole table, as the server and the driver can do it; the better of two."""
    best = 0.0
    connection = psycopg2.connect(url)
    with connection, connection.cursor() as cursor:
        for _ in range(2):
            counted, start = _Counted(), time.monotonic()
            cursor.copy_expert("COPY (SELECT * FROM zeek.conn) TO STDOUT (FORMAT csv)", counted)
            best = max(best, counted.rows / (time.monotonic() - start))
    connection.close()
    return {"rows": counted.rows, "rows_per_second": best}


def export(url: str, archive: str) -> dict[str, Any]:
    """Export all days, and what it took."""
    from etl.archive import export as steps
    from etl.archive.table import Archive

    seconds: dict[str, float] = {}
    for owner, name in ((steps, "write_day"), (steps, "read_back"), (Archive, "replace_day")):
        setattr(owner, name, _timed(getattr(owner, name), name, seconds))
    store = Store.open(url, Settings(archive_url=archive))
    with store.session() as connection:
        days = [day.day for day in listed(connection)]
    start = time.monotonic()
    done = list(steps.export(store, days))
    total = time.monotonic() - start
    rows = sum(file.measures.rows for each in done for file in each.files)
    size = sum(file.bytes for each in done for file in each.files)
    return {
        "rows": rows,
        "days": len(done),
        "seconds": total,
        "rows_per_second": rows / total,
        "memory_mib": _peak_mib(),
        "commit_seconds": seconds["replace_day"] / len(done),
        "write_seconds": seconds["write_day"],
        "read_back_seconds": seconds["read_back"],
        "bytes_per_row": size / rows,
    }


def _peak_mib() -> float:
    """The largest resident size of this process; getrusage would count what its parent had before."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def _timed(function: Callable[..., Any], name: str, seconds: dict[str, float]) -> Callable[..., Any]:
    def timed(*values: Any) -> Any:
        start = time.monotonic()
        try:
            return function(*values)
        finally:
            seconds[name] = seconds.get(name, 0.0) + time.monotonic() - start

    return timed


if __name__ == "__main__":
    main()

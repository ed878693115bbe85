"""The poison suite through the real DAG: odd files cost their neighbours nothing, and a second run is green."""

from __future__ import annotations

import time
from pathlib import Path

import psutil

from tests.dags.conftest import Airflow, ask
from tests.poison import CONTENT, NAMES, plant

GIB = 1 << 30


def test_all_good_files_load_beside_sixty_odd_ones(
    airflow: Airflow, database_url: str, tmp_path: Path
) -> None:
    plant(tmp_path)
    begin = time.monotonic()
    first = airflow.run(database_url, tmp_path, env={"CONN_ETL_SETTLE_AFTER": "0s"})
    assert time.monotonic() - begin < 60 * _slowness()
    assert peak(airflow.process.pid) < GIB
    assert first.error is None
    assert [failure.split(":")[0] for failure in first.failures] == [
        "close"
    ]  # red for the odd ones, and only there

    good = (
        "SELECT count(*) FROM zeek.conn JOIN etl.file USING (etl_file_id) WHERE path NOT LIKE '%conn-odd-%'"
    )
    assert ask(database_url, good) == [(3 * (len(CONTENT) + len(NAMES) + 1),)]
    odd = ask(database_url, "SELECT path, state, kind, reason FROM etl.file WHERE path LIKE '%conn-odd-%'")
    assert len(odd) == len(CONTENT)
    assert {row for row in odd if row[1] in ("found", "staged") or row[2] == "unforeseen"} == set()
    assert {row for row in odd if row[1] not in ("published", "known") and not row[3]} == set()

    before = ask(database_url, "SELECT etl_file_id, state FROM etl.file ORDER BY 1")
    second = airflow.run(database_url, tmp_path, env={"CONN_ETL_SETTLE_AFTER": "0s"})
    assert (second.state, second.failures) == ("success", [])
    assert ask(database_url, "SELECT etl_file_id, state FROM etl.file ORDER BY 1") == before


def peak(pid: int) -> int:
    """The most memory that a process ever had [bytes]."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1]) << 10


def _slowness() -> float:
    """How many processes wait for each processor: on a busy machine the same work takes so much longer."""
    return max(1.0, psutil.getloadavg()[0] / (psutil.cpu_count() or 1))

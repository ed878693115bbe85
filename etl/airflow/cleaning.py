"""Airflow's own runs and task logs, which nothing else deletes: ``airflow db clean``, and files of its log folder.

A task may not see Airflow's database: Airflow hides its URL. So the command runs as its own process, with the URL of a
setting, or without any, as ``airflow.cfg`` names it.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

from airflow.configuration import conf

from etl.errors import EnvironmentProblem
from etl.settings import Settings

HIDDEN = ("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", "AIRFLOW__CORE__SQL_ALCHEMY_CONN")
LIMIT = timedelta(hours=1)


def clean(settings: Settings, keep: timedelta) -> dict[str, int]:
    """Delete what is older than ``keep``; returns the rows and the log files that went.

    The newest run of each DAG stays. Log files are those of the machine that this runs on.

    Raises:
        EnvironmentProblem: Airflow's database cannot be cleaned from here.
    """
    before = datetime.now(UTC) - keep
    rows = _clean_database(settings, before)
    return {"rows": rows, "log_files": _clean_logs(Path(conf.get("logging", "base_log_folder")), before)}


def _clean_database(settings: Settings, before: datetime) -> int:
    environment = {name: value for name, value in os.environ.items() if name not in HIDDEN}
    if (url := settings.airflow_database_url) and url.get_secret_value():
        environment[HIDDEN[0]] = url.get_secret_value()
    call = [sys.executable, "-m", "airflow", "db", "clean", "--yes", "--skip-archive"]
    done = subprocess.run(
        [*call, "--clean-before-timestamp", before.isoformat()],
        env=environment, capture_output=True, text=True, check=False, timeout=LIMIT.total_seconds(),
    )  # fmt: skip
    if done.returncode:
        reason = (done.stderr.strip() or done.stdout.strip()).rpartition("\n")[2]
        raise EnvironmentProblem(
            f"airflow db clean failed: {reason}",
            hint="set CONN_ETL_AIRFLOW_DATABASE_URL to the URL of Airflow's database",
        )
    return sum(int(count) for count in re.findall(r"Found (\d+) rows meeting deletion criteria", done.stdout))


def _clean_logs(folder: Path, before: datetime) -> int:
    """Delete old files below the log folder, and the folders that are empty then."""
    deleted = 0
    for place, _, names in os.walk(folder, topdown=False):
        for file in (Path(place, name) for name in names if name.endswith(".log")):
            if file.stat().st_mtime < before.timestamp():
                file.unlink(missing_ok=True)
                deleted += 1
        if Path(place) != folder and not any(Path(place).iterdir()):
            Path(place).rmdir()
    return deleted

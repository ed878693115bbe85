"""What ``conn-etl doctor`` checks outside the database: package, log folder, notifier, Airflow's pools."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from importlib import import_module
from pathlib import Path

from conn_etl import others
from etl.resources import resource_dir
from etl.settings import Settings


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """``level`` is ok, warning or error."""

    level: str
    what: str
    cure: str = ""

    def as_dict(self) -> dict[str, str]:
        """For ``--json``."""
        return asdict(self)


def look(settings: Settings) -> Iterator[Finding]:
    """All findings, good ones too."""
    yield from _package()
    yield from _log_folder(settings)
    yield from _notifier(settings)
    yield from _pools()


def _package() -> Iterator[Finding]:
    """Where Python and Airflow look for modules, another package named etl is in our way, or we in its."""
    airflow = [os.environ.get(f"AIRFLOW__CORE__{name}_FOLDER") for name in ("DAGS", "PLUGINS")]
    if found := others([*sys.path, *filter(None, airflow)]):
        yield Finding(
            level="warning",
            what=f"another package named etl is in {found[0].parent}: Python imports only the first of the two",
            cure="rename it, or install conn-etl into its own environment",
        )


def _log_folder(settings: Settings) -> Iterator[Finding]:
    if not settings.log_dir or "://" in settings.log_dir:
        return
    folder = Path(settings.log_dir)
    cure = (
        "set CONN_ETL_LOG_DIR to the folder of rotated logs, as the workers see it, readable for their user"
    )
    if not folder.exists():
        yield Finding(level="error", what=f"the log folder {folder} is not there", cure=cure)
    elif not os.access(folder, os.R_OK | os.X_OK):
        yield Finding(level="error", what=f"the log folder {folder} may not be read", cure=cure)
    elif folder.is_dir() and next(folder.iterdir(), None) is None:
        yield Finding(level="warning", what=f"the log folder {folder} is empty", cure=cure)
    else:
        yield Finding(level="ok", what=f"log folder {folder}")


def _notifier(settings: Settings) -> Iterator[Finding]:
    if not settings.notifier:
        return
    path = str(settings.notifier.get("class", ""))
    module, _, name = path.rpartition(".")
    try:
        getattr(import_module(module), name)
    except (ImportError, AttributeError, ValueError):
        cure = "name a class of an installed provider in CONN_ETL_NOTIFIER, by its whole path"
        yield Finding(
            level="error", what=f"the notifier {path or '(no class)'} cannot be imported", cure=cure
        )
    else:
        yield Finding(level="ok", what=f"notifier {path}")


def _pools() -> Iterator[Finding]:
    """A missing pool is waited for without end, so look; only where Airflow is installed and set up."""
    airflow = Path(sys.executable).with_name("airflow")
    if not airflow.exists():
        return
    listed = subprocess.run(
        [str(airflow), "pools", "list", "--output", "json"],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    try:
        names = {pool["pool"] for pool in json.loads(listed.stdout[listed.stdout.index("[") :])}
    except ValueError:
        yield Finding(
            level="warning",
            what="Airflow's pools cannot be listed",
            cure="set AIRFLOW_HOME, run `airflow db migrate`",
        )
        return
    file = resource_dir("dags") / "pools.json"
    for pool in json.loads(file.read_text(encoding="utf-8")):
        if pool in names:
            yield Finding(level="ok", what=f"Airflow pool {pool}")
        else:
            yield Finding(
                level="error",
                what=f"Airflow pool {pool} is missing",
                cure=f"airflow pools import {shlex.quote(str(file))}",
            )

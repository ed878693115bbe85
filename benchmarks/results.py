"""Results as JSON, each with the machine, the versions and the commit that it was measured on."""

from __future__ import annotations

import argparse
import json
import os
import platform
import shlex
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeVar

import psutil

T = TypeVar("T")
ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "docs" / "benchmarks"
PACKAGES = ("polars", "great-expectations", "apache-airflow", "psycopg2-binary", "sqlalchemy", "isal")
SERVER_SETTINGS = (
    "server_version",
    "fsync",
    "synchronous_commit",
    "shared_buffers",
    "max_wal_size",
    "wal_level",
    "autovacuum",
)


def parser(doc: str | None) -> argparse.ArgumentParser:
    """With the option that all parts have."""
    made = argparse.ArgumentParser(description=doc)
    made.add_argument("--json", type=Path, help="write the figures here too")
    return made


def in_turn(ways: Sequence[T], number: int) -> Sequence[T]:
    """All ways of one round; those of every second round in reverse, so that each comes after each of the others."""
    return ways[::-1] if number % 2 else ways


def save(path: Path | None, part: str, arguments: list[str] | None, figures: dict[str, Any]) -> None:
    """Write the figures, if they are wanted, with the command that makes them again."""
    if path is None:
        return
    given = sys.argv[1:] if arguments is None else arguments
    kept = [word for word in given if not word.startswith("--json") and word != str(path)]
    command = shlex.join(["make", "bench", f"ARGS={shlex.join([part, *kept])}"])
    path.parent.mkdir(parents=True, exist_ok=True)
    whole = {"part": part, "command": command, "about": about(), "figures": figures}
    path.write_text(json.dumps(whole, indent=2, default=str) + "\n")


def about() -> dict[str, Any]:
    """Machine, versions, commit."""
    return {
        "measured": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        "commit": _commit(),
        "processor": _processor(),
        "cores": psutil.cpu_count(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "system": f"{platform.system()} {platform.release().partition('-')[0]}",
        "load_before": round(os.getloadavg()[2], 2),
        "python": platform.python_version(),
        "packages": {name: version(name) for name in PACKAGES},
    }


def server_settings(url: str) -> dict[str, str]:
    """The server's version and what decides how fast it may be."""
    from benchmarks.server import run

    return {name: str(run(url, f"SHOW {name}")[0][0]) for name in SERVER_SETTINGS}


def _processor() -> str:
    """Its name, where the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next(
        (line.partition(": ")[2] for line in lines if line.startswith("model name")), platform.machine()
    )


def _commit() -> str:
    """The commit, and whether the code differs from it; an export from a checkout has none."""
    git = ["git", "-C", str(ROOT)]
    try:
        found = subprocess.run(
            [*git, "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=True
        )
        changed = subprocess.run(
            [*git, "diff", "--quiet", "HEAD", "--", "etl", "sql", "benchmarks"], check=False
        )
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return found.stdout.strip() + (" with changes" if changed.returncode else "")

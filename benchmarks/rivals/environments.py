"""The rivals: what each is made of, at which versions, what it leaves out, and the Python that runs its script."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
UV = Path(sys.prefix) / "bin" / "uv"
CACHE = Path(sys.prefix) / ".cache" / "bench"
NEVER = "no gate, no ledger, no quarantine, no extra columns, no line numbers; a second load fails on the key"


class NotInstalled(Exception):
    """A rival is not on this machine; the text says how to get it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Rival:
    """Somebody else's way from a conn log into PostgreSQL."""

    name: str
    script: str
    packages: tuple[str, ...] = ()
    program: str | None = None
    """What must be on the machine where the packages are not Python's."""
    formats: tuple[str, ...] = ("json", "tsv")
    slow: bool = False
    """Once, and on fewer rows."""
    leaves_out: str
    """What it does not do and we do, in words."""

    def python(self) -> Path:
        """The Python of its environment, which is made when it is not there.

        Raises:
            NotInstalled: it cannot be made.
        """
        if self.program:
            if not shutil.which(self.program):
                raise NotInstalled(f"not installed; on Debian: apt-get install {self.program}")
            return Path(sys.executable)
        place = CACHE / self.script
        stamp = place / "packages.txt"
        if not stamp.exists() or stamp.read_text() != "\n".join(self.packages):
            self._make(place)
            stamp.write_text("\n".join(self.packages))
        return place / "bin" / "python"

    def _make(self, place: Path) -> None:
        python = place / "bin" / "python"
        for command in (
            ["venv", "--quiet", "--clear", "--python", sys.executable, str(place)],
            ["pip", "install", "--quiet", "--python", str(python), *self.packages],
        ):
            try:
                subprocess.run(
                    [str(UV), *command], check=True, capture_output=True, text=True, env=_environment()
                )
            except (OSError, subprocess.CalledProcessError) as error:
                why = (getattr(error, "stderr", "") or str(error)).strip().splitlines()[-1]
                raise NotInstalled(f"its packages could not be had: {why}") from error

    def versions(self) -> list[str]:
        """What is installed of what it is made of."""
        if not self.program:
            return list(self.packages)
        said = subprocess.run([self.program, "--version"], capture_output=True, text=True, check=False).stdout
        return [said.splitlines()[0]] if said else [self.program]


def _environment() -> dict[str, str]:
    return os.environ | {"UV_CACHE_DIR": str(CACHE / "uv"), "UV_SYSTEM_CERTS": "1"}


RIVALS = (
    Rival(
        name="DuckDB",
        script="duckdb",
        packages=(
            "duckdb==1.5.5",
            "duckdb-extensions==1.5.5",
            "duckdb-extension-postgres-scanner==1.5.5",
        ),
        leaves_out=NEVER + "; one broken line ends the load",
    ),
    Rival(
        name="parsezeeklogs + COPY",
        script="parsezeeklogs",
        packages=("parsezeeklogs==3.0.1", "psycopg[binary]==3.3.9"),
        leaves_out=NEVER + "; one value that the table refuses ends the load",
    ),
    Rival(
        name="pandas to_sql",
        script="pandas",
        packages=("pandas==3.1.1", "sqlalchemy==2.1.9", "psycopg2-binary==2.9.13"),
        formats=("json",),
        slow=True,
        leaves_out=NEVER + "; counters with gaps pass through floats; JSON only",
    ),
    Rival(
        name="dlt",
        script="dlt",
        packages=("dlt[postgres]==1.31.0", "psycopg2-binary==2.9.13"),
        formats=("json",),
        slow=True,
        leaves_out=NEVER + "; a table of its own first; JSON only",
    ),
    Rival(
        name="pgloader",
        script="pgloader",
        program="pgloader",
        formats=("tsv",),
        slow=True,
        leaves_out=NEVER + "; broken lines only in a log file; tunnel parents as Zeek writes them; TSV only",
    ),
)

"""``conn-etl`` in this process, by its real entry point: what it says, what it complains of, how it ends."""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path

import pytest


@dataclass(frozen=True, kw_only=True, slots=True)
class Said:
    """What a user sees of one call."""

    code: int
    out: str
    err: str

    @property
    def rows(self) -> list[list[str]]:
        """The words of each line of ``out`` that has any."""
        return [line.split() for line in self.out.splitlines() if line.strip()]


Say = Callable[..., Said]
WIDE = 400
"""Columns of the screen."""


@pytest.fixture
def say(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Say:
    """Run a verb in an empty folder, on a wide screen and a fresh database, but for what the environment says.

    ``without`` names variables that are not set.
    """
    from etl.cli import console
    from etl.cli.app import main

    def run(*arguments: object, without: Collection[str] = (), **environment: str) -> Said:
        given = {"CONN_ETL_DATABASE_URL": database_url, "CONN_ETL_ATTEMPTS": "1"}
        with monkeypatch.context() as patch:
            for name, value in (given | environment).items():
                if name not in without:
                    patch.setenv(name, value)
            patch.setattr(sys, "argv", ["conn-etl", *map(str, arguments)])
            patch.chdir(tmp_path)
            patch.setattr(console.out, "width", WIDE)  # it asked for COLUMNS when it was made
            capsys.readouterr()
            with pytest.raises(SystemExit) as ended:
                main()
        printed = capsys.readouterr()
        return Said(code=int(ended.value.code or 0), out=printed.out, err=printed.err)

    return run

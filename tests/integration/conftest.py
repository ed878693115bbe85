"""Fixtures on a migrated database: the store, a way to ask it, and settings for small tests."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from etl.database.store import Store
from etl.monitoring import verify
from etl.settings import Settings
from tests.commands import Commands

Ask = Callable[..., list[tuple[Any, ...]]]
Command = Callable[..., subprocess.CompletedProcess[str]]
BINARY = str(Path(sys.executable).with_name("conn-etl"))


@pytest.fixture
def store(database_url: str) -> Store:
    """A store on a fresh database."""
    return Store.open(database_url, Settings(attempts=1))


@pytest.fixture
def ask(store: Store) -> Ask:
    """Run one query (or statement) and return its rows."""

    def run(query: str, **parameters: Any) -> list[tuple[Any, ...]]:
        with store.engine.begin() as connection:
            result = connection.execute(sa.text(query), parameters)
            return [tuple(row) for row in result] if result.returns_rows else []

    return run


@pytest.fixture
def faults(store: Store) -> Callable[[], list[verify.Disagreement]]:
    """What ``conn-etl verify`` finds."""

    def look() -> list[verify.Disagreement]:
        with store.session() as connection:
            return verify.faults(connection)

    return look


@pytest.fixture
def command(commands: Commands, database_url: str, tmp_path: Path) -> Command:
    """Run ``conn-etl`` with arguments, environment and what is piped into it, in an empty folder."""

    def run(
        *arguments: object, piped: bytes | None = None, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        given = {"CONN_ETL_DATABASE_URL": database_url, "CONN_ETL_ATTEMPTS": "1", "COLUMNS": "200"}
        return commands.run([*map(str, arguments)], os.environ | given | environment, tmp_path, piped)

    return run

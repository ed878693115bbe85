"""The process that forks ``conn-etl`` for the tests: each call has its own answer, also after one that hung."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from tests import commands


def test_a_call_that_hangs_is_killed_and_the_next_has_its_own_answer(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    started = commands.Commands()
    try:
        assert started.run(["--version"], os.environ, tmp_path).stdout.startswith("conn-etl ")
        monkeypatch.setattr(commands, "SECONDS", 2.0)
        with socket.create_server(("127.0.0.1", 0)) as silent:
            port = silent.getsockname()[1]
            url = {"CONN_ETL_DATABASE_URL": f"postgresql://127.0.0.1:{port}/x"}
            with pytest.raises(TimeoutError):
                started.run(["status"], {**os.environ, **url}, tmp_path)
        monkeypatch.undo()
        assert started.run(["no-such-verb"], os.environ, tmp_path).returncode == 2
        assert started.run(["--version"], os.environ, tmp_path).returncode == 0
    finally:
        started.stop()

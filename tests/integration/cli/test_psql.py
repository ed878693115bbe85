"""``conn-etl psql``: PostgreSQL's own client, as a login that can only read."""

from __future__ import annotations

from pathlib import Path

import pytest

from etl import pipeline
from etl.database.store import Store
from tests.integration.conftest import Command
from tests.logs import flows, tsv, write


@pytest.fixture(autouse=True)
def _loaded(store: Store, tmp_path: Path) -> None:
    pipeline.ingest(store, [str(write(tmp_path / "conn.log", tsv(flows(3))))])


def test_names_need_no_schema_and_the_login_can_only_read(command: Command) -> None:
    done = command("psql", "SELECT session_user, (SELECT count(*) FROM conn), (SELECT count(*) FROM file)")
    assert (done.returncode, done.stderr) == (0, "")
    assert "reader" in done.stdout
    assert "| 3" in done.stdout.replace("     ", " ").replace("  ", " ")
    refused = command("psql", "CREATE TABLE mine (a int)")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "read-only transaction" in refused.stderr or "permission denied" in refused.stderr


def test_a_question_by_name_is_asked_over_all_that_is_loaded(command: Command) -> None:
    done = command("psql", "longest_connections")
    assert (done.returncode, done.stderr) == (0, "")
    assert "C00000000000000002" in done.stdout


def test_a_session_takes_what_is_piped_in(command: Command) -> None:
    done = command("psql", piped=b"\\dt zeek.conn_state\n")
    assert done.returncode == 0
    assert "conn_state" in done.stdout

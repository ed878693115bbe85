"""A tree is loaded before PostgreSQL has statistics of the ledger: no statement may compare all files with all."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa

from etl.database.statements import statement
from etl.database.store import Store
from tests.integration.conftest import Ask

FILES, MOST = 3_000, 100_000
"""Files of the ledger, of which half are in a batch, and rows that a plan may look at."""
NUMBERS = list(range(1, FILES // 2 + 1))
PATHS = [f"/logs/{number}/conn.log" for number in NUMBERS]
MTIME = "2026-03-02T00:00:00Z"
FOUND: dict[str, Any] = {"paths": PATHS, "sizes": [1] * len(PATHS), "mtimes": [MTIME] * len(PATHS)}
PLACES: dict[str, Any] = {name: [None] * len(PATHS) for name in ("sensors", "starts", "ends")}
STATEMENTS: dict[str, dict[str, Any]] = {
    "ledger.look_again": {**FOUND, "sizes": [2] * len(PATHS)},
    "ledger.register": {**FOUND, **PLACES, "sensors": [""] * len(PATHS)},
    "ledger.lookup": FOUND,
    "ledger.by_id": {"ids": NUMBERS},
    "ledger.claim": {"ids": NUMBERS, "batch": 2, "run": "r"},
    "ledger.batch_files": {"batch": 1},
    "ledger.older_versions": {"ids": NUMBERS},
    "ledger.supersede": {"newer": NUMBERS, "older": NUMBERS, "loaded": NUMBERS},
    "ledger.pass_over": {"newer": NUMBERS, "older": NUMBERS},
    "ledger.close_superseded": {"older": NUMBERS},
    "publish.same_bytes": {"digests": [bytes([n % 256, n // 256]) for n in NUMBERS], "batch": NUMBERS},
    "undo.other_versions": {"ids": NUMBERS},
    "undo.changed": {"ids": NUMBERS},
}


@pytest.fixture
def fresh(store: Store, ask: Ask) -> Store:
    """A store whose ledger was filled at once, and was never analysed."""
    ask("ALTER TABLE etl.file SET (autovacuum_enabled = false)")
    ask("INSERT INTO etl.run (run_id, kind) VALUES ('r', 'command')")
    ask(
        "INSERT INTO etl.file (path, size, mtime, digest, batch_id, replaces)"
        " SELECT '/logs/' || n || '/conn.log', 1, CAST(:mtime AS timestamptz),"
        " decode(lpad(to_hex(n), 64, '0'), 'hex'), CASE WHEN n <= :claimed THEN 1 END, true"
        " FROM generate_series(1, :files) AS n",
        mtime=MTIME,
        files=FILES,
        claimed=len(NUMBERS),
    )
    return store


@pytest.mark.parametrize("name", STATEMENTS)
def test_no_statement_compares_each_file_with_each(fresh: Store, name: str) -> None:
    explain = sa.text(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement(name).text}")
    with fresh.engine.connect() as connection:
        plan = connection.execute(explain, STATEMENTS[name]).scalar_one()[0]["Plan"]
    assert sum(_rows(plan)) < MOST


def _rows(node: dict[str, Any]) -> Iterator[float]:
    """Rows that each node of a plan gave out or threw away."""
    thrown = (value for key, value in node.items() if key.startswith("Rows Removed by"))
    yield (node["Actual Rows"] + sum(thrown)) * node["Actual Loops"]
    for child in node.get("Plans", ()):
        yield from _rows(child)

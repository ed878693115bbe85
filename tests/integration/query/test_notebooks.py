"""The page docs/queries.md is true: its snippets run, and it lists every question."""

from __future__ import annotations

import os
import re
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from etl import pipeline
from etl.database.store import Store
from etl.query import cookbook
from tests.logs import flow, flows, tsv, write

PAGE = Path(__file__).parents[3] / "docs" / "queries.md"
SNIPPETS = dict(
    re.findall(
        r"<!-- snippet: (\w+) -->\n```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), flags=re.DOTALL
    )
)


@pytest.fixture
def run(store: Store, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Run snippets in one namespace, in an empty folder, over 30 rows of 2026-03-01 and one of another day."""
    rows = [*flows(30), flow(40, ts="1772438400.0")]
    pipeline.ingest(store, [str(write(tmp_path / "conn.log", tsv(rows)))])
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CONN_ETL_DATABASE_URL", database_url)
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    names: dict[str, Any] = {"url": database_url}

    def execute(*snippets: str) -> dict[str, Any]:
        for snippet in snippets:
            exec(compile(SNIPPETS[snippet], f"{PAGE}:{snippet}", "exec"), names)  # noqa: S102  it is what the page says
        return names

    return execute


def test_every_snippet_is_run() -> None:
    assert sorted(SNIPPETS) == ["duckdb", "pandas", "polars", "sqlalchemy"]


def test_sqlalchemy(run: Any) -> None:
    rows = run("sqlalchemy")["rows"]
    assert len(rows) == 30
    assert min(row[0] for row in rows) == datetime(2026, 3, 1, 8, tzinfo=UTC)


def test_pandas(run: Any) -> None:
    names = run("sqlalchemy", "pandas")
    assert len(names["frame"]) == 30
    assert names["by_hour"].to_dict() == {names["by_hour"].index[0]: 3 * sum(range(30))}
    assert str(names["by_hour"].index[0]) == "2026-03-01 08:00:00+00:00"


def test_polars(run: Any) -> None:
    names = run("sqlalchemy", "polars")
    assert names["table"].height == 30
    assert names["longest"]["event_duration"].to_list() == [29.25, 28.25, 27.25, 26.25, 25.25]


def test_duckdb(run: Any) -> None:
    assert run("duckdb")["services"] == [
        ("ssl", 15, 7 * sum(range(1, 30, 2))),
        (None, 15, 7 * sum(range(0, 30, 2))),
    ]


@pytest.mark.parametrize("name", cookbook.names())
def test_the_page_lists_the_question_in_its_own_words(name: str) -> None:
    assert f"| `{name}` | {cookbook.load(name).question} |" in PAGE.read_text(encoding="utf-8")

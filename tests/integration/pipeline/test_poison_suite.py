"""Files that are odd in one way each, a good file beside each: the good ones load, the odd ones have a state.

One load of all of them by the command, one by the steps of a DAG run; what each single oddity becomes stands in other
tests. A file with an error that nobody foresaw is ``unforeseen``: none of these may be.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from etl import pipeline
from etl.database.store import Store
from etl.settings import Settings
from tests.integration.conftest import Ask
from tests.poison import CONTENT, NAMES, plant


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Files ``odd-….log`` and ``good-….log``, one of each for every oddity, and good logs of odd names."""
    plant(tmp_path)
    return tmp_path


def by_command(url: str, folder: Path) -> None:
    assert pipeline.ingest(Store.open(url, Settings(attempts=1)), [str(folder)]).problem is None


def by_steps(url: str, folder: Path) -> None:
    store = Store.open(url, Settings(attempts=1, settle_after="0s"))
    pipeline.begin(store, "run", "dag", {})
    for batch in pipeline.discover(store, "run", [str(folder)]):
        for step in (pipeline.stage, pipeline.validate, pipeline.publish):
            step(store, batch)
    pipeline.end(store, "run")


def test_there_are_enough_of_them() -> None:
    assert len(CONTENT) + len(NAMES) >= 60


@pytest.mark.parametrize("load", [by_command, by_steps])
def test_all_good_files_load_and_each_odd_one_has_a_state_and_a_reason(
    load: Callable[[str, Path], None],
    database_url: str,
    ask: Ask,
    faults: Callable[[], list[object]],
    folder: Path,
) -> None:
    load(database_url, folder)
    good = (
        "SELECT count(*) FROM zeek.conn INNER JOIN etl.file USING (etl_file_id) "
        "WHERE path NOT LIKE '%conn-odd-%'"
    )
    assert ask(good) == [(3 * (len(CONTENT) + len(NAMES) + 1),)]
    odd = {
        path.rpartition("-")[2]: (state, kind, reason)
        for path, state, kind, reason in ask(
            "SELECT path, state, kind, reason FROM etl.file WHERE path LIKE '%conn-odd-%'"
        )
    }
    named = {name: odd[f"{number:03}.log"] for number, name in enumerate(CONTENT)}
    assert {name: is_ for name, is_ in named.items() if is_[0] in ("found", "staged")} == {}
    silent = {n: o for n, o in named.items() if o[0] not in ("published", "known") and not o[2]}
    assert silent == {}
    assert {name: is_ for name, is_ in named.items() if is_[1] == "unforeseen"} == {}
    assert faults() == []
    before = ask("SELECT etl_file_id, state FROM etl.file ORDER BY 1")
    load(database_url, folder)
    assert ask("SELECT etl_file_id, state FROM etl.file ORDER BY 1") == before

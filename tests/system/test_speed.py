"""A guard against a path that got several times slower: ratios of one run, with much room for a busy machine."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from benchmarks.copying import clean_rows, plain_copy
from benchmarks.gate import judged, staged
from benchmarks.load import Contender, load_here
from benchmarks.server import database, server
from etl.database.store import Store
from etl.quality import gx
from etl.settings import Settings
from samples.writing import write_conn_log

pytestmark = [pytest.mark.system, pytest.mark.slow]
ROWS = 200_000
PAIRS = 3
PATH_AT_LEAST = 0.15
"""Share of plain COPY's rate; on an idle machine it is several times that."""
GATE_AT_MOST = 1.0
"""Of plain COPY's time."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """A server of its own at production settings, a log, and its clean rows."""

    home: Path
    log: Path
    csv: Path


@pytest.fixture(scope="module")
def place() -> Iterator[Place]:
    with server() as home, tempfile.TemporaryDirectory() as folder:
        log, csv = Path(folder) / "conn.json.log.gz", Path(folder) / "clean.csv"
        write_conn_log(log, ROWS, 7, "json")
        assert clean_rows(database(home, "clean"), log, csv) == ROWS
        yield Place(home=home, log=log, csv=csv)


def test_the_whole_path_keeps_up_with_copy(place: Place) -> None:
    ratios = []
    while len(ratios) < PAIRS and max(ratios, default=0) < PATH_AT_LEAST:
        copy = plain_copy(database(place.home, "plain"), place.csv)
        figures = load_here(database(place.home, "whole"), Contender(name="", log=place.log))
        assert figures["rows_loaded"] == ROWS
        ratios.append(copy / figures["load_seconds"])
    assert max(ratios) >= PATH_AT_LEAST, ratios


def test_the_gate_costs_less_than_copy(place: Place) -> None:
    store = Store.open(database(place.home, "gate"), Settings(settle_after=timedelta(0)))
    batch_id = staged(store, place.log)
    gx.load()
    judged(store, batch_id)  # the first brings late imports
    ratios = []
    while len(ratios) < PAIRS and min(ratios, default=float("inf")) > GATE_AT_MOST:
        copy = plain_copy(database(place.home, "plain"), place.csv)
        seconds, failed = judged(store, batch_id)
        assert failed == 0
        ratios.append(seconds / copy)
    assert min(ratios) <= GATE_AT_MOST, ratios

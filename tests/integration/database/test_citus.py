"""conn-etl on a Citus cluster; where there is none, what chooses between the engines.

``CONN_ETL_TEST_CITUS_URL`` names a database for tests alone on a coordinator, with the extension and at least two
workers; its schemas zeek, etl and iceberg are made again. ``pytest tests/integration/database/test_citus.py``
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from etl import pipeline
from etl.database import citus, engine
from etl.database.store import Store
from etl.history import days, maintenance
from etl.monitoring import metrics, verify
from etl.query import ask, cookbook, formats
from etl.settings import Settings
from tests import history
from tests.integration.conftest import Command
from tests.logs import flow, flows, tsv, write

URL = os.environ.get("CONN_ETL_TEST_CITUS_URL")
on_citus = pytest.mark.skipif(URL is None, reason="CONN_ETL_TEST_CITUS_URL names no cluster")
DAY, SAMPLE_DAY = date(2026, 3, 1), date(2026, 2, 27)
SINCE, UNTIL = datetime(2026, 2, 20, tzinfo=UTC), datetime(2026, 3, 3, tzinfo=UTC)
GIVEN = {"host": "10.9.0.1", "uid": "C00000000000010000"}


def test_there_is_nothing_to_distribute_over(command: Command) -> None:
    done = command("migrate", "--distribute")
    assert done.returncode == 2
    assert "no extension citus" in done.stderr


@pytest.mark.parametrize(("distributed", "statement"), [(False, "detach"), (True, "detach_distributed")])
def test_the_engine_decides_how_a_day_is_detached(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, distributed: bool, statement: str
) -> None:
    pipeline.ingest(store, [str(write(tmp_path / "conn.log", tsv(flows(3))))])
    asked: list[str] = []
    run = days.execute_on

    def noted(connection: sa.Connection, name: str, *rest: Any, **parameters: Any) -> Any:
        asked.append(name)
        return run(connection, name, *rest, **parameters)

    monkeypatch.setattr(days, "execute_on", noted)
    monkeypatch.setattr(citus, "is_distributed", lambda _: distributed)
    maintenance.drop(store, {DAY: "a test"})
    assert [name for name in asked if "detach" in name] == [f"partitions.{statement}"]
    with store.session() as connection:
        assert [day.state for day in days.listed(connection)] == ["dropped"]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """A distributed database with the samples, and a story of late and repeated flows."""
    store = Store.open(str(URL), Settings(attempts=1))
    with store.engine.begin() as connection:
        connection.exec_driver_sql("DROP SCHEMA IF EXISTS zeek, etl, iceberg CASCADE")
    store.migrate(distribute=True)
    pipeline.ingest(store, logs(tmp_path_factory.mktemp("cluster")))
    maintenance.refresh(store)
    yield store
    store.engine.dispose()


def logs(folder: Path) -> list[str]:
    return [str(history.FOLDER), *map(str, history.story(folder))]


def disagreements(store: Store) -> list[Any]:
    with store.session() as connection:
        return verify.faults(connection)


@on_citus
def test_rows_lie_on_the_workers_and_the_equation_holds(cluster: Store) -> None:
    with cluster.engine.begin() as connection:
        shards = "SELECT nodeport FROM citus_shards WHERE table_name = 'zeek.conn'::regclass GROUP BY 1"
        assert len(connection.execute(sa.text(shards)).all()) >= 2
    assert disagreements(cluster) == []
    assert pipeline.ingest(cluster, [str(history.FOLDER)]).total("rows_read") == 0
    assert cluster.migrate() == cluster.migrate(distribute=True)
    assert disagreements(cluster) == []


@on_citus
def test_duplicates_and_conflicts_are_told_apart(cluster: Store, tmp_path: Path) -> None:
    one = write(tmp_path / "one.log", tsv(flows(20, 50_000)))
    again = [flow(n, service="other") if n < 50_003 else flow(n) for n in range(50_000, 50_025)]
    two = write(tmp_path / "two.log", tsv(again))
    pipeline.ingest(cluster, [str(one)])
    done = pipeline.ingest(cluster, [str(two)])
    counts = [done.total(name) for name in ("rows_loaded", "rows_duplicate", "rows_quarantined")]
    assert counts == [5, 17, 3]
    pipeline.unload(cluster, [str(two)])
    pipeline.unload(cluster, [str(one)])
    assert disagreements(cluster) == []


@pytest.fixture(scope="module")
def alone(
    server_home: Path, server_url: str, template_database: str, tmp_path_factory: pytest.TempPathFactory
) -> Store:
    """The same rows on one server."""
    from etl.database import embedded

    admin = sa.create_engine(
        server_url.replace("postgresql:", "postgresql+psycopg2:"), isolation_level="AUTOCOMMIT"
    )
    with admin.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE beside_citus TEMPLATE {template_database}")
    store = Store.open(embedded.url(server_home, "beside_citus"), Settings(attempts=1))
    pipeline.ingest(store, logs(tmp_path_factory.mktemp("alone")))
    maintenance.refresh(store)
    return store


def answer(store: Store, name: str) -> list[Any]:
    question = cookbook.load(name)
    needed = {parameter.name for parameter in question.parameters if parameter.default is None}
    values = question.values({key: GIVEN[key] for key in needed}, SINCE, UNTIL)
    with store.session() as connection, ask.reading(connection, timedelta(minutes=1)):
        found = ask.ask(connection, question.sql, values)
        # files are other ones: other tests load more of them, and each server has its own folder
        kept = [n for n, column in enumerate(found.columns) if column not in {"etl_file_id", "path"}]
        return [[row[n] for n in kept] for row in formats.rows(found)]


@on_citus
@pytest.mark.parametrize("name", cookbook.names())
def test_a_cluster_answers_as_one_server_does(cluster: Store, alone: Store, name: str) -> None:
    assert answer(cluster, name) == answer(alone, name)


@on_citus
def test_the_guard_sees_which_days_are_read_without_a_bound(cluster: Store) -> None:
    with cluster.session() as connection, ask.reading(connection, timedelta(minutes=1)):
        everything = ask.unbounded(connection, "SELECT count(*) FROM zeek.conn", {})
        assert len(everything) >= 3
        for condition in ("event_uid = 'C1'", "\"@timestamp\" >= '2026-03-01 00:00+00'"):
            assert ask.unbounded(connection, f"SELECT * FROM zeek.conn_detail WHERE {condition}", {}) == []


@on_citus
def test_sizes_and_room_are_those_of_the_workers(cluster: Store) -> None:
    with cluster.session() as connection:
        assert all(day.bytes > 8192 for day in days.listed(connection))
        assert engine.free_bytes(connection)
        with connection.begin():
            assert citus.free_bytes(connection)
        found = metrics.text(metrics.collect(connection, cluster.settings))
    assert float(found.partition('table_bytes{table="zeek.conn"} ')[2].split()[0]) > 100_000


@on_citus
def test_a_day_is_sealed_and_dropped(cluster: Store) -> None:
    assert SAMPLE_DAY in maintenance.seal(cluster)
    assert maintenance.drop(cluster, {SAMPLE_DAY: "a test"}) == [SAMPLE_DAY]
    assert disagreements(cluster) == []

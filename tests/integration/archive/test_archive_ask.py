"""The archive's answers: each question of the cookbook on both engines, before and after thirty days were dropped."""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from etl import pipeline
from etl.archive import ask as archive_ask
from etl.archive import export, table
from etl.database import embedded
from etl.database.store import Store
from etl.errors import Busy, Misuse
from etl.history import maintenance
from etl.query import ask, cookbook, formats
from etl.settings import Settings
from tests import history
from tests.logs import START, flow, tsv, write

SINCE, UNTIL = datetime(2026, 1, 25, tzinfo=UTC), datetime(2026, 3, 3, tzinfo=UTC)
GIVEN = {"host": "10.9.0.1", "uid": "C00000000000010000"}
"""Values of parameters that have no default."""
SHIFTS = [{"ports": "1"}, {"ports": "1", "most": "3"}]
"""Parameters changed, where a question has them: a cut through ties shows their order."""

Rows = tuple[tuple[str, ...], list[list[Any]]]


@pytest.fixture(scope="module")
def store(
    server_url: str, server_home: Path, template_database: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Store]:
    """Samples, story and thirty days with a few rows each, many of them with equal sums; sealed and exported."""
    folder = tmp_path_factory.mktemp("archive")
    admin = sa.create_engine(
        server_url.replace("postgresql:", "postgresql+psycopg2:"), isolation_level="AUTOCOMMIT"
    )
    with admin.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE archived TEMPLATE {template_database}")
    settings = Settings(attempts=1, archive_url=str(folder / "archive"))
    store = Store.open(embedded.url(server_home, "archived"), settings)
    ties = [
        flow(
            900_000 + 100 * day + n, ts=f"{START - 86_400 * day + n}.0", id_orig_h=host, id_resp_h=host,
            orig_bytes=7, resp_bytes=7, conn_state="S0" if n % 2 else "SF",
        )
        for day in range(31)
        for n, host in enumerate(("9.0.0.9", "10.0.0.1", "100.0.0.1", "2.2.2.2"))
    ]  # fmt: skip
    logs = [*history.story(folder), write(folder / "ties.log", tsv(ties))]
    pipeline.ingest(store, [str(history.FOLDER), *map(str, logs)])
    with store.engine.begin() as connection:
        connection.exec_driver_sql(
            "UPDATE etl.file SET sensor = substring(path FROM '(north|south|older)/conn') "
            "WHERE path ~ '(north|south|older)/conn'"
        )
    maintenance.refresh(store)
    maintenance.seal(store)
    assert len(list(export.export(store))) >= 30
    yield store
    with admin.connect() as connection:
        connection.exec_driver_sql("DROP DATABASE archived WITH (FORCE)")


def answers(store: Store, name: str, changed: dict[str, str], *, archive: bool) -> Rows:
    question = cookbook.load(name)
    takes = {parameter.name for parameter in question.parameters}
    needed = {parameter.name for parameter in question.parameters if parameter.default is None}
    given = {key: value for key, value in GIVEN.items() if key in needed}
    given |= {key: value for key, value in changed.items() if key in takes}
    values = question.values(given, SINCE, UNTIL)
    with store.session() as connection:
        opened = table.open_archive(store, connection) if archive else None
        with ask.reading(connection, timedelta(minutes=1)):
            if opened is None:
                return plain(ask.ask(connection, question.sql, values))
            sql, minute = archive_ask.text_of(question), timedelta(minutes=1)
            with archive_ask.answering(connection, opened, question, sql, values, minute) as answer:
                return plain(answer)


def plain(answer: ask.Answer) -> Rows:
    return answer.columns, list(formats.rows(answer))


def same(one: Rows, other: Rows) -> bool:
    """Also in order; a quotient may differ in its last digits."""
    return (
        one[0] == other[0]
        and len(one[1]) == len(other[1])
        and all(equal(a, b) for x, y in zip(one[1], other[1], strict=True) for a, b in zip(x, y, strict=True))
    )


def equal(one: Any, other: Any) -> bool:
    if isinstance(one, float) or isinstance(other, float):
        return None not in {one, other} and math.isclose(one, other, rel_tol=1e-9, abs_tol=1e-9)
    return bool(one == other)


@pytest.mark.parametrize("shift", range(len(SHIFTS)))
@pytest.mark.parametrize("name", cookbook.names())
def test_both_engines_give_the_same_rows_in_the_same_order(store: Store, name: str, shift: int) -> None:
    expected = answers(store, name, SHIFTS[shift], archive=False)
    assert expected[1], "the question says nothing about these days"
    assert same(answers(store, name, SHIFTS[shift], archive=True), expected)


def test_after_thirty_days_were_dropped_the_archive_answers_as_before(store: Store) -> None:
    before = {name: answers(store, name, {}, archive=False) for name in cookbook.names()}
    with store.session() as connection:
        days = [row.day for row in connection.execute(sa.text("SELECT day FROM etl.archived_day"))]
    maintenance.drop(store, dict.fromkeys(days, "a test"))
    assert len(days) >= 30
    for name, expected in before.items():
        assert same(answers(store, name, {}, archive=True), expected), name


def run(store: Store, sql: str, timeout: timedelta = timedelta(minutes=1)) -> Rows:
    with store.session() as connection:
        opened = table.open_archive(store, connection)
        with (
            connection.begin(),
            archive_ask.asking(connection, archive_ask.dataset(opened), sql, {}, timeout) as answer,
        ):
            return plain(answer)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM read_csv('/etc/hostname')",
        "COPY (SELECT 1) TO '/dev/null'",
        "ATTACH '/dev/null' AS other",
        "SET enable_external_access = true",
        "SELEC 1",
    ],
)
def test_no_other_file_is_read_or_written(store: Store, sql: str) -> None:
    with pytest.raises(Misuse):
        run(store, sql)


def test_a_question_that_takes_too_long_ends(store: Store) -> None:
    with pytest.raises(Busy, match="took longer"):
        run(store, "SELECT count(*) FROM range(1000000000) AS a, range(1000000) AS b", timedelta(seconds=1))


def test_values_keep_their_types(store: Store) -> None:
    columns, rows = run(
        store,
        """SELECT CAST('2026-03-01 12:00:00.000001+00' AS timestamptz) AS t, CAST(1 AS hugeint) AS h, 1.5 AS d,
        true AS b, NULL AS n, extra FROM zeek.conn WHERE extra IS NOT NULL LIMIT 1""",
    )
    assert columns == ("t", "h", "d", "b", "n", "extra")
    assert rows[0][:5] == ["2026-03-01T12:00:00.000001+00:00", 1, 1.5, True, None]
    assert isinstance(rows[0][5], dict)

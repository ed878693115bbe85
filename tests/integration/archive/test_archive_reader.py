"""Somebody who may only read: the archive answers, and everything else is refused in one sentence."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator

import pytest
from sqlalchemy.engine import make_url

from etl.database.store import Store
from tests.integration.archive.conftest import DAY, drop, run_export
from tests.integration.conftest import Ask, Command


@pytest.fixture
def reader(store: Store, ask: Ask) -> Iterator[dict[str, str]]:
    """The environment of a user of whom only ``conn_reader`` is known."""
    name = f"reads_{uuid.uuid4().hex[:8]}"
    ask(f"CREATE ROLE {name} LOGIN IN ROLE conn_reader")
    url = make_url(store.url.render_as_string(hide_password=False)).set(
        drivername="postgresql", username=name
    )
    yield {
        "CONN_ETL_DATABASE_URL": url.render_as_string(hide_password=False),
        "CONN_ETL_ARCHIVE_URL": str(store.settings.archive_url),
    }
    ask(f"DROP ROLE {name}")


@pytest.mark.usefixtures("loaded")
def test_a_reader_asks_the_archive_also_for_dropped_days(
    store: Store, command: Command, reader: dict[str, str]
) -> None:
    run_export(store)
    drop(store, DAY)
    span = ("--since", "2026-03-01", "--until", "2026-03-03", "--json")
    sql = 'SELECT count(*) AS n FROM zeek.conn WHERE "@timestamp" >= :since AND "@timestamp" < :until'
    done = command("archive", "query", sql, *span, **reader)
    assert json.loads(done.stdout)["rows"] == [{"n": 45}], done.stderr
    assert len(json.loads(command("archive", "query", "top_talkers", *span, **reader).stdout)["rows"]) == 20
    assert len(command("archive", "paths", **reader).stdout.split()) == 2
    days = json.loads(command("archive", "list", "--json", **reader).stdout)["days"]
    assert [day["dropped"] for day in days] == [True, False]


@pytest.mark.usefixtures("loaded")
@pytest.mark.parametrize("verb", [("export",), ("restore", str(DAY)), ("drop-expired", "--yes")])
def test_a_reader_changes_nothing_in_it(
    store: Store, command: Command, reader: dict[str, str], verb: tuple[str, ...]
) -> None:
    run_export(store)
    done = command("archive", *verb, CONN_ETL_KEEP_DAYS="1", **reader)
    assert (done.returncode, "Traceback" in done.stderr) == (2, False)
    assert "conn_loader" in done.stderr or "conn_owner" in done.stderr or "did not drop" in done.stderr

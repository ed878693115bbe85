"""After publish: the suites whose ``meta.stage`` is ``after``, over one UTC day of ``zeek.conn``. They move no row.

A suite names the relation that it looks at: ``conn_relation`` (the day's rows, with what should hold between their
columns) or ``drift`` (the day's measures beside what is usual). The day is measured first, and with it those earlier
days that nobody measured yet. A day can be checked again at any time; its newest results replace the older ones.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Any

from sqlalchemy.engine import Connection

from etl.database import engine
from etl.database.engine import Address
from etl.database.statements import execute, statement
from etl.database.store import Store
from etl.errors import Misuse
from etl.quality import gate, gx
from etl.quality.results import EXAMPLES, RuleResult, record_day
from etl.quality.rules import Rule, rules, under_policy

_KEYS = {"conn_relation": ("etl_file_id", "etl_line"), "drift": ("day", "measure")}
"""What identifies a row of each relation."""
Found = tuple[int, dict[int, int], list[dict[str, Any]]]
"""Rows that fail, the same by file, and some of them."""
_COUNTS = {"conn_relation": "checks.rows_of", "drift": "checks.measures_of"}


def check_day(store: Store, day: date, run_id: str | None = None) -> list[RuleResult]:
    """Measure a day, run the suites over it and store their results.

    Raises:
        PermanentError: a rule cannot be evaluated.
        TransientError: the database gave up; nothing was stored.
    """
    with store.loading() as connection:
        measure(connection, day)
        with connection.begin():
            execute(connection, "locks.checks", day=day)
            address = engine.url_as(connection, store.url, store.settings, "conn-etl checks")
            wanted = under_policy(rules("after"), store.settings.rule_severity)
            results = [
                result for relation in _KEYS for result in _check(connection, address, relation, wanted, day)
            ]
            record_day(connection, results, run_id=run_id, day=day)
    return results


def touched_days(store: Store, since: datetime, most: int = 60) -> list[date]:
    """Days on which rows were added since a moment, the newest first."""
    with store.session() as connection, connection.begin():
        return [row.day for row in execute(connection, "checks.touched_days", since=since, most=most)]


def measure(connection: Connection, day: date) -> None:
    """Write a day's measures again, and those of earlier days that it is compared with and that have none."""
    with connection.begin():
        earlier = [row.day for row in execute(connection, "checks.unmeasured", day=day)]
    for each in [*earlier, day]:
        with connection.begin():
            execute(connection, "locks.checks", day=each)
            execute(connection, "checks.forget_measures", day=each)
            execute(connection, "session.hash_only")
            execute(connection, "checks.measure", day=each)


def _check(
    connection: Connection, address: Address, relation: str, wanted: Sequence[Rule], day: date
) -> Iterator[RuleResult]:
    mine = [rule for rule in wanted if rule.relation == relation]
    rows = int(execute(connection, _COUNTS[relation], day=day).scalar_one())
    # Great Expectations takes complete text alone, and the planner needs literals to leave other days out
    written = str(
        statement(f"checks.{relation}")
        .bindparams(day=str(day))
        .compile(dialect=connection.dialect, compile_kwargs={"literal_binds": True})
    )
    query = written.rstrip().rstrip(";")
    found: dict[str, str] = {}
    if rows:
        found = {rule.name: sql for rule, sql in gx.find(address, mine, query=query, key=_KEYS[relation])}
    look: Callable[[Connection, str], Found] = _by_file if relation == "conn_relation" else _by_measure
    for rule in mine:
        failed, by_file, sample = look(connection, found[rule.name]) if rule.name in found else (0, {}, [])
        yield RuleResult(
            suite=rule.suite,
            rule=rule.name,
            severity=rule.severity,
            rows=rows,
            failed=failed,
            by_file=by_file,
            examples=sample,
        )


def _by_file(connection: Connection, query: str) -> Found:
    by_file, some = gate.count_by_file(connection, query)
    sample = [{"file": etl_file_id, "line": line} for etl_file_id, line in some]
    return sum(by_file.values()), by_file, sample[:EXAMPLES]


def _by_measure(connection: Connection, query: str) -> Found:
    rows = gate.run_written(
        connection,
        "SELECT drift.measure, drift.value, drift.usual FROM etl.drift"  # noqa: S608
        f" INNER JOIN ({query}) AS failing USING (day, measure) ORDER BY 1",
    )
    sample = [{"measure": measure, "value": value, "usual": usual} for measure, value, usual in rows]
    return len(rows), {}, sample[:EXAMPLES]


def data_docs(store: Store, folder: Path) -> Path:
    """Great Expectations' pages on the newest day of the table: the rules of the gate, over rows that passed it.

    Raises:
        Misuse: there is no row yet.
    """
    with store.session() as connection, connection.begin():
        newest = execute(connection, "checks.newest_day").scalar_one()
        if newest is None:
            raise Misuse("no row yet", hint="load something first")
        address = engine.url_as(connection, store.url, store.settings, "conn-etl data docs")
    return gx.data_docs(address, f"zeek.conn_{newest:%Y%m%d}", rules("gate"), folder)

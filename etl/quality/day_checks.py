"""After publish: the suites whose ``meta.stage`` is ``after``, over one UTC day of ``zeek.conn``. They move no row.

A suite names the relation that it looks at: ``conn_relation`` (the day's rows, with what should hold between their
columns) or ``drift`` (the day's measures beside what is usual). Days are measured first, and with them those earlier
days that nobody measured yet. A day can be checked again at any time; its newest results replace the older ones.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Any

from sqlalchemy.engine import Connection

from etl.database import engine
from etl.database.engine import Address
from etl.database.statements import execute, statement
from etl.database.store import Store
from etl.errors import Misuse, PermanentError
from etl.quality import gate, gx
from etl.quality.results import EXAMPLES, RuleResult, record_day
from etl.quality.rules import Rule, rules, under_policy

_KEYS = {"conn_relation": ("etl_file_id", "etl_line"), "drift": ("day", "measure")}
"""What identifies a row of each relation."""
Found = tuple[int, dict[int, int], list[dict[str, Any]]]
"""Rows that fail, the same by file, and some of them."""
_ROWS_AT_ONCE = 5_000_000
"""Rows of the days that one statement looks at; a day with more is looked at alone."""
_COUNTS = {"conn_relation": "checks.rows_of", "drift": "checks.measures_of"}


def check_day(store: Store, day: date, run_id: str | None = None) -> list[RuleResult]:
    """Measure a day, run the suites over it and store their results; raises as ``check_days``."""
    return check_days(store, [day], run_id)[day]


def check_days(
    store: Store, days: Collection[date], run_id: str | None = None
) -> dict[date, list[RuleResult]]:
    """Measure days, then run the suites over them and store the results of each day.

    Great Expectations is asked once for many days: whether any row of any of them fails a rule.

    Raises:
        PermanentError: a rule cannot be evaluated.
        TransientError: the database gave up; days may be left without results.
    """
    results: dict[date, list[RuleResult]] = {}
    with store.loading() as connection:
        for day in sorted(days):
            measure(connection, day)
        wanted = under_policy(rules("after"), store.settings.rule_severity)
        with connection.begin():
            groups = list(_groups(connection, sorted(days)))
        for some in groups:
            with connection.begin():
                for day in some:
                    execute(connection, "locks.checks", day=day)
                address = engine.url_as(connection, store.url, store.settings, "conn-etl checks")
                found = {day: list[RuleResult]() for day in some}
                for relation in _KEYS:
                    for day, result in _check(connection, address, relation, wanted, some):
                        found[day].append(result)
                for day in some:
                    record_day(connection, found[day], run_id=run_id, day=day)
            results |= found
    return results


def _groups(connection: Connection, days: Sequence[date]) -> Iterator[list[date]]:
    """Cut the days where they have too many rows for one statement."""
    if len(days) == 1:
        yield list(days)
        return
    some: list[date] = []
    rows = 0
    for day, more in _rows(connection, "conn_relation", days).items():
        if some and rows + more > _ROWS_AT_ONCE:
            yield some
            some, rows = [], 0
        some.append(day)
        rows += more
    if some:
        yield some


def _rows(connection: Connection, relation: str, days: Sequence[date]) -> dict[date, int]:
    return {day: int(execute(connection, _COUNTS[relation], day=day).scalar_one()) for day in days}


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
    connection: Connection, address: Address, relation: str, wanted: Sequence[Rule], days: Sequence[date]
) -> Iterator[tuple[date, RuleResult]]:
    mine = [rule for rule in wanted if rule.relation == relation]
    rows = _rows(connection, relation, days)
    queries = {day: _written(connection, relation, day) for day in days if rows[day]}
    all_of_them = " UNION ALL ".join(queries.values())
    found: dict[str, str] = {}
    if queries:
        failing = gx.find(address, mine, query=all_of_them, key=_KEYS[relation])
        found = {rule.name: query for rule, query in failing}
    look: Callable[[Connection, str], Found] = _by_file if relation == "conn_relation" else _by_measure
    for day in days:
        for rule in mine:
            failed, by_file, sample = 0, dict[int, int](), list[dict[str, Any]]()
            if rule.name in found and day in queries:
                query = _instead(found[rule.name], all_of_them, queries[day])
                failed, by_file, sample = look(connection, query)
            yield (
                day,
                RuleResult(
                    suite=rule.suite,
                    rule=rule.name,
                    severity=rule.severity,
                    rows=rows[day],
                    failed=failed,
                    by_file=by_file,
                    examples=sample,
                ),
            )


def _written(connection: Connection, relation: str, day: date) -> str:
    """The relation of a day as complete text.

    Great Expectations takes no other, and the planner needs literals to leave the other days out.
    """
    compiled = (
        statement(f"checks.{relation}")
        .bindparams(day=str(day))
        .compile(dialect=connection.dialect, compile_kwargs={"literal_binds": True})
    )
    return str(compiled).rstrip().rstrip(";")


def _instead(query: str, relation: str, other: str) -> str:
    """The query for the rows that fail, asked of one day instead of all.

    Raises:
        PermanentError: Great Expectations did not write the relation as it was given.
    """
    if relation not in query:
        raise PermanentError(
            "a query of Great Expectations is not about the days that it was given",
            hint="install great-expectations 1.24",
        )
    return query.replace(relation, other)


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

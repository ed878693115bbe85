"""The gate: every row of a staged batch is judged, and those that break a rule are counted, shown and put aside.

The suites in ``expectations/`` whose ``meta.stage`` is ``gate`` run together; only the queries of failed rules are run.
A typed staging table cannot hold a value of a wrong type, so the reader's rejects are counted in the rule that each of
them breaks.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.engine import Connection

from etl.database.engine import Address
from etl.database.statements import execute
from etl.quality import gx
from etl.quality.results import EXAMPLES, RuleResult
from etl.quality.rules import LEDGER_RULES, rules, under_policy

MOST_EXAMPLES = 2_000
"""Examples of a batch in all: thousands of bad files must not be copied into the results."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Policy:
    """The settings' part in the rules: when a row may have begun, and severities other than the suites' own."""

    earliest: datetime
    after_first_seen: timedelta
    severities: Mapping[str, str] = field(default_factory=dict)


def gate(
    connection: Connection, address: Address, table: str, rows_read: dict[int, int], policy: Policy
) -> list[RuleResult]:
    """Run the gate over a staged batch and fill its table of bad rows with what breaks a critical rule.

    Args:
        connection: in a transaction, with the batch's staging bound as pg_temp.staged….
        address: the same database, for Great Expectations' own session; ``table`` must be committed there.
        table: the staging table, ``etl.stage_<batch>``.
        rows_read: the batch's files and the rows read from each.
        policy: for the rule ``time_out_of_range``, and what the settings say about severities.

    Raises:
        PermanentError: a rule cannot be evaluated at all; nothing passes a gate that does not work.
    """
    wanted = under_policy(rules("gate"), policy.severities)
    results = {
        rule.name: RuleResult(
            suite=rule.suite,
            rule=rule.name,
            severity=rule.severity,
            column=rule.column,
            rows=sum(rows_read.values()),
        )
        for rule in (*wanted, *LEDGER_RULES)
    }
    execute(connection, "quality.clear_bad")
    failing = gx.find(address, wanted, table=table) if any(rows_read.values()) else []
    lines: list[tuple[str, int, int]] = []
    execute(connection, "quality.look_in_etl")
    for rule, query in failing:
        selected = f"SELECT etl_file_id, etl_line FROM ({query}) AS unexpected"  # noqa: S608  GX wrote it
        if rule.severity == "critical":
            run_written(
                connection,
                f"INSERT INTO pg_temp.staged_bad SELECT etl_file_id, etl_line, %s, %s FROM ({selected}) AS b",  # noqa: S608
                rule.suite,
                rule.name,
            )
        else:
            lines += _warned(connection, results[rule.name], selected)
    execute(connection, "quality.out_of_range", earliest=policy.earliest, margin=policy.after_first_seen)
    execute(connection, "quality.expired")
    for name in ("quality.bad_by_rule", "quality.rejects_by_rule"):
        for row in execute(connection, name):
            results[row.rule].count(row.etl_file_id, row.failed)
    _add_examples(connection, results, lines)
    return list(results.values())


def _warned(connection: Connection, result: RuleResult, selected: str) -> list[tuple[str, int, int]]:
    """Count the rows that break a rule of severity warning, and return some: (rule, file, line)."""
    counted, some = count_by_file(connection, selected)
    for etl_file_id, failed in counted.items():
        result.count(etl_file_id, failed)
    return [(result.rule, etl_file_id, line) for etl_file_id, line in some]


def count_by_file(connection: Connection, query: str) -> tuple[dict[int, int], list[tuple[int, int]]]:
    """Rows of a query by etl_file_id, and some of them (file, line): the first of each file, and a few more.

    Millions may fail: nothing is sorted, and nobody waits for more examples than are shown.
    """
    counted = run_written(
        connection,
        f"SELECT etl_file_id, count(*), min(etl_line) FROM ({query}) AS b GROUP BY 1 ORDER BY 1",  # noqa: S608
    )
    if not counted:
        return {}, []
    more = run_written(connection, f"SELECT etl_file_id, etl_line FROM ({query}) AS b LIMIT {EXAMPLES}")  # noqa: S608
    firsts = [(etl_file_id, line) for etl_file_id, _, line in counted]
    return {etl_file_id: count for etl_file_id, count, _ in counted}, sorted({*firsts, *map(tuple, more)})


def _add_examples(
    connection: Connection, results: Mapping[str, RuleResult], warned: Iterable[tuple[str, int, int]]
) -> None:
    """Give each rule that failed a few of the lines that fail it."""
    if not any(result.failed for result in results.values()):
        return
    bad = [tuple(row) for row in execute(connection, "quality.bad_examples", most=EXAMPLES)]
    chosen = [*bad, *warned][:MOST_EXAMPLES]
    values = execute(
        connection,
        "quality.values",
        files=[etl_file_id for _, etl_file_id, _ in chosen],
        lines=[line for _, _, line in chosen],
        rules=[rule for rule, _, _ in chosen],
        columns=[results[rule].column for rule, _, _ in chosen],
    )
    for row in values:
        example = {"file": row.etl_file_id, "line": row.etl_line, "value": row.value}
        results[row.rule].examples.append(example)
    for row in execute(connection, "quality.reject_examples", most=EXAMPLES, in_all=MOST_EXAMPLES):
        example = {"file": row.etl_file_id, "line": row.etl_line, "reason": row.reason, "raw": row.raw}
        results[row.rule].examples.append(example)


def run_written(connection: Connection, query: str, *values: str) -> list[Any]:
    """Run a query that Great Expectations wrote: its text is complete, and a % in it is no parameter of ours."""
    driver = connection.connection.driver_connection
    assert driver is not None
    with driver.cursor() as cursor:
        for value in values:
            query = query.replace("%s", cursor.mogrify("%s", (value,)).decode(), 1)
    result = connection.exec_driver_sql(query, execution_options={"no_parameters": True})
    return [tuple(row) for row in result] if result.returns_rows else []

"""What a rule found, at the gate or on a day, and the one way in which it is stored."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from sqlalchemy.engine import Connection

from etl.database.statements import execute

EXAMPLES = 5
"""Examples that a rule keeps of each file, and of the batch or day."""


@dataclass(kw_only=True, slots=True)
class RuleResult:
    """Rows that failed one rule, among ``rows``."""

    suite: str
    rule: str
    severity: str
    column: str | None = None
    """The column that the rule is about."""
    rows: int = 0
    failed: int = 0
    by_file: dict[int, int] = field(default_factory=dict)
    """Failed rows by file; empty where the rule is not about rows of files."""
    examples: list[dict[str, Any]] = field(default_factory=list)
    """``file``, ``line``, and ``value`` (of the rule's column) or ``raw`` and ``reason``; or ``measure`` and values."""

    def count(self, etl_file_id: int, failed: int) -> None:
        """Count further failed rows of a file."""
        self.by_file[etl_file_id] = self.by_file.get(etl_file_id, 0) + failed
        self.failed += failed


def record_batch(
    connection: Connection,
    results: Sequence[RuleResult],
    *,
    run_id: str | None,
    batch_id: int,
    rows_read: Mapping[int, int],
) -> None:
    """Store what the gate found in a batch, in place of what it found there before.

    Args:
        connection: in a transaction.
        results: of all rules of the gate.
        run_id: the run.
        batch_id: the batch.
        rows_read: rows of each file of the batch.
    """
    execute(connection, "results.forget_batch", batch=batch_id)
    _record(connection, results, rows_read, run=run_id, batch=batch_id, day=None)


def record_day(
    connection: Connection, results: Sequence[RuleResult], *, run_id: str | None, day: date
) -> None:
    """Store what the suites found on a day, in place of what they found there before; in a transaction."""
    execute(connection, "results.forget_day", day=day, suites=sorted({result.suite for result in results}))
    _record(connection, results, {}, run=run_id, batch=None, day=day)


def _record(
    connection: Connection, results: Sequence[RuleResult], rows_of: Mapping[int, int], **where: Any
) -> None:
    columns: dict[str, list[Any]] = defaultdict(list)
    for result in results:
        for values in _lines(result, rows_of):
            for name, value in values.items():
                columns[name].append(value)
    execute(connection, "results.record", **where, **columns)


def _lines(result: RuleResult, rows_of: Mapping[int, int]) -> Iterator[dict[str, Any]]:
    """One line for the whole, then one for each file in which the rule failed."""
    lines: list[tuple[int | None, int, int]] = [(None, result.rows, result.failed)]
    lines += [
        (file, rows_of.get(file, result.rows), failed) for file, failed in sorted(result.by_file.items())
    ]
    for file, rows, failed in lines:
        examples = [e for e in result.examples if file in (None, e.get("file"))][:EXAMPLES]
        yield {
            "files": file,
            "suites": result.suite,
            "rules": result.rule,
            "severities": result.severity,
            "rows": rows,
            "failed": failed,
            "samples": json.dumps(examples) if examples else None,
        }

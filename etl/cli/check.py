"""The verb ``check``: the suites that look at a whole day after it was loaded. ``ingest`` runs them too."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from etl.cli import console
from etl.cli.console import CHECKING, Json, dump, example, out
from etl.cli.moment import moment_option
from etl.cli.tables import table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from etl.database.store import Store

LATELY = timedelta(hours=25)
MOST_DAYS = 60
"""Days of one call; a run over years is asked for in spans."""

Since = Annotated[
    datetime | None, moment_option("since", "Check the days loaded or changed since this time.")
]


def register(app: typer.Typer) -> None:
    """Add the verb of this module."""
    app.command(rich_help_panel=CHECKING, epilog=example("conn-etl check --since 2026-03-01"))(check)


def check(*, since: Since = None, as_json: Json = False) -> None:
    """Check whole days: columns that no longer agree, and a day that is unlike the days before it.

    Without --since, the days that were loaded or changed in the last 25 hours.
    """
    from etl.database import schema
    from etl.quality import day_checks

    target = console.store()
    with target.session() as connection:
        schema.require_current(connection)
    moment = since or datetime.now(UTC) - LATELY
    days = day_checks.touched_days(target, moment, MOST_DAYS)
    found = failed_rules(target, days)
    if as_json:
        dump({"days": [day.isoformat() for day in days], "failed": found})
    else:
        show(days, found)


def failed_rules(store: Store, days: Sequence[date], run_id: str | None = None) -> list[dict[str, Any]]:
    """Run the suites over these days and return the rules that failed: day, suite, rule, severity, failed, rows."""
    from etl.quality import day_checks

    found = day_checks.check_days(store, days, run_id)
    return [
        {
            "day": day.isoformat(),
            "suite": verdict.suite,
            "rule": verdict.rule,
            "severity": verdict.severity,
            "failed": verdict.failed,
            "rows": verdict.rows,
        }
        for day in days
        for verdict in found[day]
        if verdict.failed
    ]


def show(days: Sequence[date], found: Sequence[dict[str, Any]]) -> None:
    """Print how many days were checked, and each rule that failed."""
    checked = console.counted(len(days), "day")
    if not found:
        out.print(
            f"Checked {checked}: every rule passed." if days else "No day was loaded or changed since then."
        )
        return
    out.print(
        f"Checked {checked}: {console.counted(len(found), 'rule')} failed. Their rows stay in the table."
    )
    table(
        "",
        ("day", "rule", "severity", "failed", "of"),
        [
            (row["day"], f"{row['suite']}/{row['rule']}", row["severity"], row["failed"], row["rows"])
            for row in found
        ],
    )

"""What is wrong now, and what of it nobody was told yet: a problem is told once, and again only after it had gone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.engine import Connection

from etl.database.engine import execute
from etl.monitoring.windows import holes, lagging
from etl.settings import Settings


@dataclass(frozen=True, kw_only=True, slots=True)
class Problem:
    """One problem: ``problem`` is its identity (kind of ``settings.Alert``, colon, which), ``what`` a sentence."""

    problem: str
    severity: str
    what: str
    first_seen: datetime


def look(
    connection: Connection, settings: Settings, since: datetime, free: int | None = None
) -> list[Problem]:
    """Take stock of what went wrong since a moment, and return the critical problems that nobody was told.

    Looked at are files that became refused or failed, verdicts, missing windows, sensors that are behind, growth of
    quarantine, and room on the server's disk (``free`` bytes, None: unknown). Those that ``settings.alert_on`` leaves
    out are remembered and not returned.
    """
    missing = [
        (f"hole:{hole.sensor}@{hole.window_start:%Y-%m-%d %H:%M}", "critical", str(hole))
        for hole in holes(connection, settings, since=since)
    ]
    behind = [(f"lag:{lag.sensor}", "critical", str(lag)) for lag in lagging(connection, settings)]
    full = (
        [("disk:server", "critical", f"{free >> 20:,} MiB free on the server's disk")]
        if free is not None
        else []
    )
    more = [*missing, *behind, *(full if free is not None and free < settings.low_disk else [])]
    with connection.begin():
        growth = settings.max_quarantine_growth
        rows = execute(connection, "completeness.problems", since=since, growth=growth)
        found = [*((row.problem, row.severity, row.what) for row in rows), *more]
        for problem, severity, what in found:
            level = "critical" if severity == "critical" else "warning"
            execute(connection, "completeness.see_problem", problem=problem, severity=level, what=what)
        execute(connection, "completeness.gone_problems", problems=[problem for problem, _, _ in found])
        untold = execute(connection, "completeness.untold", kinds=list(settings.alert_on))
        return [Problem(**row) for row in untold.mappings()]


def told(connection: Connection, problems: Sequence[Problem]) -> None:
    """Remember that somebody was told of these."""
    with connection.begin():
        execute(connection, "completeness.told", problems=[problem.problem for problem in problems])

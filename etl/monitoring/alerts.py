"""Open problems and their notifications. Each is sent once, and again only if it recurs.

Notifications go to the Airflow notifier that the settings name. It is made from its dotted path, so nothing here
imports Airflow: any class will do whose objects are called with a context.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from importlib import import_module
from typing import Any

from sqlalchemy.engine import Connection

from etl.database.engine import free_bytes
from etl.database.statements import execute
from etl.database.store import Store
from etl.monitoring.windows import gaps, lagging
from etl.settings import Settings

LOOK_BACK = timedelta(hours=25)
"""A daily run covers everything since the one before."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Problem:
    """One problem: ``problem`` is its identity (kind of ``settings.Alert``, colon, which), ``what`` a sentence."""

    problem: str
    severity: str
    what: str
    first_seen: datetime


def notify(store: Store, context: Mapping[str, Any]) -> list[Problem]:
    """Collect the problems, hand the pending ones to the notifier, if there is one, and return them.

    Whatever the notifier raises goes through: the problems then stay pending.
    """
    with store.session() as own:  # conn_loader may not know where the data is
        free = free_bytes(own)
    with store.loading() as connection:
        alone = execute(connection, "locks.try_alerts").scalar_one()
        connection.commit()
        if not alone:
            return []
        pending = collect(connection, store.settings, datetime.now(UTC) - LOOK_BACK, free)
        if pending and store.settings.notifier:
            _send(store.settings.notifier, [problem.what for problem in pending], context)
        with connection.begin():
            execute(connection, "alerts.mark_notified", problems=[problem.problem for problem in pending])
    return pending


def _send(notifier: Mapping[str, Any], sentences: Sequence[str], context: Mapping[str, Any]) -> None:
    module, _, name = notifier["class"].rpartition(".")
    made = getattr(import_module(module), name)(**notifier.get("arguments", {}))
    title = sentences[0] if len(sentences) == 1 else f"{len(sentences)} new problems with Zeek conn logs"
    made({**context, "problems": "\n".join(sentences), "title": title})


def collect(
    connection: Connection, settings: Settings, since: datetime, free: int | None = None
) -> list[Problem]:
    """Record the problems since a moment and return the critical ones whose notification is pending.

    Problems are files that became refused or failed, failed rules, gaps, sensors that are behind, growth of the
    quarantine, and low space on the server's disk (``free`` bytes, None: unknown). Kinds that ``settings.alert_on``
    leaves out are recorded and not returned.
    """
    elsewhere = list(_by_windows(connection, settings, since))
    if free is not None and free < settings.low_disk:
        elsewhere.append(("disk:server", "critical", f"{free >> 20:,} MiB free on the server's disk"))
    with connection.begin():
        rows = execute(
            connection,
            "alerts.found",
            since=since,
            growth=settings.max_quarantine_growth,
            least_rows=settings.alert_rows,
            least_share=settings.alert_share,
        )
        found = [*((row.problem, row.severity, row.what) for row in rows), *elsewhere]
        for problem, severity, what in found:
            level = "critical" if severity == "critical" else "warning"
            execute(connection, "alerts.record", problem=problem, severity=level, what=what)
        execute(connection, "alerts.close_gone", problems=[problem for problem, _, _ in found])
        pending = execute(connection, "alerts.pending", kinds=list(settings.alert_on))
        return [Problem(**row) for row in pending.mappings()]


def _by_windows(
    connection: Connection, settings: Settings, since: datetime
) -> Iterator[tuple[str, str, str]]:
    for gap in gaps(connection, settings, since=since):
        yield f"gap:{gap.sensor}@{gap.window_start:%Y-%m-%d %H:%M}", "critical", str(gap)
    for lag in lagging(connection, settings):
        yield f"lag:{lag.sensor}", "critical", str(lag)

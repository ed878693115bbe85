"""Tell somebody: new critical problems go to the Airflow notifier that the settings name, each once.

The notifier is made from its dotted path, so that nothing here imports Airflow: any class will do whose objects are
called with a context.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from importlib import import_module
from typing import Any

from etl.database.engine import execute, free_bytes
from etl.database.store import Store
from etl.monitoring import alerts
from etl.monitoring.alerts import Problem

LOOK_BACK = timedelta(hours=25)
"""A daily run sees everything since the one before."""


def tell(store: Store, context: Mapping[str, Any]) -> list[Problem]:
    """Take stock, hand what nobody was told to the notifier, if there is one, and return it.

    Whatever the notifier raises goes through: the problems then count as not told.
    """
    with store.session() as own:  # conn_loader may not know where the data is
        free = free_bytes(own)
    with store.loading() as connection:
        alone = execute(connection, "locks.try_alerts").scalar_one()
        connection.commit()
        if not alone:
            return []
        new = alerts.look(connection, store.settings, datetime.now(UTC) - LOOK_BACK, free)
        if new and store.settings.notifier:
            _notify(store.settings.notifier, [problem.what for problem in new], context)
        alerts.told(connection, new)
    return new


def _notify(notifier: Mapping[str, Any], sentences: Sequence[str], context: Mapping[str, Any]) -> None:
    module, _, name = notifier["class"].rpartition(".")
    made = getattr(import_module(module), name)(**notifier.get("arguments", {}))
    title = sentences[0] if len(sentences) == 1 else f"{len(sentences)} new problems with Zeek conn logs"
    made({**context, "problems": "\n".join(sentences), "title": title})

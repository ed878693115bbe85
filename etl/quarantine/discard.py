"""``quarantine discard``: lines that are put aside for good."""

from __future__ import annotations

from etl.database import schema
from etl.database.statements import execute
from etl.database.store import Store
from etl.quarantine.audit import audit_entry
from etl.quarantine.lines import QuarantineFilter, chosen


def discard(store: Store, wanted: QuarantineFilter, *, actor: str, why: str) -> int:
    """Put chosen lines aside: they stay counted and kept, and are not replayed any more. Returns how many.

    Raises:
        Misuse: no open line fits, or no reason is given.
    """
    entry = audit_entry("discard", actor, why)
    with store.loading() as connection:
        schema.require_current(connection)
        ids = [row.quarantine_id for row in chosen(connection, wanted)]
        with connection.begin():
            done = execute(
                connection,
                "quarantine.discard",
                ids=ids,
                actor=entry.actor,
                why=entry.why,
                run=entry.run_id,
            )
            return int(done.rowcount)

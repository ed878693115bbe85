"""What keeps history in shape, beside running loads: rollups, sealing, retention, pruning.

One process at a time does it (a session lock). Rollups and pruning act as conn_loader. Sealing and dropping act as
conn_owner: the user has to be a member of it, be it only one that may ``SET ROLE`` (``GRANT conn_owner TO … WITH
INHERIT FALSE``).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

from sqlalchemy.engine import Connection

from etl.database import locks, statements
from etl.history import days as table_days
from etl.history import rollups
from etl.history.one_by_one import OneByOne
from etl.loading import batch, ledger

if TYPE_CHECKING:
    from etl.database.store import Store


@dataclass(frozen=True, kw_only=True, slots=True)
class Pruned:
    """What pruning took away."""

    staging: int
    """Batches whose staging tables were left over."""
    results: int
    quarantine: int


@contextmanager
def owning(store: Store) -> Iterator[tuple[Connection, Connection]]:
    """Two sessions that act as conn_owner and hold the maintenance lock: one for transactions, one without.

    Without a limit on waiting for locks: the statements used wait for others, and nobody waits for them.
    """
    with store.session() as connection, store.session() as second:
        alone = second.execution_options(isolation_level="AUTOCOMMIT")
        for one in (connection, alone):
            statements.execute(one, "session.act_as_owner")
            statements.execute(one, "session.label", name="conn-etl maintenance")
            statements.execute(one, "session.wait_for_locks")
            one.commit()
        with locks.maintenance(connection):
            yield connection, alone


def refresh(store: Store, *, everything: bool = False) -> tuple[int, int]:
    """Bring the rollups up to date; returns recomputed hours and days. everything: compute all of them again."""
    with store.loading() as connection, locks.maintenance(connection):
        if everything:
            rollups.touch_all(connection)
        hours = days = 0
        pieces = OneByOne()
        with pieces.one("hours"):
            hours = rollups.recompute(connection)
        with pieces.one("top addresses"):
            days = rollups.refresh_tops(connection)
        pieces.raise_failures()
        return hours, days


def seal(store: Store, days: Sequence[date] = ()) -> list[date]:
    """Seal these days, or all closed ones that are not yet; returns them."""
    chosen = sorted(set(days))
    if not chosen:
        with store.loading() as connection:
            chosen = table_days.closed(connection, store.settings.seal_after)
    if not chosen:
        return []
    with owning(store) as (connection, alone):
        pieces = OneByOne()
        for day in chosen:
            with pieces.one(f"{day}"):
                table_days.seal(alone, day)
                rollups.recompute(connection, day)
                rollups.refresh_top(connection, day)
        pieces.raise_failures()
    return chosen


def expiring(store: Store) -> dict[date, str]:
    """Days that retention would drop now by the settings ``keep_days`` and ``keep_bytes``, with the reason."""
    days = _expired(store)
    with store.loading() as connection:
        held = _held_back(store, connection, list(days))
    return {day: reason for day, reason in days.items() if day not in held}


def held_back(store: Store) -> dict[date, str]:
    """Days that those settings let go and the archive holds back, with the reason."""
    with store.loading() as connection:
        return _held_back(store, connection, list(_expired(store)))


def _expired(store: Store) -> dict[date, str]:
    settings = store.settings
    if settings.keep_days is None and settings.keep_bytes is None:
        return {}
    with store.loading() as connection:
        days = table_days.listed(connection)
        with connection.begin():
            kept = {row.day for row in statements.execute(connection, "partitions.kept")}
    today = datetime.now(UTC).date()
    found = table_days.expiring(days, today, keep_days=settings.keep_days, keep_bytes=settings.keep_bytes)
    return {day: reason for day, reason in found.items() if day not in kept}


def _held_back(store: Store, connection: Connection, days: Sequence[date]) -> dict[date, str]:
    """Where an archive is configured, days that it does not hold as they are now."""
    if store.settings.archive_url is None:
        return {}
    with connection.begin():
        return table_days.held_back(connection, days)


def drop(store: Store, days: dict[date, str]) -> list[date]:
    """Drop these days for these reasons, and those whose drop was interrupted; returns them.

    Raises:
        Misuse: a day has no partition, or an archive is configured that does not hold it as it is now.
    """
    with store.loading() as connection:
        open_ends = table_days.unfinished(connection)
    if not days and not open_ends:
        return []
    with owning(store) as (connection, alone):
        chosen = dict.fromkeys(table_days.unfinished(connection), "interrupted") | days
        archived, pieces = store.settings.archive_url is not None, OneByOne()
        for day, reason in chosen.items():
            with pieces.one(f"{day}"):
                table_days.retire(connection, alone, day, reason, archived=archived)
        pieces.raise_failures()
    return list(chosen)


def prune(store: Store) -> Pruned:
    """Take away staging that nobody will come back to, and what the settings ``keep_…`` let go."""
    settings = store.settings
    with store.loading() as connection, locks.maintenance(connection):
        left_over = results = lines = 0
        pieces = OneByOne()
        for batch_id in ledger.orphans(connection, settings.claim_for):
            with pieces.one(f"staging of batch {batch_id}"):
                left_over += batch.drop_leftover(connection, batch_id)
        with pieces.one("results of rules"), connection.begin():
            if settings.keep_results is not None:
                results = statements.execute(
                    connection, "partitions.prune_results", keep=settings.keep_results
                ).rowcount
        with pieces.one("settled lines of quarantine"), connection.begin():
            if settings.keep_quarantine is not None:
                rows = statements.execute(
                    connection, "partitions.prune_quarantine", keep=settings.keep_quarantine
                )
                lines = sum(row.deleted for row in rows)
        with pieces.one("formats that no line needs"), connection.begin():
            statements.execute(connection, "partitions.prune_formats")
        pieces.raise_failures()
    return Pruned(staging=left_over, results=results, quarantine=lines)

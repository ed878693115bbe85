"""Connection poolers: a pool in session mode works, one in transaction mode does not; this module finds which it is.

Session locks, ``SET ROLE`` and settings last from one transaction to the next. A pooler in transaction mode gives the
server's session to another client in between: the work of this one is then unprotected, and its settings are left to
the other. A pooler is seen by its backend's pid, which is not the one that it told the client.
"""

from __future__ import annotations

import select
import time
from collections.abc import Mapping
from contextlib import closing
from typing import Any

import psycopg2
from psycopg2 import extensions

from etl.errors import EnvironmentProblem

TRIES = 3
"""How often a second client looks: in a busy pool it may get another session than the first had."""
PATIENCE = 5.0
"""Seconds for the second client's answer: in a pool of one session it would wait until the first has gone."""

CURES: Mapping[str, str] = {
    "-pooler.": "Neon: leave -pooler out of the host's name",
    "pooler.supabase.com": "Supabase: take port 5432 of the pooler (session mode) or the direct connection",
    ".proxy-": "RDS Proxy: take the endpoint of the instance or cluster itself",
    ".ondigitalocean.com": "DigitalOcean: take port 25060, or a pool in session mode",
    ".postgres.database.azure.com": "Azure: take port 5432 instead of 6432",
}
"""A part of the host's name, and where that provider has an address that will do."""
_DIRECT = "give a pool with pool_mode = session, or the address of the server itself"


def cure_for(host: str) -> str:
    """What to write instead of a pooler's address."""
    return next((cure for part, cure in CURES.items() if part in host), _DIRECT)


def require_session_mode(driver_connection: Any, connect_args: Mapping[str, Any]) -> None:
    """Look whether the server's session stays with its client when a transaction has ended; it changes nothing.

    Raises:
        EnvironmentProblem: it does not, with the cure.
    """
    if _is_shared(driver_connection, connect_args):
        raise EnvironmentProblem(
            "the database's address is a connection pooler in transaction mode (PgBouncer or the like), which gives "
            "a session to other clients between transactions",
            hint=cure_for(str(connect_args.get("host", ""))),
        )


def _is_shared(driver_connection: Any, connect_args: Mapping[str, Any]) -> bool:
    mine = _backend(driver_connection)
    return any(
        _backend_of_another(connect_args) == mine or _backend(driver_connection) != mine for _ in range(TRIES)
    )


def _backend(driver_connection: Any) -> int:
    with closing(driver_connection.cursor()) as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        return int(cursor.fetchone()[0])


def _backend_of_another(connect_args: Mapping[str, Any]) -> int | None:
    """The backend that a second client is given; None where it is given none in time."""
    deadline = time.monotonic() + PATIENCE
    with closing(psycopg2.connect(**connect_args, async_=1)) as second:
        if not _ready(second, deadline):
            return None
        cursor = second.cursor()
        cursor.execute("SELECT pg_backend_pid()")
        return int(cursor.fetchone()[0]) if _ready(second, deadline) else None


def _ready(connection: Any, deadline: float) -> bool:
    """Whether what an asynchronous connection does is done before the deadline."""
    while (state := connection.poll()) != extensions.POLL_OK:
        left = max(0.0, deadline - time.monotonic())
        reading = [connection] if state == extensions.POLL_READ else []
        writing = [connection] if state == extensions.POLL_WRITE else []
        if not any(select.select(reading, writing, [], left)[:2]):
            return False
    return True

"""Sessions for questions: a login that can only read, whatever login the program has for its own work.

``SET ROLE`` is not enough, since a statement can set it back. So the login itself must be no more than a reader: that
of ``CONN_ETL_READER_URL``; else the program's own, if it is no more; else the login ``reader`` of the same server,
which the embedded server has. A session only reads from its start, which RESET cannot undo.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import URL, Connection

from etl.database import engine
from etl.database.embedded.home import LOGIN
from etl.database.statements import execute
from etl.errors import Busy, EnvironmentProblem
from etl.settings import Settings

_READ_ONLY = "-c default_transaction_read_only=on"
_CANCEL_AGAIN = 0.5
"""Seconds until a statement that did not follow a cancel is cancelled again."""


@contextmanager
def reading(url: URL, settings: Settings) -> Iterator[Connection]:
    """A session on the database that can only read.

    Raises:
        EnvironmentProblem: no login is known that can do no more, with how to make one.
    """
    with ExitStack() as stack:
        yield _opened(stack, url, settings)[0]


def login(url: URL, settings: Settings) -> URL:
    """The URL, with its password, of the login that questions run as; raises as ``reading``."""
    with ExitStack() as stack:
        return _opened(stack, url, settings)[1]


def _opened(stack: ExitStack, url: URL, settings: Settings) -> tuple[Connection, URL]:
    if settings.reader_url is not None:
        url = engine.parse_url(settings.reader_url.get_secret_value())
    connection, more = _tried(stack, url, settings)
    if connection is None and settings.reader_url is None and url.username != LOGIN:
        reader = url.set(username=LOGIN, password=None)
        with suppress(EnvironmentProblem):
            connection, _ = _tried(stack, reader, settings)
        if connection is not None:
            return connection, reader
    if connection is None:
        raise EnvironmentProblem(
            f"questions need a login that can only read, and {url.username or 'this one'} is more ({more})",
            hint=f"CREATE ROLE {LOGIN} LOGIN PASSWORD '…' IN ROLE conn_reader, and set CONN_ETL_READER_URL to its URL "
            "(the embedded server: run `conn-etl up`)",
        )
    return connection, url


def _tried(stack: ExitStack, url: URL, settings: Settings) -> tuple[Connection | None, str | None]:
    """A session of this login, left to the stack; or none, and why the login is more than a reader."""
    with ExitStack() as attempt:
        connection = _session(attempt, url, settings)
        more = execute(connection, "session.more_than_reading").scalar_one()
        connection.rollback()
        if more is not None:
            return None, str(more)
        stack.push(attempt.pop_all())
        return connection, None


def _session(stack: ExitStack, url: URL, settings: Settings) -> Connection:
    """It only reads from its start; where a pooler takes no options, from its first statement."""
    options = " ".join(filter(None, (_READ_ONLY, str(url.query.get("options", "")))))
    address = engine.address_of(url.update_query_dict({"options": options}), settings)
    address = address.setting(standard_conforming_strings="on")  # as the parser reads a question
    try:
        return stack.enter_context(engine.session(address.engine()))
    except EnvironmentProblem as error:
        if "unsupported startup parameter" not in str(error) or "options" in url.query:
            raise
    plain = engine.address_of(url, settings).setting(
        default_transaction_read_only="on", standard_conforming_strings="on"
    )
    return stack.enter_context(engine.session(plain.engine()))


@contextmanager
def time_limit(connection: Connection, seconds: float) -> Iterator[None]:
    """What is done inside may take so long in all; then it is cancelled, from a connection beside this one.

    ``statement_timeout`` is no such limit: a statement can set it, and it begins again with each part of an answer.

    Raises:
        Busy: the time is over.
    """
    driver: Any = connection.connection.driver_connection
    began, done = time.monotonic(), threading.Event()

    def guard() -> None:
        wait = seconds
        while not done.wait(wait):
            driver.cancel()
            wait = _CANCEL_AGAIN

    thread = threading.Thread(target=guard, name="time limit", daemon=True)
    thread.start()
    try:
        yield
    except sa.exc.DBAPIError as error:
        if time.monotonic() - began < seconds:
            raise
        raise Busy(
            f"the question took longer than {seconds:g} seconds",
            hint="ask for a shorter span, or give --timeout",
        ) from error
    finally:
        done.set()
        thread.join()

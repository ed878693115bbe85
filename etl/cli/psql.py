"""The verb ``psql``: PostgreSQL's own client, as the login that can only read."""

from __future__ import annotations

import os
import re
import shutil
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from etl.cli.console import ASKING, store
from etl.errors import EnvironmentProblem

if TYPE_CHECKING:
    from sqlalchemy.engine import URL

    from etl.database.store import Store

_OPTIONS = "-c default_transaction_read_only=on -c search_path=zeek,etl,public -c timezone=UTC"
Asked = Annotated[
    str | None,
    typer.Argument(help="A question's name (over all that is loaded), or SQL; left out: a session."),
]


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command(rich_help_panel=ASKING)(psql)


def psql(asked: Asked = None) -> None:
    """Open psql on the database, as a login that can only read."""
    target = store()
    program = _program()
    arguments = [] if asked is None else ["--no-psqlrc", "--command", _sql(target, asked)]
    url = target.reading_login()
    os.execvpe(program, [program, *arguments, _address(url)], {**os.environ, **_environment(url)})  # noqa: S606


def _address(url: URL) -> str:
    """Without the password: command lines are for everybody to see."""
    return url.set(drivername="postgresql", password=None).render_as_string(hide_password=False)


def _environment(url: URL) -> dict[str, str]:
    own = {"PGOPTIONS": _OPTIONS, "PGAPPNAME": "conn-etl psql", "PGCLIENTENCODING": "UTF8"}
    return own | ({"PGPASSWORD": str(url.password)} if url.password else {})


def _program() -> str:
    """This machine's psql, else that of the embedded server."""
    from etl.database.embedded.binaries import packaged

    if found := shutil.which("psql"):
        return found
    own: Path = packaged() / "psql"
    if not own.exists():
        raise EnvironmentProblem("psql is not installed", hint="install PostgreSQL's client programs")
    return str(own)


def _sql(target: Store, asked: str) -> str:
    """The text of a question of the cookbook with its values, else the SQL as it is."""
    if not re.fullmatch(r"\w+", asked):
        return asked
    from etl.query import ask, cookbook

    question = cookbook.load(asked)
    with target.reading() as connection, ask.reading(connection, timedelta(minutes=1)):
        span = ask.span(connection, question, None, None, everything=True)
        assert span is not None
        values = question.values({}, span.since, span.until)
        return ask.rendered(connection, ask.named(connection, question), values)

"""Verbs for the database and its environment: ``up``, ``down``, ``migrate``, ``doctor``."""

from __future__ import annotations

from typing import Annotated

import typer

from etl.cli.console import OPERATING, Json, dump, err, home_of, out, settings, store
from etl.cli.tables import table


def register(app: typer.Typer) -> None:
    """Add the verbs of this module."""
    for verb in (up, down, migrate, doctor):
        app.command(rich_help_panel=OPERATING)(verb)


def up(*, as_json: Json = False) -> None:
    """Start the embedded PostgreSQL and update its schema."""
    from etl.database import embedded
    from etl.database.store import Store

    chosen = settings()
    home = home_of(chosen)
    if notice := embedded.notice(home):
        err.print(notice, markup=False, soft_wrap=True)
    url = embedded.start(home)
    version = Store.open(url, chosen).migrate()
    if as_json:
        dump({"url": url, "reader_url": embedded.reader_url(home), "schema_version": version})
    else:
        out.print(
            f"PostgreSQL runs at {embedded.reader_url(home)} (schema {version}); stop it with `conn-etl down`",
            soft_wrap=True,
        )


def down(*, as_json: Json = False) -> None:
    """Stop the embedded PostgreSQL. Its data is kept."""
    from etl.database import embedded

    stopped = embedded.stop(home_of(settings()))
    if as_json:
        dump({"stopped": stopped})
    else:
        out.print("Stopped." if stopped else "It was not running.")


def migrate(
    *,
    distribute: Annotated[
        bool, typer.Option("--distribute", help="Spread zeek.conn over the workers of a Citus cluster.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Create or update the database schema."""
    version = store().migrate(distribute=distribute)
    if as_json:
        dump({"schema_version": version})
    else:
        out.print(f"Schema version {version}.")


def doctor(*, as_json: Json = False) -> None:
    """Find what prevents loads from working, and how to fix it. Exit code 2 if there is an error."""
    from etl.monitoring import doctor

    findings = doctor.examine(store())
    if as_json:
        dump({"findings": [finding.as_dict() for finding in findings]})
    else:
        table("", ("", "what", "cure"), [(f.level, f.what, f.cure) for f in findings])
    if any(finding.level == "error" for finding in findings):
        raise typer.Exit(2)

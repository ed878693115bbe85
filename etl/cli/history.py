"""Verbs for days and rollups: ``partitions list|ensure|seal|drop`` and ``rollups``."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, date, datetime
from typing import Annotated

import typer

from etl.cli.console import OPERATING, Json, dump, out, store
from etl.cli.tables import table
from etl.errors import Misuse

partitions = typer.Typer(no_args_is_help=True, help="List, create, seal and drop the days of zeek.conn.")

Days = Annotated[list[str] | None, typer.Argument(help="UTC days, such as 2026-03-01.")]
Needed = Annotated[list[str], typer.Argument(help="UTC days, such as 2026-03-01.")]


def register(app: typer.Typer) -> None:
    """Add the verbs of this module."""
    app.add_typer(partitions, name="partitions", rich_help_panel=OPERATING)
    app.command(rich_help_panel=OPERATING)(rollups)


def days_of(texts: list[str] | None) -> list[date]:
    """Days as they are given on the command line; raises Misuse for a text that is none."""
    found = []
    for text in texts or ():
        try:
            found.append(datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC).date())
        except ValueError as error:
            raise Misuse(f"{text} is not a day", hint="write it as 2026-03-01") from error
    return found


def _done(what: str, days: list[date], *, as_json: bool) -> None:
    if as_json:
        dump({what: [day.isoformat() for day in days]})
    else:
        out.print(f"{what}: {', '.join(day.isoformat() for day in days) or 'none'}", soft_wrap=True)


@partitions.command("list")
def list_(*, as_json: Json = False) -> None:
    """List every day: state, estimated rows, size, and whether retention would drop it now."""
    from etl.history import maintenance
    from etl.history.days import listed

    target = store()
    with target.loading() as connection:
        days = listed(connection)
    expiring = maintenance.expiring(target)
    if as_json:
        dump({"days": [asdict(day) | {"expires": expiring.get(day.day)} for day in days]})
        return
    columns = ("day", "state", "rows (about)", "bytes", "retention")
    table("Days", columns, [(d.day, d.state, d.rows, d.bytes, expiring.get(d.day, d.reason)) for d in days])


@partitions.command()
def ensure(days: Needed, *, as_json: Json = False) -> None:
    """Create the partitions of these days if they do not exist."""
    from etl.history.days import ensure as make

    with store().loading() as connection:
        made = make(connection, days_of(days))
    _done("made", made, as_json=as_json)


@partitions.command()
def seal(days: Days = None, *, as_json: Json = False) -> None:
    """Build indexes and statistics for these days, or for all days that have ended. Late rows still load."""
    from etl.history import maintenance

    _done("sealed", maintenance.seal(store(), days_of(days)), as_json=as_json)


@partitions.command()
def drop(
    days: Days = None,
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Drop the days. Without this, only list them.")] = False,
    as_json: Json = False,
) -> None:
    """Drop these days with all their rows, or, if no day is given, the days past retention."""
    from etl.history import maintenance

    target = store()
    chosen = dict.fromkeys(days_of(days), "dropped by command") if days else maintenance.expiring(target)
    if yes:
        _done("dropped", maintenance.drop(target, chosen), as_json=as_json)
    elif as_json:
        dump({"would_drop": {day.isoformat(): reason for day, reason in chosen.items()}})
    else:
        table("Would be dropped (do it with --yes)", ("day", "why"), list(chosen.items()))


def rollups(
    *,
    everything: Annotated[
        bool, typer.Option("--all", help="Compute all of them again, not only those whose rows changed.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Update the rollups from the rows."""
    from etl.history import maintenance

    hours, days = maintenance.refresh(store(), everything=everything)
    if as_json:
        dump({"hours": hours, "days": days})
    else:
        out.print(f"{hours:,} hours and the top addresses of {days:,} days are up to date.")

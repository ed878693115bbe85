"""Verbs for days and rollups: ``partitions list|ensure|seal|drop|restore`` and ``rollups``."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from etl.cli import console as shared
from etl.cli.console import OPERATING, Json, dump, out, store
from etl.cli.tables import table
from etl.errors import Misuse

if TYPE_CHECKING:
    from etl.database.store import Store
    from etl.history.reopen import Reopened

partitions = typer.Typer(
    no_args_is_help=True, help="List, create, seal, drop and restore the days of zeek.conn."
)

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
    """Drop these days with all their rows, or, if no day is given, the days past retention.

    Without --yes it shows rows and bytes, and whether the rows can come back.
    """
    from etl.history import maintenance, reopen

    target = store()
    chosen = dict.fromkeys(days_of(days), "dropped by command") if days else maintenance.expiring(target)
    found = reopen.to_drop(target, chosen)
    if yes:
        done = maintenance.drop(target, chosen)
        named: dict[str, Any] = {"dropped": [day.isoformat() for day in done]}
    else:
        named = {"would_drop": {one.day.isoformat(): one.reason for one in found}}
    if as_json:
        dump({**named, "days": [asdict(one) for one in found]})
        return
    if yes:
        out.print(f"dropped: {', '.join(named['dropped']) or 'none'}", soft_wrap=True)
    else:
        columns = ("day", "rows", "bytes", "why", "the rows can come back from")
        rows = [(one.day, one.rows, one.bytes, one.reason, _way_back(archived=one.archived)) for one in found]
        table("Would be dropped (do it with --yes)", columns, rows)
    if found:
        out.print(
            f"{sum(one.rows for one in found):,} rows, {sum(one.bytes for one in found):,} bytes. "
            "Rollups of a dropped day stay; `conn-etl partitions restore DAY` opens it again.",
            soft_wrap=True,
        )


def _way_back(*, archived: bool) -> str:
    return "the archive" if archived else "their logs, while you have them"


@partitions.command()
def restore(
    days: Needed,
    *,
    keep: Annotated[int, typer.Option(help="Days for which retention leaves them alone.", min=1)] = 7,
    yes: Annotated[bool, typer.Option("--yes", help="Also where logs of the day are gone.")] = False,
    as_json: Json = False,
) -> None:
    """Let dropped days take rows again: from the archive if it holds them, else empty, with the way to fill them."""
    done = [_restored(store(), day, timedelta(days=keep), yes=yes, quiet=as_json) for day in days_of(days)]
    if as_json:
        dump({"restored": done})


def _restored(target: Store, day: date, keep: timedelta, *, yes: bool, quiet: bool) -> dict[str, Any]:
    """Restore one day, say so, and return the object of ``--json``."""
    from etl import source
    from etl.archive.restore import restore as from_archive
    from etl.history import reopen

    if target.settings.archive_url is not None and reopen.is_archived(target, day):
        back = from_archive(target, day, keep=keep)
        if not quiet:
            out.print(f"{day}: {shared.counted(back.rows, 'row')} came back from the archive.")
        return {"day": day, "from": "archive", "rows": back.rows}
    lost = reopen.lost_for_good(target, day, source.unchanged)
    if lost and not yes:
        raise Misuse(
            f"{day}: the logs of {shared.counted(lost, 'row')} are gone, and its rollups would lose them too",
            hint="bring the logs back to their paths, or say --yes",
        )
    done = reopen.reopen(target, day, keep=keep, readable=source.unchanged)
    if not quiet:
        _show(done)
    return {"from": "logs", **asdict(done)}


def _show(done: Reopened) -> None:
    out.print(
        f"{done.day} takes rows again; retention leaves it alone until {done.keep_until:%Y-%m-%d %H:%M} UTC."
    )
    if done.sources:
        rows = [(s.rows, "there" if s.there else "gone", s.path) for s in done.sources]
        table("Its rows came from", ("rows", "log", "file"), rows)
        out.print("Load them again: conn-etl ingest --replace with these files")
    if done.expired_lines:
        lines = shared.counted(done.expired_lines, "line")
        out.print(
            f"{lines} for dropped days in quarantine: conn-etl quarantine replay --rule expired --why …"
        )


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

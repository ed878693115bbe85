"""Verbs of the archive: ``archive export|verify|list|restore|drop-expired|query|paths``."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, date, timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from etl.cli.console import OPERATING, Json, dump, err, out, store
from etl.cli.history import Days, days_of
from etl.cli.moment import Since, ordered
from etl.cli.query import (
    As,
    Everything,
    Human,
    Out,
    Param,
    Timeout,
    Until,
    own_sql,
    pair,
    question_of,
    write_answer,
)
from etl.cli.tables import table

if TYPE_CHECKING:
    from etl.archive.ledger import Export

archive = typer.Typer(
    no_args_is_help=True,
    help="Export days to Parquet in an Iceberg table, and verify, restore and query them.",
)

Day = Annotated[str, typer.Argument(help="A UTC day, as 2026-03-01.")]
Keep = Annotated[int, typer.Option(help="Days for which retention leaves it alone.", min=0)]


def register(app: typer.Typer) -> None:
    """Add the verbs of this module."""
    app.add_typer(archive, name="archive", rich_help_panel=OPERATING)


@archive.command()
def export(days: Days = None, *, as_json: Json = False) -> None:
    """Export these days, or all sealed days that are new or changed since their last export."""
    from etl.archive.cleanup import cleanup
    from etl.archive.export import export as export_days

    target, done = store(), []
    for each in export_days(target, days_of(days)):
        done.append(_as_json(each))
        if not as_json:
            out.print(f"{each.day}: {done[-1]['rows']:,} rows, {done[-1]['bytes']:,} bytes", markup=False)
    removed = cleanup(target) if done else []
    if as_json:
        dump({"exported": done, "removed": removed})
    elif not done:
        out.print("Nothing to export.")


def _as_json(done: Export) -> dict[str, object]:
    return {
        "day": done.day,
        "export_id": done.export_id,
        "snapshot_id": done.snapshot_id,
        "rows": sum(file.measures.rows for file in done.files),
        "bytes": sum(file.bytes for file in done.files),
        "files": [file.url for file in done.files],
    }


@archive.command()
def verify(days: Days = None, *, as_json: Json = False) -> None:
    """Read the files of these days, or of all, and compare them with what was exported; exit code 1 if one differs."""
    from etl.archive.check import verify as verify_days

    faults = verify_days(store(), days_of(days))
    if as_json:
        dump({"faults": [asdict(fault) for fault in faults]})
    elif faults:
        table("Faults", ("day", "what", "file"), [(f.day, f.what, f.url) for f in faults])
    else:
        out.print("The archive is as it was exported.")
    if faults:
        raise typer.Exit(1)


@archive.command("list")
def list_(*, as_json: Json = False) -> None:
    """Show every archived day: its state, rows, size, and whether zeek.conn still has it."""
    from etl.archive import ledger
    from etl.archive import table as iceberg

    target = store()
    iceberg.require(target.settings)
    with target.session() as connection:
        days = ledger.days(connection)
    if as_json:
        dump({"days": [asdict(day) for day in days]})
        return
    columns = ("day", "state", "rows", "bytes", "in zeek.conn", "export", "fault")
    rows = [
        (d.day, d.state, d.rows, d.bytes, "no" if d.dropped else "yes", d.export_id, d.fault) for d in days
    ]
    table("Archived days", columns, rows)


@archive.command()
def restore(day: Day, *, keep: Keep = 7, as_json: Json = False) -> None:
    """Bring a day that retention dropped back into zeek.conn."""
    from etl.archive.restore import restore as restore_day

    (chosen,) = days_of([day])
    done = restore_day(store(), chosen, keep=timedelta(days=keep))
    if as_json:
        dump(asdict(done))
        return
    out.print(
        f"{done.day}: {done.rows:,} rows are back; retention leaves them alone for {keep} days.", markup=False
    )
    if done.left_out:
        out.print(f"{done.left_out:,} rows of files that were unloaded or loaded again since stay away.")


@archive.command("drop-expired")
def drop_expired(
    *,
    yes: Annotated[
        bool, typer.Option("--yes", help="Really drop; without it only say what would go.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Drop the days that retention lets go and that are archived; list those that are not archived yet."""
    from etl.archive import table as iceberg
    from etl.history import maintenance

    target = store()
    iceberg.require(target.settings)
    chosen, held = maintenance.expiring(target), maintenance.held_back(target)
    if yes:
        dropped = maintenance.drop(target, chosen)
    if as_json:
        done = {"dropped": dropped} if yes else {"would_drop": _by_day(chosen)}
        dump({**done, "held_back": _by_day(held)})
        return
    title = "Dropped" if yes else "Would be dropped (do it with --yes)"
    table(
        title, ("day", "why"), [(day, chosen.get(day, "interrupted")) for day in (dropped if yes else chosen)]
    )
    if held:
        table("Held back", ("day", "why"), list(held.items()))


def _by_day(days: dict[date, str]) -> dict[str, str]:
    return {day.isoformat(): reason for day, reason in days.items()}


@archive.command()
def query(  # noqa: PLR0913  options of a verb
    asked: Annotated[str, typer.Argument(help="A question's name, or SQL as DuckDB takes it.")],
    *,
    since: Since = None,
    until: Until = None,
    param: Param = None,
    everything: Everything = False,
    output: As = "table",
    file: Out = None,
    human: Human = False,
    timeout: Timeout = None,
    as_json: Json = False,
) -> None:
    """Run a question of the cookbook, or SQL in which :since and :until are the time bounds, on the archive."""
    from etl.archive import ask as archive_ask
    from etl.archive import table as iceberg
    from etl.query import ask

    question, given = question_of(asked), dict(pair(text) for text in param or ())
    first, last = ordered(since, until)
    target = store()
    limit = timedelta(seconds=timeout) if timeout else target.settings.query_timeout
    with target.session() as connection:
        opened = iceberg.open_archive(target, connection)
        with ask.reading(connection, limit):
            chosen = ask.span(connection, question, first, last, everything=everything)
            if question is not None and chosen is not None:
                sql = archive_ask.text_of(question)
                values = question.values(given, chosen.since, chosen.until)
            else:
                bounded = first is not None or last is not None
                sql, values = own_sql(asked, given, chosen, bounded=bounded)
            with archive_ask.answering(connection, opened, question, sql, values, limit) as answer:
                write_answer(
                    answer,
                    "json" if as_json else output,
                    file,
                    {"question": question.name if question else None},
                    human=human,
                )


@archive.command()
def paths(*, since: Since = None, until: Until = None, as_json: Json = False) -> None:
    """Print the Parquet files of the days in a time span, for engines that read files."""
    from etl.archive import table as iceberg

    first, last = ordered(since, until)
    target = store()
    with target.session() as connection, iceberg.reaching():
        by_day = iceberg.open_archive(target, connection).day_files()
    found = [
        {"day": day, "path": f.file_path, "rows": f.record_count, "bytes": f.file_size_in_bytes}
        for day, files in sorted(by_day.items())
        if (first is None or day >= first.astimezone(UTC).date())
        and (last is None or iceberg.since_of(day) < last)
        for f in files
    ]
    if as_json:
        dump({"files": found})
    else:
        for each in found:
            typer.echo(each["path"])
    if not found:
        err.print("no file in this span", markup=False)

"""The verb ``report``: what is loaded and how good it is, as one HTML file that opens offline, and as JSON."""

from __future__ import annotations

import sys
import webbrowser
from pathlib import Path
from typing import Annotated

import typer

from etl.cli.console import CHECKING, Json, err, example, out, store
from etl.cli.moment import Since, Until, ordered

Open = Annotated[bool, typer.Option("--open", help="Open the report in the browser.")]
Out = Annotated[Path, typer.Option("--out", help="Folder to write to.", file_okay=False)]
DataDocs = Annotated[
    bool,
    typer.Option(
        "--data-docs", help="Also write Great Expectations' own pages (they load fonts from the web)."
    ),
]


def register(app: typer.Typer) -> None:
    """Add the verb of this module."""
    app.command(rich_help_panel=CHECKING, epilog=example("conn-etl report --since 2026-03-01 --open"))(report)


def report(
    *,
    since: Since = None,
    until: Until = None,
    open_it: Open = False,
    folder: Out = Path(),
    data_docs: DataDocs = False,
    as_json: Json = False,
) -> None:
    """Write a report on data quality and traffic: conn-etl-report.html and .json."""
    from etl import report as reports
    from etl.database import schema
    from etl.monitoring import windows

    first, last = ordered(since, until)
    target = store()
    with target.session() as connection:
        schema.require_current(connection)
        made = reports.build(connection, first, last, windows.expected(connection, target.settings))
    page, _ = made.write(folder)
    said = [f"{page}: {made.facts['verdict']['sentence']}", *made.facts["verdict"]["reasons"]]
    if data_docs:
        from etl.quality import day_checks

        said.append(f"Data Docs: {day_checks.data_docs(target, folder / 'conn-etl-data-docs')}")
    if as_json:
        sys.stdout.write(made.as_json() + "\n")
    for line in said:
        (err if as_json else out).print(line, markup=False, soft_wrap=True)
    if open_it:
        webbrowser.open(page.resolve().as_uri())

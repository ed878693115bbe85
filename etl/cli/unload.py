"""The verb that takes rows back: ``unload``. It says what would go, and asks."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC
from typing import TYPE_CHECKING, Annotated, Any

import typer

from etl.cli import console as shared
from etl.cli.console import Json, confirmed, dump, out, store
from etl.cli.tables import relative, table
from etl.errors import Misuse

if TYPE_CHECKING:
    from etl.loading.undo import Preview
    from etl.pipeline import Unloading

SHOWN = 20
"""Files that are named before the question."""

Targets = Annotated[
    list[str],
    typer.Argument(
        help="Loaded files, folders, archives, patterns such as 'logs/2026-03-*', or runs from `conn-etl status`."
    ),
]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Show which files and rows would go, and delete nothing.")
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


def register(app: typer.Typer) -> None:
    """Add the verb of this module."""
    usual = shared.example("conn-etl unload /data/zeek/logs/2026-03-01 --dry-run")
    app.command(rich_help_panel=shared.LOADING, epilog=usual)(unload)


def unload(targets: Targets, *, dry_run: DryRun = False, yes: Yes = False, as_json: Json = False) -> None:
    """Delete all rows of these files, folders or runs, after a question. The logs themselves stay where they are.

    Rows that another loaded file has too are loaded again from it. Without a terminal, files and runs that are
    named themselves need no --yes; folders and patterns do.
    """
    from etl import pipeline

    target = store()
    found = pipeline.would_unload(target, targets)
    if dry_run:
        _show(found, targets, as_json=as_json)
        return
    if not yes:
        _ask(found, as_json=as_json)
    done = pipeline.unload(target, targets, [file.etl_file_id for file in found.files])
    _done(done, as_json=as_json)
    if any(result.kind == "not_replaced" for result in done.again):
        raise typer.Exit(1)


def _ask(found: Preview, *, as_json: bool) -> None:
    """Let the user agree, where there is one or more goes than was named."""
    if found.named and (as_json or not sys.stdin.isatty()):
        return
    if as_json:
        raise Misuse("--json asks no questions", hint="say --yes, or look first with --dry-run")
    _preview(found)
    if not confirmed("Delete these rows?"):
        out.print("Nothing was deleted.")
        raise typer.Exit(1)


def _show(found: Preview, targets: Sequence[str], *, as_json: bool) -> None:
    if as_json:
        dump({"dry_run": True, "targets": list(targets), **_object(found)})
        return
    _preview(found)
    out.print("Dry run: nothing was deleted.")


def _object(found: Preview) -> dict[str, Any]:
    return {
        "files": len(found.files),
        "rows": found.rows,
        "results": [asdict(file) for file in found.files],
        "would_load_again": found.again,
    }


def _preview(found: Preview) -> None:
    files, rows = shared.counted(len(found.files), "file"), shared.counted(found.rows, "row")
    span = ""
    if found.span is not None:
        first, last = (f"{moment.astimezone(UTC):%Y-%m-%d %H:%M}" for moment in found.span)
        span = f": {first} to {last} UTC"
    out.print(f"{rows} of {files} would be deleted{span}.", soft_wrap=True)
    shown = [(f.rows_deleted, f.state, relative(f.path)) for f in found.files[:SHOWN]]
    table("", ("rows", "is", "file"), shown)
    if len(found.files) > SHOWN:
        out.print(f"… and {shared.counted(len(found.files) - SHOWN, 'more file')}")
    if found.again:
        others = shared.counted(len(found.again), "other file")
        out.print(f"{others} with some of these rows would be loaded again.")


def _done(done: Unloading, *, as_json: bool) -> None:
    if as_json:
        dump(
            {
                "run": done.run_id,
                "files": len(done.undone),
                "rows": done.rows,
                "results": [asdict(file) for file in done.undone],
                "loaded_again": [asdict(file) for file in done.again],
            }
        )
        return
    files = shared.counted(len(done.undone), "file")
    out.print(f"{files} unloaded, {shared.counted(done.rows, 'row')} deleted")
    table("", ("rows", "was", "file"), [(f.rows_deleted, f.state, f.path) for f in done.undone])
    if done.again:
        columns = ("state", "loaded", "file", "why")
        rows = [(r.state, r.rows_loaded, r.path, r.reason) for r in done.again]
        table("Loaded again, because they hold some of the same rows", columns, rows)
    out.print("To load them again: conn-etl ingest --replace with the same paths")

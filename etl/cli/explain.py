"""The verb ``explain``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from etl.cli.console import CHECKING, Json, dump, example, out, settings
from etl.cli.tables import shown, table
from etl.errors import ConnEtlError

if TYPE_CHECKING:
    from etl.database.store import Store
    from etl.pipeline.explain import Explanation
    from etl.settings import Settings

File = Annotated[str, typer.Argument(help="A log file or its URL; - reads stdin.")]


def register(app: typer.Typer) -> None:
    """Add the verb of this module."""
    app.command(rich_help_panel=CHECKING, epilog=example("conn-etl explain conn.log.gz"))(explain)


def explain(file: File, *, as_json: Json = False) -> None:
    """Show what a file is, how its columns map to fields, and what ingest would do with it."""
    from etl import source
    from etl.pipeline import explain

    chosen = settings()
    found = explain.explain(source.take_stdin() if file == "-" else file, chosen, _store(chosen))
    if as_json:
        dump(found.as_dict())
    else:
        _print(found)


def _store(chosen: Settings) -> Store | None:
    """The configured database if it can be reached; explain starts none, and works without one."""
    from etl.database import schema
    from etl.database.store import Store

    try:
        store = Store.configured(chosen, start=False)
        with store.session() as connection:
            schema.require_current(connection)
    except ConnEtlError:
        return None
    return store


def _print(found: Explanation) -> None:
    facts = [
        ("file", f"{found.path} ({found.size:,} bytes)"),
        ("sensor", found.sensor or None),
        ("window", found.window_start and f"{found.window_start} to {found.window_end or '?'}"),
        ("compression", found.compression),
        ("format", found.format and {"tsv": "Zeek TSV", "json": "JSON lines"}[found.format]),
        ("wrapped in", ", ".join(found.wrapped_in) or None),
        ("Zeek", found.zeek),
        ("rows", found.rows if found.format else None),
        ("from", found.first),
        ("to", found.last),
        ("cut off", found.incomplete),
        ("note", found.note),
        ("fields not in it", ", ".join(found.missing) or None),
        ("refused", found.error),
    ]
    table("", ("", ""), [(name, shown_fact) for name, shown_fact in facts if shown_fact is not None])
    if found.columns:
        out.print()
        rows = [(c.name, c.type, c.field or "extra", c.why) for c in found.columns]
        table("Columns", ("column", "type", "feeds", "why"), rows)
    if found.rejects:
        out.print()
        rejects = [(r["line"], r["field"], r["reason"], r["raw"]) for r in found.first_rejects]
        table(
            f"First of {found.rejects:,} lines that cannot be read",
            ("line", "field", "reason", "line as it is"),
            rejects,
        )
    out.print()
    out.print(shown(found.would), soft_wrap=True)

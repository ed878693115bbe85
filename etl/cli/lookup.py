"""Verbs of names for addresses: ``lookup import``, ``lookup list``, ``lookup remove``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from etl.cli.console import ASKING, Json, counted, dump, example, out, store
from etl.cli.tables import table

lookup = typer.Typer(
    no_args_is_help=True, help="Names for addresses: your networks, countries, autonomous systems."
)

File = Annotated[
    Path,
    typer.Argument(help="networks.csv (cidr,name,kind,valid_from), or a GeoLite2 file.mmdb.", exists=True),
]
Source = Annotated[str | None, typer.Option(help="Name of the source; the file's name if not given.")]


def register(app: typer.Typer) -> None:
    """Add the verbs of this module."""
    app.add_typer(lookup, name="lookup", rich_help_panel=ASKING)


@lookup.command("import", epilog=example("conn-etl lookup import networks.csv"))
def import_(file: File, *, source: Source = None, as_json: Json = False) -> None:
    """Import names. What the same source named before is replaced; loaded rows are not touched."""
    from etl.query import lookup as names

    chosen = source or file.name
    with store().loading() as connection, connection.begin():
        count = names.load(connection, chosen, names.read(file))
    if as_json:
        dump({"source": chosen, "networks": count})
    else:
        out.print(f"{counted(count, 'network')} named by {chosen}", markup=False)


@lookup.command("list")
def list_(*, as_json: Json = False) -> None:
    """List what has been imported."""
    from etl.database.statements import execute

    with store().session() as connection:
        rows = [dict(row) for row in execute(connection, "lookup.sources").mappings()]
    if as_json:
        dump({"sources": rows})
    else:
        table("Names for addresses", ("source", "kind", "networks"), [list(row.values())[:3] for row in rows])


@lookup.command()
def remove(source: str, *, as_json: Json = False) -> None:
    """Remove what a source named."""
    from etl.database.statements import execute

    with store().loading() as connection, connection.begin():
        count = execute(connection, "lookup.forget", source=source).rowcount
    if as_json:
        dump({"source": source, "removed": count})
    else:
        out.print(f"{counted(count, 'network')} removed", markup=False)

"""The command put together: all verbs, and what every failure comes to."""

from __future__ import annotations

import atexit
import gc
import logging
import sys
from typing import Annotated

import typer

from etl.cli import (
    admin,
    archive,
    check,
    examples,
    explain,
    history,
    load,
    lookup,
    metrics,
    psql,
    quarantine,
    query,
    report,
    settings,
    status,
    unload,
)
from etl.cli.console import err
from etl.errors import ConnEtlError

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Load Zeek conn logs into PostgreSQL, check them, and ask questions of them.",
)


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        sys.stdout.write(f"conn-etl {version('conn-etl')}\n")
        raise typer.Exit


@app.callback()
def options(
    *,
    _show: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
    verbose: Annotated[
        int, typer.Option("--verbose", "-v", count=True, help="Log more; -vv for debugging.")
    ] = 0,
) -> None:
    """What every verb takes."""
    logging.getLogger().setLevel((logging.WARNING, logging.INFO, logging.DEBUG)[min(verbose, 2)])


for verbs in (
    load,
    unload,
    check,
    status,
    admin,
    quarantine,
    query,
    psql,
    lookup,
    history,
    archive,
    report,
    explain,
    metrics,
    settings,
):
    verbs.register(app)
examples.complete(app)


def main() -> None:
    """Run the command; every expected failure is one line on stderr and exit code 2."""
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    # else the end of Python looks through all that was imported, for half a second
    atexit.register(gc.freeze)
    try:
        app()
    except ConnEtlError as error:
        err.print(f"conn-etl: {error}", markup=False, soft_wrap=True)
        sys.exit(2)
    except BrokenPipeError:
        sys.exit(0)
    except OSError as error:  # a file to write that cannot be, or no room where the answer goes
        where = f"{error.filename}: " if error.filename else ""
        err.print(f"conn-etl: {where}{error.strerror or error}", markup=False, soft_wrap=True)
        sys.exit(2)

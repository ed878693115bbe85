"""The command put together: all verbs, and what every failure comes to."""

from __future__ import annotations

import logging
import sys

import typer

from etl.cli import admin, explain, history, load, metrics, quarantine, query, report, settings, status
from etl.cli.console import err
from etl.errors import ConnEtlError

app = typer.Typer(
    no_args_is_help=True, pretty_exceptions_enable=False, help="Zeek conn logs into PostgreSQL."
)
for verbs in (load, status, admin, quarantine, query, history, report, explain, metrics, settings):
    verbs.register(app)


def main() -> None:
    """Run the command; every expected failure is one line on stderr and exit code 2."""
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
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

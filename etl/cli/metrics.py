"""The verb ``metrics``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from etl.cli.console import OPERATING, Json, dump, store
from etl.errors import EnvironmentProblem

Out = Annotated[
    Path | None,
    typer.Option("--out", help="Write to this file, replaced as a whole, for the node exporter (*.prom)."),
]


def register(app: typer.Typer) -> None:
    """Add the verb of this module."""
    app.command(rich_help_panel=OPERATING)(metrics)


def metrics(*, out: Out = None, as_json: Json = False) -> None:
    """Print the metrics of this database in Prometheus' text format."""
    from etl.monitoring import metrics as counters

    target = store()
    with target.session() as connection:
        found = counters.collect(connection, target.settings)
    if as_json:
        samples = [sample for metric in found for sample in metric.samples]
        dump({"metrics": [{"name": s.name, "labels": s.labels, "value": s.value} for s in samples]})
    elif out is None:
        sys.stdout.write(counters.text(found))
    else:
        try:
            counters.write(found, out)
        except OSError as error:
            raise EnvironmentProblem(
                f"{out}: {error.strerror}", hint="name a file in a folder of yours"
            ) from error

"""The verb ``metrics``."""

from __future__ import annotations

import contextlib
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from etl.cli.console import OPERATING, Json, dump, err, store
from etl.errors import EnvironmentProblem, Misuse

if TYPE_CHECKING:
    from etl.database.store import Store

Out = Annotated[
    Path | None,
    typer.Option("--out", help="Write to this file, replaced as a whole, for the node exporter (*.prom)."),
]


def register(app: typer.Typer) -> None:
    """Add the verb of this module."""
    app.command(rich_help_panel=OPERATING)(metrics)


Listen = Annotated[
    str | None,
    typer.Option(
        help="Answer scrapes at this address until interrupted, such as 127.0.0.1:9100.", metavar="HOST:PORT"
    ),
]


def metrics(*, out: Out = None, listen: Listen = None, as_json: Json = False) -> None:
    """Print the metrics of this database in Prometheus' text format, or serve them over HTTP."""
    from etl.monitoring import metrics as counters

    target = store()
    if listen is not None:
        _serve(target, listen)
        return
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


def _serve(target: Store, listen: str) -> None:
    from etl.monitoring import metrics as counters

    host, _, port = listen.rpartition(":")
    if not host or not port.isdecimal():
        raise Misuse(f"--listen {listen} is not an address", hint="write it as 127.0.0.1:9100")
    with target.session() as connection:
        counters.collect(connection, target.settings)  # a database that cannot be asked is an error now
    try:
        served = counters.serve(target, host, int(port))
    except OSError as error:
        raise EnvironmentProblem(
            f"{listen}: {error.strerror}", hint="choose another address or port"
        ) from error
    err.print(f"Metrics at http://{host}:{served}/metrics; stop with Ctrl-C.", soft_wrap=True)
    with contextlib.suppress(KeyboardInterrupt):
        threading.Event().wait()

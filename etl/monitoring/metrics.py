"""Prometheus metrics, read from SQL at one moment; no process has to run for them.

What can fall is a gauge. What cannot is a counter, summed over ``etl.run``, whose rows never change.

Beside them Airflow sends its own (tasks, runs, pools, schedulers) by StatsD or OpenTelemetry.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry, generate_latest, start_http_server, write_to_textfile
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from sqlalchemy.engine import Connection

from etl.database import schema
from etl.database.engine import free_bytes
from etl.database.statements import execute
from etl.database.store import Store
from etl.models import FileState
from etl.monitoring.windows import RECENT, Gap, gaps
from etl.settings import Settings

TERMS = ("read", "loaded", "duplicate", "quarantined")
Values = Sequence[tuple[Sequence[str], float]]


class _Found(Collector):
    """Metrics that were read already."""

    def __init__(self, metrics: Sequence[Metric]) -> None:
        self.metrics = metrics

    def collect(self) -> Iterator[Metric]:
        yield from self.metrics


def text(metrics: Sequence[Metric]) -> str:
    """Prometheus' text format."""
    return generate_latest(_registry(metrics)).decode()


def write(metrics: Sequence[Metric], path: Path) -> None:
    """The same into a file for the node exporter's textfile collector, which never sees half of it."""
    write_to_textfile(str(path), _registry(metrics))


class _Live(Collector):
    """Metrics that are read from the database at each scrape."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def collect(self) -> Iterator[Metric]:
        with self.store.session() as connection:
            yield from collect(connection, self.store.settings)


def serve(store: Store, address: str, port: int) -> int:
    """Answer scrapes over HTTP in a thread of this process; returns the port (0: the system chooses one)."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Live(store))
    server, _ = start_http_server(port, address, registry)
    return int(server.server_port)


def _registry(metrics: Sequence[Metric]) -> CollectorRegistry:
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Found(metrics))
    return registry


def collect(connection: Connection, settings: Settings) -> list[Metric]:
    """All metrics, outside a transaction."""
    since = datetime.now(UTC) - RECENT
    missing = gaps(connection, settings, since=since)
    free = free_bytes(connection)
    with connection.begin():
        return [
            _build(),
            *_ledger(connection),
            *_done(connection),
            *_progress(connection),
            *_delay(connection, missing),
            *_room(connection, free),
            *_archive(connection),
        ]


ARCHIVE_STATES = ("exporting", "stale", "faulty", "archived")
"""Of days, as sql/views/archive.sql has them."""


def _archive(connection: Connection) -> Iterator[Metric]:
    states = {row.state: row for row in _rows(connection, "archive")}
    for name, what in (
        ("days", "Days of the archive"),
        ("dropped_days", "Those whose rows are in the archive only"),
        ("rows", "Rows of the archive"),
        ("dropped_rows", "Those that are in the archive only"),
        ("bytes", "Size of the archive's files"),
    ):
        values = [([state], float(getattr(states.get(state), name, 0))) for state in ARCHIVE_STATES]
        yield _gauge(f"archive_{name}", what, ["state"], values)


def _gauge(name: str, what: str, labels: Sequence[str], values: Values) -> Metric:
    family = GaugeMetricFamily(f"conn_etl_{name}", what, labels=labels)
    for label_values, value in values:
        family.add_metric(label_values, value)
    return family


def _counter(name: str, what: str, labels: Sequence[str], values: Values) -> Metric:
    family = CounterMetricFamily(f"conn_etl_{name}", what, labels=labels)
    for label_values, value in values:
        family.add_metric(label_values, value)
    return family


def _rows(connection: Connection, name: str) -> list[Any]:
    return list(execute(connection, f"metrics.{name}"))


def _ledger(connection: Connection) -> Iterator[Metric]:
    by_state = _rows(connection, "files")
    files = {row.state: row.files for row in by_state}
    # every state has a value from the first moment on, so that an alert on a rise sees the rise from 0
    yield _gauge(
        "files", "Files in the ledger", ["state"], [([state], files.get(state, 0)) for state in FileState]
    )
    terms = [([term], float(sum(getattr(row, f"rows_{term}") for row in by_state))) for term in TERMS]
    yield _gauge("rows", "Rows of the files in the ledger, as it stands", ["term"], terms)
    rejects = [([row.rule, row.state], row.lines) for row in _rows(connection, "rejects")]
    yield _gauge(
        "quarantine_lines", "Lines in quarantine, by the rule they broke", ["rule", "state"], rejects
    )
    problems = {row.severity: row.problems for row in _rows(connection, "problems")}
    severities = [([name], problems.get(name, 0)) for name in ("critical", "warning")]
    yield _gauge("problems", "Open problems", ["severity"], severities)


def _terms(sums: Any) -> Values:
    return [([term], getattr(sums, f"rows_{term}")) for term in TERMS]


def _done(connection: Connection) -> Iterator[Metric]:
    """What all runs that have ended did; an unload or retention takes nothing of it away."""
    (done,) = _rows(connection, "done")
    yield _counter("processed_rows", "Rows that runs processed", ["term"], _terms(done))
    yield _counter("processed_files", "Files that runs read", [], [([], done.files)])
    sizes = [(["packed"], done.bytes_packed), (["unpacked"], done.bytes_read)]
    yield _counter("read_bytes", "Bytes of logs that runs read", ["form"], sizes)
    (check,) = _rows(connection, "last_check")
    for name, what, moment in (
        ("last_run", "When the newest run ended", done.newest),
        ("last_check", "When a day was last checked", check.newest),
    ):
        if moment is not None:
            yield _gauge(f"{name}_timestamp_seconds", what, [], [([], moment)])


def _build() -> Metric:
    """Which program and schema these metrics are of."""
    labels = {"version": version("conn-etl"), "schema": schema.newest_version()}
    return _gauge(
        "build_info", "Version of conn-etl and of its schema", list(labels), [(list(labels.values()), 1)]
    )


def _progress(connection: Connection) -> Iterator[Metric]:
    (waiting,) = _rows(connection, "waiting")
    yield _gauge("waiting_files", "Files without a final state", [], [([], waiting.files)])
    yield _gauge("waiting_bytes", "Their size", [], [([], waiting.bytes)])
    for run in _rows(connection, "last_run"):
        seconds = max(run.seconds, 0.001)
        for name, what, value in (
            ("rows", "Rows that it loaded", run.rows_loaded),
            ("seconds", "How long it took", seconds),
            ("rows_per_second", "Rows loaded by second", run.rows_loaded / seconds),
            ("bytes_per_second", "Decompressed bytes by second", run.bytes_read / seconds),
            ("ended_timestamp_seconds", "When it ended", run.ended_at),
        ):
            yield _gauge(
                f"last_run_{name}", f"Newest run that read a file: {what}", ["kind"], [([run.kind], value)]
            )


def _delay(connection: Connection, missing: Sequence[Gap]) -> Iterator[Metric]:
    lags = _rows(connection, "lag")
    behind = [([row.sensor], row.behind) for row in lags if row.behind is not None]
    yield _gauge("lag_seconds", "Since the end of the sensor's newest loaded window", ["sensor"], behind)
    newest = [([row.sensor], row.newest_row) for row in lags if row.newest_row is not None]
    yield _gauge("newest_row_timestamp_seconds", "Start of the newest connection", ["sensor"], newest)
    windows = Counter({row.sensor: 0 for row in lags})
    for gap in missing:
        windows[gap.sensor] += gap.windows
    counts = [([sensor], float(count)) for sensor, count in sorted(windows.items())]
    yield _gauge("missing_windows", "Windows of the last two days that no file covers", ["sensor"], counts)


def _room(connection: Connection, free: int | None) -> Iterator[Metric]:
    (sizes,) = _rows(connection, "sizes")
    tables = [(["zeek.conn"], sizes.conn), (["etl.quarantine"], sizes.quarantine)]
    yield _gauge("table_bytes", "Size with indexes", ["table"], tables)
    yield _gauge("days", "Daily partitions", [], [([], sizes.days)])
    database = execute(connection, "metrics.database_bytes").scalar_one()
    yield _gauge("database_bytes", "Size of the database", [], [([], float(database or 0))])
    if free is not None:
        yield _gauge("disk_free_bytes", "Free on the server's disk", [], [([], free)])

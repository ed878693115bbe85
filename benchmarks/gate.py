"""What the gate costs beside a plain COPY of the same rows, and how long the report over a large day takes.

The gate: a batch is staged, and judged again in each round, alone; the statements that it sends are counted by a
listener of SQLAlchemy. The report: a day filled by SQL, then the whole page.
``python -m benchmarks.run quality --rows 1000000 --rounds 5 --day 10000000``.
"""

from __future__ import annotations

import re
import statistics
import tempfile
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from benchmarks import history, results
from benchmarks.copying import clean_rows, plain_copy
from benchmarks.server import database, server
from etl import pipeline, report
from etl.database import engine
from etl.database.store import Store
from etl.loading import ledger
from etl.loading.batch import Batch
from etl.quality import gate, gx
from etl.quality.rules import rules
from etl.settings import Settings
from samples.writing import write_conn_log

GATE_LIMIT = 0.6
REPORT_LIMIT = 60.0


def main(arguments: list[str] | None = None) -> None:
    """Measure and print; ``--json`` writes the figures too."""
    parser = results.parser(__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--day", type=int, default=10_000_000, help="rows of the day that is reported")
    chosen = parser.parse_args(arguments)
    with server() as home, tempfile.TemporaryDirectory() as folder:
        figures = {"gate": measure(home, Path(folder), chosen.rows, chosen.rounds)}
        show_gate(figures["gate"])
        if chosen.day:
            figures["report"] = page(home, chosen.day)
            show_report(figures["report"])
        figures["server"] = results.server_settings(database(home, "settings"))
    results.save(chosen.json, "quality", arguments, figures)


def measure(home: Path, folder: Path, rows: int, rounds: int) -> dict[str, Any]:
    """Seconds of the gate and of the COPY, in turns, and the statements that the gate sends."""
    log, csv = folder / "conn.json.log.gz", folder / "clean.csv"
    write_conn_log(log, rows, 7, "json")
    clean_rows(database(home, "clean"), log, csv)
    store = Store.open(database(home, "gate"), Settings(settle_after=timedelta(0)))
    batch_id = staged(store, log)
    gx.load()
    found: list[dict[str, Any]] = []
    for _ in range(rounds):
        copy = plain_copy(database(home, "plain"), csv)
        with counted() as statements:
            seconds, failed = judged(store, batch_id)
        if failed:
            raise SystemExit(f"{failed:,} clean rows broke a rule")
        found.append({"copy_seconds": copy, "gate_seconds": seconds, "ratio": seconds / copy, **statements})
    return {
        "rows": rows,
        "rounds": rounds,
        "rules": len(rules("gate")),
        **{
            key: statistics.median(f[key] for f in found) for key in ("copy_seconds", "gate_seconds", "ratio")
        },
        "statements": found[-1]["statements"],
        "kinds": found[-1]["kinds"],
        "each": found,
    }


def staged(store: Store, log: Path) -> int:
    """Claim and stage the log as a batch, and return its number."""
    pipeline.begin(store, "bench", "command", {})
    (batch_id,) = pipeline.discover(store, "bench", [str(log)])
    pipeline.stage(store, batch_id)
    return batch_id


def judged(store: Store, batch_id: int) -> tuple[float, int]:
    """Seconds of one gate over the staged batch, rolled back, and the rows that broke a critical rule."""
    with store.loading() as connection, connection.begin() as transaction:
        files = ledger.batch_files(connection, batch_id)
        batch = Batch(batch_id=batch_id, connection=connection, files=files)
        batch.bind()
        url = engine.url_as(connection, store.url, store.settings, "conn-etl gate")
        rows_read = {file.etl_file_id: file.rows_read or 0 for file in files}
        begin = time.monotonic()
        outcomes = gate.gate(connection, url, batch.table, rows_read, pipeline.policy_of(store.settings))
        seconds = time.monotonic() - begin
        transaction.rollback()
    return seconds, sum(outcome.failed for outcome in outcomes if outcome.severity == "critical")


class counted:  # noqa: N801  used like a function
    """Count the statements that any SQLAlchemy engine of this process sends, by their first word."""

    def __enter__(self) -> dict[str, Any]:
        """Listen."""
        self.kinds: Counter[str] = Counter()
        self.figures: dict[str, Any] = {}
        sa.event.listen(sa.engine.Engine, "before_cursor_execute", self._count)
        return self.figures

    def __exit__(self, *_: object) -> None:
        """Stop listening."""
        sa.event.remove(sa.engine.Engine, "before_cursor_execute", self._count)
        self.figures |= {"statements": self.kinds.total(), "kinds": dict(self.kinds)}

    def _count(self, _connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        text = re.sub(r"--.*|/\*.*?\*/", "", statement).split()
        self.kinds[text[0].upper() if text else ""] += 1


def page(home: Path, rows: int) -> dict[str, Any]:
    """Seconds of filling one day, and of the report over it, HTML and JSON."""
    store = Store.open(database(home, "report"), Settings())
    history.fill(store, rows, 1)
    history.vacuum(store, 1)
    since = datetime.combine(history.FIRST, datetime.min.time(), UTC)
    begin = time.monotonic()
    with store.session() as connection:
        made = report.build(connection, since, since + timedelta(days=1))
    sizes = {"html_kib": len(made.html) / 1024, "json_kib": len(made.as_json()) / 1024}
    return {"rows": rows, "seconds": time.monotonic() - begin, **sizes}


def show_gate(figures: dict[str, Any]) -> None:
    """One line and the kinds of statements."""
    within = "within" if figures["ratio"] <= GATE_LIMIT else "NOT within"
    print(
        f"the gate over {figures['rows']:,} clean rows: {figures['gate_seconds']:.2f} s, "
        f"{figures['ratio']:.2f} of plain COPY's {figures['copy_seconds']:.2f} s ({within} {GATE_LIMIT}), "
        f"{figures['rules']} rules, {figures['statements']} statements "
        f"({', '.join(f'{n} {kind}' for kind, n in figures['kinds'].items())})",
        flush=True,
    )


def show_report(figures: dict[str, Any]) -> None:
    """One line."""
    within = "within" if figures["seconds"] <= REPORT_LIMIT else "NOT within"
    print(
        f"the report over a day of {figures['rows']:,} rows: {figures['seconds']:.1f} s ({within} "
        f"{REPORT_LIMIT:.0f} s), {figures['html_kib']:,.0f} KiB of HTML"
    )


if __name__ == "__main__":
    main()

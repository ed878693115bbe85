"""The whole path beside a plain COPY of the same clean rows into an identical table, in turns.

Whole path: gzip in; read, mapped, gated, published, ledger written; unique key on. Plain COPY: the rows as CSV in the
table's order, from memory to the same partitioned table with the same key, in one transaction. Quoted are medians of
the rounds and the ratio of each pair. Every second round goes in reverse. Processor seconds are those of our process
from its imports on, of PostgreSQL's sessions and of its background processes: a busy machine hardly changes them.
``python -m benchmarks.load --rows 1000000 --rounds 3``; ``quick`` is for the inner loop, two minutes.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path
from typing import Any

from benchmarks import results
from benchmarks.copying import DAYS, clean_rows, copy, make_days, rows_in
from benchmarks.server import database, run, server
from benchmarks.watch import Watch
from etl.database import embedded
from etl.quality.rules import rules
from samples.broken import KINDS
from samples.writing import Format, write_conn_log

BAD_EVERY = 1_000
FORMATS: dict[Format, str] = {"json": "JSON.gz", "tsv": "TSV.gz"}
STEPS = ("before", "stage", "validate", "publish")
REST = ("unseen", "background")
"""What PostgreSQL used and no step has."""
INDEXES = (
    "SELECT relid::regclass::text, count(indexrelid) FROM pg_partition_tree('zeek.conn')"
    " LEFT JOIN pg_index ON indrelid = relid WHERE isleaf GROUP BY 1 ORDER BY 2 DESC LIMIT 1"
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Contender:
    """A way of loading that is timed."""

    name: str
    log: Path
    whole: bool = False
    new_days: bool = False
    bad: int = 0
    """Rows that go to quarantine."""
    clean: str | None = None
    """The contender that loads the same log without them."""


def main(arguments: list[str] | None = None) -> None:
    """Clean logs: measure and print; ``--json`` writes the figures too."""
    _part("load", clean_logs, arguments)


def bad_lines(arguments: list[str] | None = None) -> None:
    """The same, with and without a bad line in a thousand."""
    _part("bad_lines", dirty_logs, arguments)


def quick(arguments: list[str] | None = None) -> None:
    """Few rows in both formats, into days that exist."""
    _part("quick", existing_days, arguments, rows=300_000, rounds=2)


def _part(
    part: str,
    contenders: Callable[[Path, int], Iterator[Contender]],
    arguments: list[str] | None,
    *,
    rows: int = 1_000_000,
    rounds: int = 3,
) -> None:
    parser = results.parser(__doc__)
    parser.add_argument("--rows", type=int, default=rows)
    parser.add_argument("--rounds", type=int, default=rounds)
    chosen = parser.parse_args(arguments)
    with server() as home, tempfile.TemporaryDirectory() as folder:
        figures = measure(home, Path(folder), chosen.rows, chosen.rounds, contenders)
    show(figures)
    results.save(chosen.json, part, arguments, figures)


def clean_logs(folder: Path, rows: int) -> Iterator[Contender]:
    """Both formats: into days that exist, and into new ones."""
    for fmt, name in FORMATS.items():
        log = folder / f"conn.{fmt}.log.gz"
        write_conn_log(log, rows, 7, fmt)
        yield Contender(name=name, log=log)
        if fmt == "json":
            yield Contender(name=f"{name}, imports included", log=log, whole=True)
        yield Contender(name=f"{name} into new days", log=log, new_days=True)


def existing_days(folder: Path, rows: int) -> Iterator[Contender]:
    """The two that say most."""
    return (c for c in clean_logs(folder, rows) if not c.whole and not c.new_days)


def dirty_logs(folder: Path, rows: int) -> Iterator[Contender]:
    """Both formats: clean, and with bad lines among the good, of all kinds in turn."""
    bad = range(BAD_EVERY // 2, rows, BAD_EVERY)
    broken = dict(zip(bad, islice(cycle(KINDS), len(bad)), strict=True))
    for fmt, name in FORMATS.items():
        clean, dirty = folder / f"conn.{fmt}.log.gz", folder / f"dirty.{fmt}.log.gz"
        write_conn_log(clean, rows, 7, fmt)
        write_conn_log(dirty, rows, 7, fmt, broken=broken)
        yield Contender(name=name, log=clean)
        yield Contender(name=f"{name}, 1 bad line in {BAD_EVERY:,}", log=dirty, bad=len(bad), clean=name)


def measure(
    home: Path,
    folder: Path,
    rows: int,
    rounds: int,
    contenders: Callable[[Path, int], Iterator[Contender]],
) -> dict[str, Any]:
    """Medians by contender: seconds, ratio to COPY, processor seconds by step, memory of process and sessions."""
    chosen = list(contenders(folder, rows))
    csv = folder / "clean.csv"
    clean_rows(database(home, "clean"), next(c.log for c in chosen if not c.bad), csv)
    copies: list[dict[str, Any]] = []
    runs: dict[str, list[dict[str, Any]]] = {contender.name: [] for contender in chosen}
    for number in range(rounds):
        for contender in results.in_turn(chosen, number):
            copies.append(watched_copy(home, csv))
            figure = whole_path(home, contender)
            if (figure["rows_loaded"], figure["rows_quarantined"]) != (rows - contender.bad, contender.bad):
                raise SystemExit(f"{contender.name} loaded {figure['rows_loaded']:,} of {rows:,} rows")
            if figure["rows_in_table"] != rows - contender.bad:
                raise SystemExit(f"{contender.name} left {figure['rows_in_table']:,} rows in the table")
            runs[contender.name].append(figure | paired(copies[-1]["seconds"], figure["load_seconds"]))
    url = embedded.url(home, "whole")
    leaf, indexes = run(url, INDEXES)[0]
    return {
        "rows": rows,
        "rounds": rounds,
        "rules": len(rules("gate")),
        "indexes": {"table": leaf, "indexes": indexes},
        "server": results.server_settings(url),
        "copy_seconds": statistics.median(copy["seconds"] for copy in copies),
        "copy": middle(copies),
        "contenders": {name: middle(found) for name, found in runs.items()},
        "bad_lines": {c.name: kept(runs[c.clean or ""], runs[c.name]) for c in chosen if c.clean in runs},
    }


def paired(copy_seconds: float, load_seconds: float) -> dict[str, float]:
    """A load beside the COPY that went before it."""
    return {"copy_seconds": copy_seconds, "ratio": copy_seconds / load_seconds}


def kept(clean: list[dict[str, Any]], dirty: list[dict[str, Any]]) -> float:
    """Throughput with bad lines as a share of that without, by pairs of one round."""
    pairs = zip(clean, dirty, strict=True)
    return statistics.median(a["load_seconds"] / b["load_seconds"] for a, b in pairs)


def middle(found: list[dict[str, Any]]) -> dict[str, Any]:
    """Medians, name by name, also of what is counted by step; a step that a round did not see counts 0 there."""
    medians: dict[str, Any] = {}
    for key, value in found[0].items():
        if isinstance(value, Mapping):
            steps = sorted({step for figure in found for step in figure[key]})
            medians[key] = {s: statistics.median(figure[key].get(s, 0) for figure in found) for s in steps}
        else:
            medians[key] = statistics.median(figure[key] for figure in found)
    return medians | {"ratios": [figure["ratio"] for figure in found if "ratio" in figure]}


def watched_copy(home: Path, csv: Path) -> dict[str, Any]:
    """Seconds of the plain COPY, and the processor seconds of both sides."""
    url = database(home, "plain")
    make_days(url)
    begin = time.process_time()
    with Watch(url=embedded.url(home, "postgres")) as watch:
        seconds = copy(url, csv)
    own = time.process_time() - begin
    return {"seconds": seconds, **watch.figures(), "core_seconds": own + sum(watch.cpu_seconds.values())}


def whole_path(home: Path, contender: Contender) -> dict[str, Any]:
    """Load the log in a process of its own."""
    url = database(home, "whole")
    if not contender.new_days:
        run(url, DAYS)
    run(url, "CHECKPOINT")
    with Watch(url=embedded.url(home, "postgres")) as watch:
        figures = load_here(url, contender)
    used = sum(figures["step_cpu_seconds"].values()) + sum(watch.cpu_seconds.values())
    return figures | watch.figures() | {"core_seconds": used, "rows_in_table": rows_in(url)}


def load_here(url: str, contender: Contender) -> dict[str, Any]:
    """Load the log, or a folder of logs, into this database as it is."""
    command = [sys.executable, "-W", "ignore", "-m", "benchmarks.child"]
    command += [*(["--whole"] if contender.whole else []), str(contender.log)]
    done = subprocess.run(
        command,
        check=True,
        capture_output=True,
        text=True,
        env=os.environ | {"CONN_ETL_DATABASE_URL": url},
    )
    figures: dict[str, Any] = json.loads(done.stdout)
    return figures


def show(figures: dict[str, Any]) -> None:
    """The tables."""
    rows, copy = figures["rows"], figures["copy"]
    indexes = figures["indexes"]
    print(
        f"{rows:,} rows, {figures['rounds']} rounds, {figures['rules']} rules in the gate, "
        f"{indexes['indexes']} index on each open day"
    )
    if indexes["indexes"] == 1:
        print("it is the unique key: plain COPY's table is the table with the unique key alone")
    print(
        f"{'':28}{'seconds':>9}{'rows/s':>10}{'of COPY':>9}{'from':>6}{'to':>6}{'core s/1M':>11}{'peak MiB':>10}"
        f"{'sessions MiB':>14}"
    )
    print(
        f"{'plain COPY':28}{copy['seconds']:9.2f}{rows / copy['seconds']:10,.0f}{1:9.2f}{'':12}"
        f"{copy['core_seconds'] * 1e6 / rows:11.2f}{'':10}{copy['postgres_private_mib']:14.0f}"
    )
    for name, f in figures["contenders"].items():
        print(
            f"{name:28}{f['load_seconds']:9.2f}{rows / f['load_seconds']:10,.0f}{f['ratio']:9.2f}"
            f"{min(f['ratios']):6.2f}{max(f['ratios']):6.2f}{f['core_seconds'] * 1e6 / rows:11.2f}"
            f"{f['peak_mib']:10.0f}{f['postgres_private_mib']:14.0f}"
        )
    for name, share in figures["bad_lines"].items():
        print(f"{name}: {share:.2f} of the throughput of the clean log")
    show_steps(figures)


def show_steps(figures: dict[str, Any]) -> None:
    """Core seconds a million rows; publishing overlaps with staging, so only the sessions' seconds are by step."""
    heads = "".join(f"{step:>16}" for step in (*STEPS, *REST, "in all"))
    print(f"\n{'core seconds, 1M rows':28}{heads}")
    for name, f in figures["contenders"].items():
        own, sessions = f["step_cpu_seconds"], f["postgres_cpu_seconds"]
        scale = 1e6 / figures["rows"]
        cells = [f"{own.get(s, 0) * scale:.2f} + {sessions.get(s, 0) * scale:.2f}" for s in STEPS]
        cells += [f"{sessions.get(name, 0) * scale:.2f}" for name in REST]
        cells.append(f"{f['core_seconds'] * scale:.2f}")
        print(f"{name:28}" + "".join(f"{cell:>16}" for cell in cells))
    print(
        "(own process + PostgreSQL's sessions; own time of speculative publishing stands under stage; unseen: what "
        "sessions used between the last look and their end)"
    )


if __name__ == "__main__":
    main()

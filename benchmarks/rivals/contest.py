"""Rivals beside this project and a plain COPY, in turns, into the same table with the same unique key.

Each rival runs in an environment of its own (``.venv/.cache/bench``, made once from the package registry at the
versions in ``environments.py``). Imports are not counted, for nobody. Each load begins with fresh days and a
CHECKPOINT, and counts only if all rows are in the table at its end. The slow ones run once, on fewer rows.
``python -m benchmarks.run rivals --rows 1000000 --rounds 3 --slow-rows 300000``.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks import results
from benchmarks.copying import DAYS, clean_rows, plain_copy, rows_in
from benchmarks.load import Contender, whole_path
from benchmarks.rivals.environments import HERE, RIVALS, ROOT, NotInstalled, Rival
from benchmarks.server import database, run, server
from etl.database import embedded
from samples.writing import write_conn_log

OURS = "conn-etl"
TARGETS = {"DuckDB": 1.25, "parsezeeklogs + COPY": 3.0, "pgloader": 8.0, "dlt": 20.0}
"""How many times as fast as each this project is to be."""


def main(arguments: list[str] | None = None) -> None:
    """Measure and print; ``--json`` writes the figures too."""
    parser = results.parser(__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--slow-rows", type=int, default=300_000)
    parser.add_argument("--only", nargs="*", default=[rival.script for rival in RIVALS], help="scripts")
    chosen = parser.parse_args(arguments)
    rivals = [rival for rival in RIVALS if rival.script in chosen.only]
    fast, slow = ([r for r in rivals if r.slow is is_slow] for is_slow in (False, True))
    figures: dict[str, Any] = {}
    with server() as home:
        for name, some, rows, rounds in (
            ("fast", fast, chosen.rows, chosen.rounds),
            ("slow", slow, chosen.slow_rows, 1),
        ):
            if some:
                figures[name] = contest(home, some, rows, rounds)
                show(figures[name])
        figures["server"] = results.server_settings(embedded.url(home, "postgres"))
    results.save(chosen.json, "rivals", arguments, figures)


def contest(home: Path, rivals: list[Rival], rows: int, rounds: int) -> dict[str, Any]:
    """All of them over the same rows, a COPY before each."""
    missing, able = {}, []
    for rival in rivals:
        try:
            rival.python()
            able.append(rival)
        except NotInstalled as why:
            missing[rival.name] = str(why)
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        csv = Path(folder) / "clean.csv"
        logs = {fmt: Path(folder) / f"conn.{fmt}.log.gz" for fmt in ("json", "tsv")}
        for fmt, log in logs.items():
            write_conn_log(log, rows, 7, fmt)  # type: ignore[arg-type]
        clean_rows(database(home, "clean"), logs["json"], csv)
        runs = turns(home, csv, starters(home, able, logs), rows, rounds)
    return {"rows": rows, "rounds": rounds, "missing": missing, "rivals": table(able, runs), "runs": runs}


Starter = Callable[[], tuple[str, dict[str, float]]]
"""Loads once, and returns the database and the figures."""


def starters(home: Path, rivals: list[Rival], logs: dict[str, Path]) -> dict[str, Starter]:
    """By ``name, FORMAT``: this project first, then each rival with each format that it reads."""

    def ours(log: Path) -> tuple[str, dict[str, float]]:
        figure = whole_path(home, Contender(name=OURS, log=log))
        return embedded.url(home, "whole"), {
            "seconds": figure["load_seconds"],
            "peak_mib": figure["peak_mib"],
        }

    formats = [fmt for fmt in logs if any(fmt in rival.formats for rival in rivals)]
    found: dict[str, Starter] = {f"{OURS}, {fmt}": lambda log=logs[fmt]: ours(log) for fmt in formats}
    for rival in rivals:
        for fmt in rival.formats:
            found[f"{rival.name}, {fmt}"] = lambda rival=rival, log=logs[fmt]: theirs(home, rival, log)
    return found


def theirs(home: Path, rival: Rival, log: Path) -> tuple[str, dict[str, float]]:
    """One load by a rival's script, into days that exist."""
    url = database(home, "rival")
    run(url, DAYS)
    run(url, "CHECKPOINT")
    done = subprocess.run(
        [rival.python(), HERE / f"with_{rival.script}.py", log, url],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"{rival.name} ended with {done.returncode}: {done.stderr[-1000:]}")
    figures: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return url, figures


def turns(home: Path, csv: Path, who: dict[str, Starter], rows: int, rounds: int) -> dict[str, list[Any]]:
    """Everybody in turns, as often as there are rounds; a table without all rows ends it."""
    runs: dict[str, list[Any]] = {"plain COPY": [], **{name: [] for name in who}}
    for number in range(rounds):
        for name, start in results.in_turn(list(who.items()), number):
            copy = plain_copy(database(home, "plain"), csv)
            url, figure = start()
            if (there := rows_in(url)) != rows:
                raise SystemExit(f"{name} left {there:,} of {rows:,} rows in the table")
            runs["plain COPY"].append({"seconds": copy, "ratio": 1.0})
            runs[name].append(figure | {"ratio": copy / figure["seconds"]})
            print(f"  {name}: {figure['seconds']:.2f} s, {copy / figure['seconds']:.2f} of COPY", flush=True)
    return runs


def table(rivals: list[Rival], runs: dict[str, list[Any]]) -> list[dict[str, Any]]:
    """A line for everybody: medians, and how many times as fast we are with the same format in the same round."""
    known = {rival.name: rival for rival in rivals}
    lines = []
    for name, found in runs.items():
        who, _, fmt = name.partition(", ")
        own = runs.get(f"{OURS}, {fmt}", [])
        faster = [theirs["seconds"] / ours["seconds"] for theirs, ours in zip(found, own, strict=False)]
        rival = known.get(who)
        lines.append(
            {
                "name": name,
                "seconds": statistics.median(f["seconds"] for f in found),
                "ratio": statistics.median(f["ratio"] for f in found),
                "peak_mib": statistics.median(f.get("peak_mib", 0) for f in found),
                "we_are_times_as_fast": statistics.median(faster) if rival and faster else None,
                "target": TARGETS.get(who),
                "versions": rival.versions() if rival else [],
                "leaves_out": rival.leaves_out if rival else "",
            }
        )
    return lines


def show(figures: dict[str, Any]) -> None:
    """The table."""
    rows = figures["rows"]
    print(f"{rows:,} rows, {figures['rounds']} rounds; all rows in the unique-keyed table at the end of each")
    print(f"{'':28}{'seconds':>9}{'rows/s':>10}{'of COPY':>9}{'peak MiB':>10}{'we are':>9}{'target':>8}")
    for line in figures["rivals"]:
        ours, target = line["we_are_times_as_fast"], line["target"]
        print(
            f"{line['name']:28}{line['seconds']:9.2f}{rows / line['seconds']:10,.0f}{line['ratio']:9.2f}"
            f"{line['peak_mib']:10.0f}{f'{ours:.1f} x' if ours else '':>9}{target if ours and target else '':>8}"
            f"  {line['leaves_out']}"
        )
    for name, why in figures["missing"].items():
        print(f"{name:28}{why}")


if __name__ == "__main__":
    main()

"""How the cost of loading grows: with rows, with files, with what the table holds already, and with processes.

Each load is a process of its own. ``python -m benchmarks.run growth --rows 1000000 5000000 20000000 --files 5000``;
``--parts rows files two`` chooses. ``python -m benchmarks.run full --full 50000000`` is for what the table holds, and
needs about 25 GB of disk.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks import history, results
from benchmarks.copying import DAYS, rows_in
from benchmarks.load import Contender, load_here
from benchmarks.server import database, run, server
from etl import pipeline
from etl.database import embedded
from etl.database.store import Store
from etl.settings import Settings
from samples.writing import START, write_conn_log

PARTS = ("rows", "files", "two")
LAST_OF_SAME = date(2026, 3, 1)
"""Days that the logs' rows fall on; the other days of a full table lie before them."""


def main(arguments: list[str] | None = None) -> None:
    """With rows, files and processes: measure and print; ``--json`` writes the figures too."""
    _measure("growth", PARTS, arguments)


def full(arguments: list[str] | None = None) -> None:
    """With what the table holds already."""
    _measure("full", ("full",), arguments)


def _measure(part: str, parts: Sequence[str], arguments: list[str] | None) -> None:
    parser = results.parser(__doc__)
    parser.add_argument("--parts", nargs="*", default=parts, choices=list(MEASURED))
    parser.add_argument("--rows", nargs="*", type=int, default=[1_000_000, 5_000_000, 20_000_000])
    parser.add_argument("--files", type=int, default=5_000)
    parser.add_argument(
        "--files-rows", type=int, default=1_000_000, help="rows in all of them, and in the one"
    )
    parser.add_argument("--full", type=int, default=50_000_000, help="rows that are there already")
    parser.add_argument("--load", type=int, default=1_000_000, help="rows that are loaded into full tables")
    parser.add_argument("--rounds", type=int, default=3)
    chosen = parser.parse_args(arguments)
    figures: dict[str, Any] = {}
    with server() as home:
        for name in chosen.parts:
            with tempfile.TemporaryDirectory() as folder:
                Path(folder).chmod(0o755)
                figures[name] = MEASURED[name](home, Path(folder), chosen)
            for line in figures[name]:
                show(line)
        figures["server"] = results.server_settings(embedded.url(home, "postgres"))
    results.save(chosen.json, part, arguments, figures)


def by_rows(home: Path, folder: Path, chosen: Any) -> list[dict[str, Any]]:
    """One file, larger and larger, once each."""
    found = []
    for rows in chosen.rows:
        log = folder / "conn.json.log.gz"
        write_conn_log(log, rows, 7, "json")
        found.append({"what": f"{rows:,} rows", "rows": rows, **load(home, rows, log)})
    return found


def by_files(home: Path, folder: Path, chosen: Any) -> list[dict[str, Any]]:
    """The same number of rows in one file and in many, in turns."""
    one = folder / "one" / "conn.json.log.gz"
    many = folder / "many"
    one.parent.mkdir()
    many.mkdir()
    write_conn_log(one, chosen.files_rows, 7, "json")
    each = chosen.files_rows // chosen.files
    for number in range(chosen.files):
        start = START + timedelta(seconds=number % 3600)
        write_conn_log(many / f"conn.{number:05}.log.gz", each, number, "json", start=start)
    return rounds_of(
        chosen.rounds,
        {
            "1 file": lambda: load(home, chosen.files_rows, one),
            f"{chosen.files:,} files": lambda: load(home, each * chosen.files, many),
        },
    )


def by_fullness(home: Path, folder: Path, chosen: Any) -> list[dict[str, Any]]:
    """Into an empty table, one that is full of other days' rows, and one that is full of the same days'."""
    log = folder / "conn.json.log.gz"
    write_conn_log(log, chosen.load, 7, "json")
    found = []
    for name, last in (("other", date(2026, 1, 30)), ("same", LAST_OF_SAME)):  # one after the other: disk
        store = Store.open(database(home, "full"), Settings())
        fill(store, chosen.full, last)
        ways = {
            f"an empty table ({name})": lambda: load(home, chosen.load, log),
            f"{chosen.full:,} rows on {name} days": partial(load_and_unload, store, chosen.load, log),
        }
        rounds_of(1, ways)  # not counted: the server still writes what the filling left
        found += rounds_of(chosen.rounds, ways)
        run(embedded.url(home, "postgres"), 'DROP DATABASE "full" WITH (FORCE)')
    return found


def by_processes(home: Path, folder: Path, chosen: Any) -> list[dict[str, Any]]:
    """Two logs by one process, and by two at once."""
    logs = [folder / f"conn.{number}.json.log.gz" for number in (1, 2)]
    for number, log in enumerate(logs):
        write_conn_log(log, chosen.load, number, "json", start=START - timedelta(days=3 * number))
    rows = 2 * chosen.load

    def at_once() -> dict[str, Any]:
        url = fresh(home)
        begin = time.monotonic()
        with ThreadPoolExecutor(2) as pool:
            both = list(pool.map(lambda log: load_here(url, Contender(name="", log=log)), logs))
        require(url, rows)
        # their imports come first and are not counted: the later of the two decides
        slowest = max(both, key=lambda figure: figure["load_seconds"])
        return {**slowest, "rate": rows / slowest["load_seconds"], "wall_seconds": time.monotonic() - begin}

    return rounds_of(chosen.rounds, {"1 process": lambda: load(home, rows, folder), "2 processes": at_once})


MEASURED = {"rows": by_rows, "files": by_files, "full": by_fullness, "two": by_processes}


def rounds_of(rounds: int, ways: dict[str, Callable[[], dict[str, Any]]]) -> list[dict[str, Any]]:
    """All ways in turns, every second round in reverse; medians, and each rate beside the first way's in its round."""
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in ways}
    for number in range(rounds):
        for name, way in results.in_turn(list(ways.items()), number):
            found[name].append(way())
    first = next(iter(found.values()))
    return [
        {
            "what": name,
            **{key: statistics.median(f[key] for f in each) for key in ("rate", "load_seconds", "peak_mib")},
            "of_first": statistics.median(beside := _beside(each, first)),
            "of_first_spread": [min(beside), max(beside)],
        }
        for name, each in found.items()
    ]


def _beside(each: list[dict[str, Any]], first: list[dict[str, Any]]) -> list[float]:
    return [figure["rate"] / base["rate"] for figure, base in zip(each, first, strict=True)]


def fresh(home: Path) -> str:
    """An empty database with its days, after a CHECKPOINT."""
    url = database(home, "whole")
    run(url, DAYS)
    run(url, "CHECKPOINT")
    return url


def load(home: Path, rows: int, log: Path) -> dict[str, Any]:
    """Into a fresh database."""
    url = fresh(home)
    figures = load_here(url, Contender(name="", log=log))
    require(url, rows)
    return {"rate": rows / figures["load_seconds"], **figures}


def require(url: str, rows: int) -> None:
    """All rows are in the table, or the figure means nothing."""
    if (there := rows_in(url)) != rows:
        raise SystemExit(f"{there:,} of {rows:,} rows in the table")


def load_and_unload(store: Store, rows: int, log: Path) -> dict[str, Any]:
    """Into a table that keeps what it had."""
    url = store.url.set(drivername="postgresql").render_as_string(hide_password=False)
    run(url, "CHECKPOINT")
    log.touch()  # an unloaded file stays unloaded for the same path, size and mtime
    figures = load_here(url, Contender(name="", log=log))
    if figures["rows_loaded"] != rows:
        raise SystemExit(f"{figures['rows_loaded']:,} of {rows:,} rows loaded")
    pipeline.unload(store, [str(log)])
    run(url, "VACUUM zeek.conn")  # as autovacuum does: the next load shall not step over these rows
    return {"rate": rows / figures["load_seconds"], **figures}


def fill(store: Store, rows: int, last: date, days: int = 10) -> None:
    """Made-up rows by SQL, as many on each of the ten days up to the last one; then all days of the logs are there."""
    first = datetime.combine(last - timedelta(days=days - 1), datetime.min.time(), UTC)
    history.fill(store, rows, days, first)
    url = store.url.set(drivername="postgresql").render_as_string(hide_password=False)
    run(url, DAYS)
    run(url, "VACUUM (ANALYZE) zeek.conn")


def show(line: dict[str, Any]) -> None:
    """One line."""
    beside = ""
    if "of_first" in line:
        low, high = line["of_first_spread"]
        beside = f"{line['of_first']:8.2f} of the first ({low:.2f} to {high:.2f})"
    print(
        f"{line['what']:36}{line['load_seconds']:9.2f} s{line['rate']:10,.0f} rows/s"
        f"{line['peak_mib']:7.0f} MiB{beside}",
        flush=True,
    )


if __name__ == "__main__":
    main()

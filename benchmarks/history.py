"""History: what each question of the cookbook costs over many rows, with and without the indexes of sealed days.

Also the loading rate into a full table beside an empty one, planning and locks with ten years of days, and how long
anybody waits while a day is dropped beside a load. Questions are asked as ``conn-etl query`` asks them, and warm: the
median of five after one that is thrown away.

``python -m benchmarks.history --rows 20000000 --days 30``; needs about 500 bytes of disk a row.
"""

from __future__ import annotations

import argparse
import re
import statistics
import tempfile
import threading
import time
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import psutil
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from benchmarks import results, ten_years
from benchmarks.server import database, server
from etl import pipeline
from etl.database.store import Store
from etl.history import days as partitions
from etl.history import maintenance, rollups
from etl.query import ask, cookbook
from etl.settings import Settings
from samples.writing import write_conn_log

FIRST = date(2026, 3, 1)
START = datetime.combine(FIRST, datetime.min.time(), UTC)
TIMES, PATIENCE = 6, 20.0
"""How often a question is asked at most, and seconds after which it is not asked again."""
WHOLE_SPAN = {"host over the whole span": "host_timeline", "uid alone": "uid_pivot"}


@cache
def statements() -> dict[str, str]:
    """The SQL beside this file, by name."""
    parts = re.split(r"^-- name: (\w+)$", Path(__file__).with_suffix(".sql").read_text(), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def run(connection: Connection, name: str, **values: Any) -> sa.CursorResult[Any]:
    """One statement of that file."""
    return connection.execute(sa.text(statements()[name]), values)


def main(arguments: list[str] | None = None) -> None:
    """Measure and print; ``--json`` writes the figures too."""
    parser = results.parser(__doc__)
    parser.add_argument("--rows", type=int, default=20_000_000)
    parser.add_argument("--days", type=int, default=30)
    parser.add_argument("--load", type=int, default=300_000, help="rows of each log that is loaded")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--leaves", type=int, default=ten_years.LEAVES)
    chosen = parser.parse_args(arguments)
    with server() as home, tempfile.TemporaryDirectory() as folder:
        figures = measure(home, Path(folder), chosen)
    results.save(chosen.json, "history", arguments, figures)


def measure(home: Path, folder: Path, chosen: argparse.Namespace) -> dict[str, Any]:
    """All figures, printed as they come."""
    store = Store.open(database(home, "history"), Settings())
    begun = time.monotonic()
    fill(store, chosen.rows, chosen.days)
    print(
        f"{chosen.rows:,} made-up rows over {chosen.days} days in {time.monotonic() - begun:.0f} s",
        flush=True,
    )
    loading = rates(lambda: Store.open(database(home, "empty"), Settings()), store, folder, chosen)
    begun = time.monotonic()
    hours, _ = maintenance.refresh(store)
    print(f"{hours:,} hours rolled up in {time.monotonic() - begun:.0f} s", flush=True)
    vacuum(store, chosen.days)
    open_days = ask_all(store, chosen.days)
    begun = time.monotonic()
    sealed = maintenance.seal(store)
    print(f"{len(sealed)} days sealed in {time.monotonic() - begun:.0f} s; size {size(store)}", flush=True)
    figures = compare(open_days, ask_all(store, chosen.days))
    waits = drop_beside_a_load(store, folder, chosen.load)
    decade = ten_years.measure(Store.open(database(home, "years"), Settings()), chosen.leaves)
    return {"loading": loading, "questions": figures, "waits": waits, "ten_years": decade}


def rates(
    empty: Callable[[], Store], full: Store, folder: Path, chosen: argparse.Namespace
) -> dict[str, list[tuple[float, float]]]:
    """Rows a second of the whole path, into an empty table and the full one in turns; the first pair warms up.

    Both have the same days already, and days before them for what began long ago. Beside the clock stand the
    processor's seconds, of this process and of the server's sessions: on a busy machine only they mean something.
    """
    days = [FIRST + timedelta(days=number) for number in range(-5, chosen.days + 1)]
    found: dict[str, list[tuple[float, float]]] = {"empty": [], "full": []}
    start = datetime.combine(FIRST + timedelta(days=chosen.days - 1), datetime.min.time(), UTC)
    for number in range(chosen.rounds + 1):
        path = folder / f"conn.{number}.log.gz"
        write_conn_log(path, chosen.load, number, "json", start=start)
        pair = [("empty", empty()), ("full", full)]
        for name, target in pair if number % 2 else reversed(pair):
            with target.loading() as connection:
                partitions.ensure(connection, days)
            begun, used = time.monotonic(), processor_seconds(target)
            rows = pipeline.ingest(target, [str(path)]).total("rows_loaded")
            found[name].append((rows / (time.monotonic() - begun), rows / (processor_seconds(target) - used)))
        pipeline.unload(full, [str(path)])
    found = {name: values[1:] for name, values in found.items()}
    for place, what in enumerate(("second", "processor second")):
        rate = {name: [value[place] for value in values] for name, values in found.items()}
        pairs = [full_ / empty_ for full_, empty_ in zip(rate["full"], rate["empty"], strict=True)]
        print(
            f"loading, rows a {what}: {statistics.median(rate['empty']):,.0f} into an empty table, "
            f"{statistics.median(rate['full']):,.0f} into the full one; pairs {', '.join(f'{p:.2f}' for p in pairs)}",
            flush=True,
        )
    return found


def processor_seconds(store: Store) -> float:
    """What this process and the server's finished sessions have used so far."""
    with store.engine.connect() as connection:
        session = psutil.Process(int(connection.exec_driver_sql("SELECT pg_backend_pid()").scalar_one()))
        postmaster = session.parent()
    assert postmaster is not None
    session.wait()
    used = postmaster.cpu_times()
    return time.process_time() + used.children_user + used.children_system


def fill(store: Store, rows: int, days: int, first: datetime = START) -> None:
    """Made-up rows, the same number on each day."""
    each = rows // days
    with store.engine.begin() as connection:
        last = first + timedelta(days=days) - timedelta(seconds=1)
        file = run(connection, "ledger", rows=each * days, first=first, last=last).scalar_one()
    for number in range(days):
        with store.engine.begin() as connection:
            day = first + timedelta(days=number)
            connection.exec_driver_sql(
                f"SELECT etl.ensure_partition('{day:%Y-%m-%d}'), setseed(0.{number + 1:02d})"
            )
            run(connection, "fill", rows=each, day=f"{day:%Y-%m-%d} 00:00:00+00", file=file)
    with store.loading() as connection:
        rollups.touch_all(connection)


def vacuum(store: Store, days: int) -> None:
    """Statistics and visibility as autovacuum would have made them, so that the indexes alone differ."""
    with store.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        for number in range(days):
            leaf = partitions.leaf(FIRST + timedelta(days=number))
            connection.exec_driver_sql(f"VACUUM (FREEZE, ANALYZE) zeek.{leaf}")
        connection.exec_driver_sql("VACUUM (ANALYZE) zeek.conn_hour")


def size(store: Store) -> str:
    """Table and indexes."""
    with store.engine.connect() as connection:
        return str(
            connection.exec_driver_sql(
                "SELECT pg_size_pretty(sum(pg_relation_size(relid))) || ' and indexes '"
                " || pg_size_pretty(sum(pg_indexes_size(relid))) FROM pg_partition_tree('zeek.conn') WHERE isleaf"
            ).scalar_one()
        )


# --- questions ----------------------------------------------------------------------------------------------


def ask_all(store: Store, days: int) -> dict[str, dict[str, Any]]:
    """Each question over one day (rollups and some others: the whole span; flows at two sensors: an hour)."""
    first = datetime.combine(FIRST, datetime.min.time(), UTC)
    day = first + timedelta(days=days // 2)
    asked = {name: (name, day, day + timedelta(days=1)) for name in cookbook.names()}
    asked["same_flow_at_two_sensors"] = ("same_flow_at_two_sensors", day, day + timedelta(hours=1))
    end = first + timedelta(days=days)
    asked |= {name: (name, first, end) for name in asked if cookbook.load(name).bound == "rollup"}
    asked |= {what: (name, first, end) for what, name in WHOLE_SPAN.items()}
    found = {}
    with store.session() as connection, ask.reading(connection, timedelta(hours=1)):
        span = {"since": day, "until": day + timedelta(days=1)}
        given = {
            "host": str(run(connection, "some_host", **span).scalar_one()),
            "uid": str(run(connection, "some_uid", rows=1000, **span).scalar_one()),
        }
        for what, (name, since, until) in asked.items():
            found[what] = asked_often(connection, cookbook.load(name), given, since, until)
    return found


def asked_often(
    connection: Connection,
    question: cookbook.Question,
    given: dict[str, str],
    since: datetime,
    until: datetime,
) -> dict[str, Any]:
    """One question as ``conn-etl query`` asks it: once to warm up, then five times, or fewer where it is slow."""
    known = {p.name for p in question.parameters if p.default is None}
    values = question.values({k: v for k, v in given.items() if k in known}, since, until)
    times: list[float] = []
    while len(times) < TIMES and sum(times) < PATIENCE:
        begun = time.monotonic()
        rows = sum(1 for _ in ask.ask(connection, question.sql, values, lines=question.lines(values)).rows)
        times.append(time.monotonic() - begun)
    clause = ask.bind(f"EXPLAIN (ANALYZE, BUFFERS, TIMING OFF, FORMAT JSON) {question.sql}", list(values))
    top = connection.execute(clause, values).scalar_one()[0]["Plan"]
    return {
        "ms": statistics.median(times[1:] or times) * 1000,
        "rows": rows,
        "buffers": top["Shared Hit Blocks"] + top["Shared Read Blocks"],
    }


def compare(
    without: dict[str, dict[str, Any]], sealed: dict[str, dict[str, Any]]
) -> dict[str, dict[str, Any]]:
    """Print one line a question."""
    print(f"{'question (warm)':<28}{'ms':>10}{'rows':>9}{'buffers':>10}{'no index ms':>13}{'ratio':>8}")
    for name, figure in sealed.items():
        figure["without_ms"] = without[name]["ms"]
        ratio = figure["without_ms"] / figure["ms"]
        print(
            f"{name:<28}{figure['ms']:>10.1f}{figure['rows']:>9,.0f}{figure['buffers']:>10,}"
            f"{figure['without_ms']:>13.1f}{ratio:>8.1f}",
            flush=True,
        )
    return sealed


# --- a day dropped beside a load ----------------------------------------------------------------------------


def drop_beside_a_load(store: Store, folder: Path, rows: int) -> dict[str, float]:
    """Drop a day while logs are loaded and questions asked; seconds that any of them waited for a lock."""
    stop = threading.Event()
    waits, slowest = [0.0], [0.0]
    workers = [
        threading.Thread(target=_load, args=(store, folder, rows, stop)),
        threading.Thread(target=_ask, args=(store, stop, slowest)),
        threading.Thread(target=_watch, args=(store, stop, waits)),
    ]
    for worker in workers:
        worker.start()
    time.sleep(3)
    keeper = Store.open(store.url.render_as_string(hide_password=False), Settings())
    begun = time.monotonic()
    maintenance.drop(keeper, {FIRST: "benchmark"})
    took = time.monotonic() - begun
    time.sleep(1)
    stop.set()
    for worker in workers:
        worker.join()
    print(
        f"a day dropped beside a load in {took:.1f} s; the longest wait for a lock {max(waits) * 1000:.0f} ms, "
        f"the slowest question {max(slowest) * 1000:.0f} ms",
        flush=True,
    )
    return {"seconds": took, "longest_wait": max(waits), "slowest_question": max(slowest)}


def _load(store: Store, folder: Path, rows: int, stop: threading.Event) -> None:
    number = 100
    while not stop.is_set():
        path = folder / f"conn.{number}.log.gz"
        write_conn_log(path, rows // 3, number, "json", start=datetime(2026, 3, 20, tzinfo=UTC))
        pipeline.ingest(store, [str(path)])
        number += 1


def _ask(store: Store, stop: threading.Event, slowest: list[float]) -> None:
    question = cookbook.load("host_timeline")
    since = datetime(2026, 3, 10, tzinfo=UTC)
    values = question.values({"host": "10.0.0.77"}, since, since + timedelta(days=1))
    with store.session() as connection:
        while not stop.is_set():
            begun = time.monotonic()
            with ask.reading(connection, timedelta(minutes=1)):
                list(ask.ask(connection, question.sql, values).rows)
            slowest.append(time.monotonic() - begun)


def _watch(store: Store, stop: threading.Event, waits: list[float]) -> None:
    """Who waits, other than the drop: its sessions are those that act as conn_owner."""
    with store.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        while not stop.is_set():
            waits.append(float(run(connection, "longest_wait").scalar_one()))
            time.sleep(0.01)


if __name__ == "__main__":
    main()

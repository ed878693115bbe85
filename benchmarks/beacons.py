"""Precision and recall of ``beacon_candidates``: ``python -m benchmarks.beacons [--rows 1000000]``.

Beacons with 30 % jitter are planted among random traffic of one day: each gap is the period times a number between 0.7
and 1.3, sizes vary by a tenth. The other pairs connect at random times with random sizes, some at one fixed size.
"""

from __future__ import annotations

import argparse
import random
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from etl import pipeline
from etl.database import embedded, schema
from etl.database.store import Store
from etl.query import ask, cookbook
from etl.settings import Settings

DAY = datetime(2026, 3, 1, tzinfo=UTC)
PERIODS = (60, 300, 600, 1_800, 3_600)
JITTER = 0.3
BEACONS = 100
HEAD = (
    "#separator \\x09\n#set_separator\t,\n#empty_field\t(empty)\n#unset_field\t-\n#path\tconn\n"
    "#fields\tts\tuid\tid.orig_h\tid.orig_p\tid.resp_h\tid.resp_p\tproto\torig_ip_bytes\n"
    "#types\ttime\tstring\taddr\tport\taddr\tport\tenum\tcount\n"
)


def beacon(number: int, chance: random.Random) -> Iterator[tuple[float, str, int]]:
    """Moments, originator and size of one beacon."""
    period, size, at = PERIODS[number % len(PERIODS)], chance.randint(200, 2_000), chance.random() * 600
    while at < 86_400:  # noqa: PLR2004  seconds of a day
        yield at, f"10.200.0.{number}", int(size * chance.uniform(0.95, 1.05))
        at += period * chance.uniform(1 - JITTER, 1 + JITTER)


def noise(rows: int, chance: random.Random) -> Iterator[tuple[float, str, int]]:
    """As many connections at random times, of pairs with 20 to some thousand of them."""
    pair = 0
    while rows > 0:
        pair += 1
        count = min(rows, int(20 * chance.paretovariate(0.8)))
        rows -= count
        fixed = chance.randint(100, 2_000) if pair % 5 == 0 else None
        for _ in range(count):
            size = fixed or int(chance.lognormvariate(6, 1))
            yield chance.random() * 86_400, f"10.{pair >> 16}.{pair >> 8 & 255}.{pair & 255}", size


def log(rows: int, seed: int) -> str:
    """A conn log of both."""
    chance = random.Random(seed)
    made = [row for number in range(BEACONS) for row in beacon(number, chance)]
    made += noise(rows - len(made), chance)
    lines = (
        f"{DAY.timestamp() + at:.6f}\tC{n}\t{host}\t50000\t203.0.113.9\t443\ttcp\t{size}\n"
        for n, (at, host, size) in enumerate(made)
    )
    return HEAD + "".join(lines)


def main() -> None:
    """Load the log into a server of its own, ask, and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="conn-etl-") as folder:
        home = Path(folder)
        home.chmod(0o755)
        path = home / "conn.log"
        path.write_text(log(given.rows, given.seed), encoding="ascii")
        try:
            store = Store.open(embedded.start(home / "server"), Settings())
            schema.migrate(store.engine)
            pipeline.ingest(store, [str(path)])
            measure(store)
        finally:
            embedded.stop(home / "server")


def measure(store: Store) -> None:
    """Ask for the day and print precision, recall and seconds."""
    question = cookbook.load("beacon_candidates")
    values = question.values({"most": "100000"}, DAY, DAY + timedelta(days=1))
    began = time.perf_counter()
    with store.session() as connection, ask.reading(connection, timedelta(minutes=5)):
        found = [
            str(row[0]).startswith("10.200.0.") for row in ask.ask(connection, question.sql, values).rows
        ]
    seconds = time.perf_counter() - began
    right = sum(found)
    print(
        f"{BEACONS} beacons with {JITTER:.0%} jitter: precision {right / max(1, len(found)):.3f}, "
        f"recall {right / BEACONS:.3f}, {seconds:.1f} s"
    )


if __name__ == "__main__":
    main()

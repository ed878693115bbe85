"""``python -m tests.fuzz.run --inputs 1000000 --files 20000 --seed 1 --resume FILE``: damaged logs by the million.

An input is a damaged line of a log (with whole ones around it, which must load) or a damaged file. Chunk number N of a
seed is always the same; figures add up over runs with ``--resume``. What fails is kept beside the resume file.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import random
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

from etl.models import ReadOptions

os.environ.setdefault("POLARS_MAX_THREADS", "1")

LINES = 200
"""Damaged lines of one log."""
CHUNK = 5
"""Logs of one chunk."""
FILES = 3
"""Damaged files for each of them."""
BLOCK = ReadOptions().block_rows
BLOCKS = (7, *(100,) * 6, *(BLOCK,) * 13)
"""Rows of a block: small ones cost most, and one in twenty shows what the edges of blocks do."""
HANG = 30
"""Processor seconds after which one input counts as a hang."""


@dataclass(kw_only=True, slots=True)
class Figures:
    """What the resume file holds."""

    seed: int
    chunks: int = 0
    inputs: int = 0
    seconds: float = 0.0
    counts: dict[str, int] = field(default_factory=dict)
    whole_path: dict[str, int] = field(default_factory=dict)
    batches: int = 0
    failures: list[str] = field(default_factory=list)

    def add(self, counts: Counter[str]) -> None:
        """Counts of one chunk."""
        self.counts = dict(Counter(self.counts) + counts)
        self.inputs = (
            self.counts.get("damaged lines", 0)
            + self.counts.get("damaged files", 0)
            + self.counts.get("files of the new kinds", 0)
        )

    def report(self) -> str:
        """All of it in words."""
        lines = [f"seed {self.seed}, {self.inputs:,} inputs in {self.chunks:,} chunks, {self.seconds:.0f} s"]
        lines += [f"  {number:12,d}  {name}" for name, number in sorted(self.counts.items())]
        lines += [f"whole path: {self.batches} batches"]
        lines += [f"  {number:12,d}  {name}" for name, number in sorted(self.whole_path.items())]
        lines += [
            f"{len(self.failures)} inputs broke something",
            *(f"WRONG {what}" for what in self.failures),
        ]
        return "\n".join(lines)


def chunk(job: tuple[int, int]) -> tuple[int, Counter[str], list[tuple[str, bytes]]]:
    """All inputs of one chunk: its number, counts, and (what, bytes) of those that broke something."""
    from tests.fuzz import mutate
    from tests.fuzz.invariants import check

    seed, number = job
    rng = random.Random(f"{seed}/{number}")
    counts: Counter[str] = Counter()
    broken: list[tuple[str, bytes]] = []

    def attempt(data: bytes, kind: str, weight: int, **options: object) -> None:
        signal.setitimer(signal.ITIMER_PROF, HANG)
        try:
            counts.update(check(data, **options))  # type: ignore[arg-type]
        except Exception as error:
            broken.append((f"chunk {number}: {type(error).__name__}: {str(error)[:300]}", data))
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
        counts[kind] += weight

    for _ in range(CHUNK):
        log = mutate.lines(rng, LINES)
        attempt(log.data, "damaged lines", log.damaged, whole=log.whole, block_rows=rng.choice(BLOCKS))
        for _ in range(FILES):
            attempt(
                mutate.whole_file(rng),
                "damaged files",
                1,
                packed=True,
                block_rows=rng.choice((1, 5, BLOCK)),
            )
        for _ in range(FILES):
            attempt(
                mutate.new_kind(rng),
                "files of the new kinds",
                1,
                packed=True,
                block_rows=rng.choice((1, 5, BLOCK)),
            )
    return number, counts, broken


def _hang(*_: object) -> None:
    raise TimeoutError(f"more than {HANG} s")


def _ready() -> None:
    signal.signal(signal.SIGPROF, _hang)
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def main() -> int:
    """Run chunks, then batches of files through the whole path."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--inputs", type=int, default=1_000_000)
    parser.add_argument("--files", type=int, default=20_000, help="through the whole path")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="stop each part after this time")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--resume", type=Path, help="figures are kept here and added to")
    chosen = parser.parse_args()
    figures = _resumed(chosen.resume, chosen.seed)
    kept = (chosen.resume or Path("fuzz")).with_suffix(".failures")
    before, begin = figures.seconds, time.monotonic()
    with multiprocessing.get_context("spawn").Pool(chosen.processes, _ready) as pool:
        for number, counts, broken in pool.imap(chunk, _jobs(figures, chosen.inputs, begin + chosen.seconds)):
            figures.chunks = number + 1
            figures.add(counts)
            for what, data in broken:
                figures.failures.append(_keep(kept, what, data, len(figures.failures)))
            figures.seconds = before + time.monotonic() - begin
            _save(chosen.resume, figures)
            if number % 50 == 0:
                print(
                    f"{figures.inputs:,} inputs, {figures.seconds:.0f} s, {len(figures.failures)} broke something",
                    flush=True,
                )
            if figures.inputs >= chosen.inputs:
                break
    if chosen.files:
        from tests.fuzz import whole_path

        before, begin = figures.seconds, time.monotonic()
        for counts, broken in whole_path.batches(figures.seed, figures.batches):
            if (
                figures.whole_path.get("files", 0) >= chosen.files
                or time.monotonic() - begin > chosen.seconds
            ):
                break
            figures.batches += 1
            figures.whole_path = dict(Counter(figures.whole_path) + counts)
            figures.failures += broken
            figures.seconds = before + time.monotonic() - begin
            _save(chosen.resume, figures)
            print(f"whole path: {figures.whole_path}", flush=True)
    print(figures.report(), flush=True)
    return 1 if figures.failures else 0


def _jobs(figures: Figures, wanted: int, deadline: float) -> Iterator[tuple[int, int]]:
    of_chunk = CHUNK * (LINES + 2 * FILES)
    number = figures.chunks
    while number * of_chunk < wanted and time.monotonic() < deadline:
        yield figures.seed, number
        number += 1


def _resumed(file: Path | None, seed: int) -> Figures:
    return (
        Figures(**json.loads(file.read_text())) if file is not None and file.exists() else Figures(seed=seed)
    )


def _save(file: Path | None, figures: Figures) -> None:
    if file is not None:
        half = file.with_suffix(".half")
        half.write_text(json.dumps(asdict(figures), indent=1))
        half.replace(file)


def _keep(folder: Path, what: str, data: bytes, number: int) -> str:
    folder.mkdir(exist_ok=True)
    (folder / f"{number}.log").write_bytes(data)
    return f"{what} ({folder / f'{number}.log'})"


if __name__ == "__main__":
    sys.exit(main())

"""``python -m tests.chaos.run --kills 200 --seed 1 --resume FILE``: break loads for real, and check after each.

Trial number N of a seed is always the same kind with the same draws; with ``--resume`` the figures add up over runs.
Exit code 1 when any trial lost a row, had one twice, or left something behind.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from tests.chaos import logs, processes
from tests.chaos.kinds import KINDS, LENGTHS, ON_A_LINK, ON_SMALL_DISK, WITH_FAKETIME, migrate
from tests.chaos.stage import FAKETIME, NOTHING, OVER, Server, Trial, server, small_server
from tests.chaos.workers import workers

SMALL_DISK = 300
NOT_COUNTED = frozenset({NOTHING, OVER, "server away"})


@dataclass(kw_only=True, slots=True)
class Tally:
    """Figures so far; what the resume file holds."""

    seed: int
    done: int = 0
    seconds: float = 0.0
    kills: dict[str, dict[str, int]] = field(default_factory=dict)
    missed: int = 0
    rows: int = 0
    failures: list[str] = field(default_factory=list)

    @property
    def count(self) -> int:
        """Kills that hit something at or after the first COPY, or a migration."""
        return sum(
            n for steps in self.kills.values() for step, n in steps.items() if not step.startswith("5 ")
        )

    def take(self, result: dict[str, Any], rows: int) -> None:
        """Add a trial."""
        number, kind, step, wrong = (result[name] for name in ("number", "kind", "step", "wrong"))
        self.done += 1
        self.rows += rows
        if wrong:
            self.failures.append(f"trial {number} ({kind}, {step}): {wrong}")
        if step in NOT_COUNTED:
            self.missed += 1
        else:
            steps = self.kills.setdefault(kind, {})
            steps[step] = steps.get(step, 0) + 1

    def wrong(self, word: str) -> int:
        """How many trials found this to be wrong."""
        return sum(word in failure for failure in self.failures)

    def report(self) -> str:
        """The figures by kind and by step."""
        steps: Counter[str] = Counter()
        lines = [
            (
                f"seed {self.seed}, {self.done} trials, {self.count} kills that count, "
                f"{self.missed} that hit nothing, {self.seconds:.0f} s"
            )
        ]
        for kind, hit in sorted(self.kills.items()):
            steps.update(hit)
            lines.append(f"  {sum(hit.values()):5d}  {kind}")
        lines.append("by step:")
        lines += [
            f"  {n:5d}  {step}{'   (does not count)' if step.startswith('5 ') else ''}"
            for step, n in sorted(steps.items())
        ]
        lines.append(
            f"{self.rows:,} rows checked one by one: {self.wrong('lost')} trials with a row lost or changed, "
            f"{self.wrong('twice')} with one twice, {self.wrong('wrong bytes')} with wrong bytes in quarantine; "
            f"{len(self.failures)} trials found something wrong"
        )
        return "\n".join([*lines, *(f"WRONG {failure}" for failure in self.failures)])


def main() -> int:
    """Run trials until enough kills counted, or time is up."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=float("inf"), help="stop after this time")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rows", type=int, default=2_000)
    parser.add_argument("--workers", type=int, default=3, help="each with servers of its own")
    parser.add_argument("--resume", type=Path, help="figures are kept here and added to")
    parser.add_argument("--kind", choices=sorted(KINDS), help="only this one")
    chosen = parser.parse_args()
    tally = _resumed(chosen.resume, chosen.seed)
    begin, before = time.monotonic(), tally.seconds
    processes.warm()
    with workers(
        chosen.workers, partial(_work, seed=tally.seed, rows=chosen.rows, kind=chosen.kind)
    ) as started:
        number = tally.done
        for _ in range(chosen.workers):
            started.take(number := number + 1)
        for result in started.results():
            tally.take(result, chosen.rows)
            tally.seconds = before + time.monotonic() - begin
            _keep(tally, chosen.resume)
            if tally.count < chosen.kills and time.monotonic() - begin < chosen.seconds:
                started.take(number := number + 1)
            else:
                started.no_more()
    print(tally.report(), flush=True)
    return 1 if tally.failures or started.failed else 0


def _keep(tally: Tally, file: Path | None) -> None:
    if file is not None:
        half = file.with_suffix(".half")
        half.write_text(json.dumps(asdict(tally), indent=1))
        half.replace(file)


def _work(numbers: Iterator[int], *, seed: int, rows: int, kind: str | None) -> Iterator[dict[str, Any]]:
    """What one worker does: the trials of these numbers, on servers of its own."""
    with ExitStack() as stack:
        big = stack.enter_context(server())
        small = stack.enter_context(small_server(SMALL_DISK))
        _measure(big, rows)
        left_out = _impossible(big, small)
        names = [kind] if kind else [name for name in _order() if name not in left_out]
        for number in numbers:
            yield _trial(number, seed, names, big, small, rows)


def _resumed(file: Path | None, seed: int) -> Tally:
    if file is not None and file.exists():
        return Tally(**json.loads(file.read_text()))
    return Tally(seed=seed)


def _order() -> list[str]:
    return [name for name, (_, share) in KINDS.items() for _ in range(share)]


def _impossible(big: Server, small: Server | None) -> set[str]:
    """Kinds that this machine does not allow; each is said."""
    without = {
        "no file system can be mounted here": ON_SMALL_DISK if small is None else (),
        "no network namespace can be made here": ON_A_LINK if big.link is None else (),
        "libfaketime is not installed": WITH_FAKETIME if FAKETIME is None else (),
    }
    for why, names in without.items():
        for name in names:
            print(f"{name} is left out: {why}", flush=True)
    return {name for names in without.values() for name in names}


def _measure(big: Server, rows: int) -> None:
    """How long clean work takes on this machine now."""
    scratch, trial = _stage(big, random.Random(0), rows, "measure")
    for name, arguments in (
        ("ingest", ["ingest", *map(str, trial.paths)]),
        ("unload", ["unload", str(trial.paths[0])]),
        ("replace", ["ingest", *map(str, trial.paths), "--replace"]),
    ):
        start = time.monotonic()
        if code := (process := trial.run(*arguments)).wait():
            raise SystemExit(f"a clean {name} ended with {code}: {process.said()}")
        setattr(LENGTHS, name, time.monotonic() - start)
    LENGTHS.step = LENGTHS.ingest / 3
    if wrong := trial.check():
        raise SystemExit(f"a clean load is wrong already: {wrong}")
    _clear(trial, scratch)
    print(f"clean: {LENGTHS}", flush=True)


def _stage(where: Server, rng: random.Random, rows: int, name: str) -> tuple[Path, Trial]:
    where.start()
    scratch = Path(tempfile.mkdtemp(prefix="chaos-logs-"))
    database = f"chaos_{name}"
    where.execute(
        "postgres",
        f"DROP DATABASE IF EXISTS {database} WITH (FORCE)",
        f"CREATE DATABASE {database} TEMPLATE chaos_template",
    )
    return scratch, Trial(
        server=where, scratch=scratch, database=database, paths=logs.make(scratch / "logs", rng, rows)
    )


def _clear(trial: Trial, scratch: Path) -> None:
    trial.server.execute("postgres", f"DROP DATABASE IF EXISTS {trial.database} WITH (FORCE)")
    shutil.rmtree(scratch)


def _trial(
    number: int, seed: int, names: list[str], big: Server, small: Server | None, rows: int
) -> dict[str, Any]:
    """One trial: its number, kind, the step that was hit, and what is wrong (None: nothing)."""
    rng = random.Random(f"{seed}/{number}")
    # a fixed shuffle: any stretch of trials has all kinds in their shares
    kind = random.Random(f"{seed}/{number // len(names)}").sample(names, len(names))[number % len(names)]
    where = small if kind in ON_SMALL_DISK and small is not None else big
    scratch, trial = _stage(where, rng, rows, f"t{number}")
    step, begin = NOTHING, time.monotonic()
    try:
        step = KINDS[kind][0](trial, rng)
        wrong = _mend(trial)
    except Exception as error:
        wrong = f"{type(error).__name__}: {error}"
    seconds = time.monotonic() - begin
    print(f"{number:5d}  {seconds:5.1f} s  {kind:28s} {step:40s} {wrong or 'all there, once'}", flush=True)
    if not wrong:
        _clear(trial, scratch)
    return {
        "number": number,
        "kind": kind,
        "step": step,
        "wrong": wrong and wrong[:1500].encode("ascii", "replace").decode(),
    }


def _mend(trial: Trial) -> str | None:
    """The next run, as somebody would start it, and a look at what is there then."""
    trial.server.start()
    if trial.migrate:
        migrate(trial)
    options = [[], ["--retry"] * trial.retry, ["--replace"] * trial.redo]
    runs = [
        ["ingest", *map(str, trial.paths), *more] for more in options[:1] + [one for one in options if one]
    ]
    if trial.replay:
        runs.append(["quarantine", "replay", "--all", "--why", "chaos"])
    for arguments in runs:
        process = trial.run(*arguments, "--json")
        code = process.wait()
        if code and not (code == 2 and "no open line" in process.said()):
            return f"the next run ended with {code}: {process.said()[-1500:]}"
    return trial.check()


if __name__ == "__main__":
    sys.exit(main())

"""What can go wrong, one function a kind: it breaks a load at a moment, and says which step that was.

Each takes a Trial and a random generator, and returns the step that was hit (OVER or NOTHING: none, so it does not
count). What it leaves behind is for the next run to mend; ``run.py`` starts that one and checks.
Long since it is a table: a function for each kind, and at the end their shares of the trials.
"""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psycopg2

from etl import pipeline
from etl.database import engine, schema
from etl.database.store import Store
from etl.settings import Settings
from tests.chaos import logs
from tests.chaos.processes import ROOT, Process, forked, fresh
from tests.chaos.stage import FAKETIME, NOTHING, OVER, Trial

Kind = Callable[[Trial, random.Random], str]


@dataclass(kw_only=True, slots=True)
class Lengths:
    """How long clean work takes, measured as it goes: kills are spread over it."""

    ingest: float = 1.0
    replace: float = 1.0
    unload: float = 0.3
    migrate: float = 0.6
    step: float = 0.5


LENGTHS = Lengths()


def _at(trial: Trial, process: Process, rng: random.Random, work: str = "ingest", times: float = 1.0) -> str:
    """Let it run up to a moment of the length of this work, and say what it is at.

    The length follows what is seen: a machine that others use too is not equally fast all the time.
    """
    length = getattr(LENGTHS, work)
    # moments count from the first session on: before that there is nothing to hit; a migration has none for long
    if work != "migrate":
        trial.until(process, lambda step: step != NOTHING)
    deadline = time.monotonic() + rng.uniform(0, 1) * length * times
    while time.monotonic() < deadline and not process.ended():
        time.sleep(0.002)
    step = OVER if process.ended() else trial.step()
    setattr(LENGTHS, work, max(0.1, length * (0.75 if step == OVER else 1.06)))
    return step


def kill_command(trial: Trial, rng: random.Random) -> str:
    """SIGKILL to the process group of ``conn-etl ingest``."""
    process = trial.ingest()
    step = _at(trial, process, rng)
    process.kill()
    process.wait()
    return step


def kill_fresh_interpreter(trial: Trial, rng: random.Random) -> str:
    """The same in an interpreter of its own, imports and all, at a step chosen beforehand."""
    process = fresh(["ingest", *map(str, trial.paths)], trial.environment, trial.out())
    wanted = rng.choice("2231145")
    step = trial.until(process, lambda step: step.startswith(wanted))
    time.sleep(rng.uniform(0, 0.05))
    process.kill()
    process.wait()
    return step


def interrupt_command(trial: Trial, rng: random.Random) -> str:
    """Ctrl-C, or SIGTERM: Airflow's, a supervisor's."""
    process = trial.ingest()
    step = _at(trial, process, rng)
    process.kill(rng.choice([signal.SIGINT, signal.SIGTERM]))
    with contextlib.suppress(TimeoutError):
        process.wait(20)
    process.kill()
    process.wait()
    return step


def _crowd(trial: Trial, rng: random.Random, size: int) -> str:
    crowd = [trial.ingest() for _ in range(size)]
    step = _at(trial, crowd[0], rng, times=1 + size / 4)
    for process in crowd[: max(1, size // 2)]:
        process.kill()
        process.wait()
    for process in crowd[max(1, size // 2) :]:
        if code := process.wait():
            raise AssertionError(f"a survivor ended with {code}: {process.said()[-1500:]}")
    return step


def kill_one_of_two(trial: Trial, rng: random.Random) -> str:
    """Two on the same files, one is killed, the other has to bring all of it home."""
    return _crowd(trial, rng, 2)


def kill_four_of_eight(trial: Trial, rng: random.Random) -> str:
    """Eight on the same files, four are killed at one moment."""
    return _crowd(trial, rng, 8)


def wake_a_zombie(trial: Trial, rng: random.Random) -> str:
    """A stopped process, another one that does the same work meanwhile, and the first wakes up."""
    zombie = trial.ingest()
    step = _at(trial, zombie, rng)
    zombie.kill(signal.SIGSTOP)
    other = trial.ingest()
    time.sleep(rng.uniform(0, LENGTHS.ingest))
    zombie.kill(signal.SIGCONT)
    for process in (zombie, other):
        if code := process.wait():
            raise AssertionError(f"ended with {code}: {process.said()[-1500:]}")
    return step


def cut_connections(trial: Trial, rng: random.Random) -> str:
    """pg_terminate_backend on all its sessions: it has to get over that by itself."""
    process = trial.ingest()
    step = _at(trial, process, rng)
    trial.server.execute(
        "postgres",
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        f"WHERE datname = '{trial.database}' AND application_name LIKE 'conn-etl%'",
    )
    code = process.wait()
    if code not in (0, 2) or "Traceback" in process.said():
        raise AssertionError(f"ended with {code}: {process.said()[-1500:]}")
    return step


def _kill_server(trial: Trial, rng: random.Random, mark: str) -> str:
    process = trial.ingest()
    step = trial.until(process, lambda step: step.startswith(mark))
    if step != OVER:
        time.sleep(rng.uniform(0, 0.1))
        trial.server.kill()
        if rng.random() < 0.3:
            process.kill()
        trial.server.start()
    code = process.wait()
    if code not in (0, 2, -signal.SIGKILL) or "Traceback" in process.said():
        raise AssertionError(f"ended with {code}: {process.said()[-1500:]}")
    return step


def kill_server_in_copy(trial: Trial, rng: random.Random) -> str:
    """SIGKILL of PostgreSQL while rows stream into staging; sometimes of both."""
    return _kill_server(trial, rng, "2")


def kill_server_in_gate(trial: Trial, rng: random.Random) -> str:
    """SIGKILL of PostgreSQL while Great Expectations reads."""
    return _kill_server(trial, rng, "3")


def kill_server_in_publish(trial: Trial, rng: random.Random) -> str:
    """SIGKILL of PostgreSQL in the publish transaction."""
    return _kill_server(trial, rng, "1")


def _empty(trial: Trial) -> None:
    trial.server.execute("postgres", f"DROP DATABASE {trial.database}", f"CREATE DATABASE {trial.database}")
    trial.migrate = True


def kill_migration(trial: Trial, rng: random.Random) -> str:
    """SIGKILL of ``conn-etl migrate`` on an empty database."""
    _empty(trial)
    process = trial.run("migrate")
    step = _at(trial, process, rng, "migrate")
    process.kill()
    process.wait()
    return step if step in (OVER, NOTHING) else "6 migrate"


def kill_server_in_migration(trial: Trial, rng: random.Random) -> str:
    """SIGKILL of PostgreSQL while it migrates."""
    _empty(trial)
    process = trial.run("migrate")
    step = _at(trial, process, rng, "migrate")
    trial.server.kill()
    trial.server.start()
    process.wait()
    return step if step in (OVER, NOTHING) else "6 migrate"


def fill_the_disk(trial: Trial, rng: random.Random) -> str:
    """No room left on the server's file system, at a random number of free bytes."""
    ballast = trial.server.home / "ballast"
    trial.more = {"CONN_ETL_DISK_FACTOR": "0", "CONN_ETL_ATTEMPTS": "1"}
    try:
        free = shutil.disk_usage(trial.server.home).free
        with ballast.open("wb") as file:
            with contextlib.suppress(OSError):
                os.posix_fallocate(file.fileno(), 0, max(1, free - rng.randrange(0, 12 << 20)))
        process = trial.ingest()
        step = "5 discover, claim, run"
        while not process.ended():
            step = now if (now := trial.step()) not in {NOTHING, OVER} else step
        code = process.wait()
        if code not in (0, 2) or "Traceback" in process.said():
            raise AssertionError(f"ended with {code}: {process.said()[-1500:]}")
    finally:
        ballast.unlink(missing_ok=True)
        trial.more = {}
        trial.server.kill()  # a full disk may have ended it, or left it half alive
        trial.server.start()
    return OVER if code == 0 else step


def step_the_clock_back(trial: Trial, rng: random.Random) -> str:
    """The process's clock runs hours behind, it is killed, and goes on with the right time (or the other way round)."""
    if not (prefix := [shutil.which("faketime") or "", "-f", f"-{rng.randint(1, 72)}h"])[0]:
        return NOTHING
    arguments = ["ingest", *map(str, trial.paths)]
    process = fresh(arguments, trial.environment, trial.out(), prefix if rng.random() < 0.5 else [])
    wanted = rng.choice("231")
    step = trial.until(process, lambda step: step.startswith(wanted))
    process.kill()
    process.wait()
    back = fresh(arguments, trial.environment, trial.out(), prefix)
    if code := back.wait():
        raise AssertionError(f"ended with {code}: {back.said()[-1500:]}")
    return step


def _loaded(trial: Trial) -> None:
    if code := (process := trial.ingest()).wait():
        raise AssertionError(f"the clean load ended with {code}: {process.said()[-1500:]}")


def kill_replace(trial: Trial, rng: random.Random) -> str:
    """SIGKILL while loaded files are loaded again: readers must find all rows at each moment."""
    _loaded(trial)
    process = trial.run("ingest", *map(str, trial.paths), "--replace")
    step = _at(trial, process, rng, "replace")
    process.kill()
    process.wait()
    if wrong := trial.check_rows():
        raise AssertionError(f"right after the kill: {wrong}")
    return step


def kill_unload(trial: Trial, rng: random.Random) -> str:
    """SIGKILL while a file is taken back whose rows others hold too."""
    _loaded(trial)
    process = trial.run("unload", str(rng.choice(trial.paths[:4])))
    step = _at(trial, process, rng, "unload")
    process.kill()
    process.wait()
    trial.redo = True
    return step


def _step(name: str, store: Store, batch: int) -> None:
    getattr(pipeline, name)(store, batch)


def _kill_step(trial: Trial, rng: random.Random, victim: str) -> str:
    """One step of a DAG run dies; then that step alone is tried again, as Airflow does, and the rest follows."""
    store = Store.open(trial.url, Settings())
    run = f"scheduled-{trial.database}"
    pipeline.begin(store, run, "dag", {})
    batches = pipeline.discover(store, run, [str(trial.paths[0].parent)])
    seen = NOTHING
    for batch in batches:
        for name in ("stage", "validate", "publish"):
            for attempt in range(3):
                process = forked(lambda: _step(name, store, batch), trial.environment, trial.out())  # noqa: B023
                if name == victim and attempt == 0:
                    seen = _strike(trial, process, rng)
                if process.wait() == 0:
                    break
            else:
                raise AssertionError(f"{name} did not succeed: {process.said()[-1500:]}")
    pipeline.end(store, run)
    store.engine.dispose()
    return seen


def _strike(trial: Trial, process: Process, rng: random.Random) -> str:
    """Kill a step's process, its connections, or the server under it."""
    step = _at(trial, process, rng, "step")
    match rng.choice(["process", "connections", "server"]):
        case "process":
            process.kill()
        case "connections":
            with contextlib.suppress(psycopg2.Error):
                trial.server.execute(
                    "postgres",
                    f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{trial.database}'",
                )
        case _:
            trial.server.kill()
            trial.server.start()
    return step


def kill_stage_task(trial: Trial, rng: random.Random) -> str:
    """``stage`` dies and is tried again alone."""
    return _kill_step(trial, rng, "stage")


def kill_validate_task(trial: Trial, rng: random.Random) -> str:
    """``validate`` dies and is tried again alone."""
    return _kill_step(trial, rng, "validate")


def kill_publish_task(trial: Trial, rng: random.Random) -> str:
    """``publish`` dies and is tried again alone."""
    return _kill_step(trial, rng, "publish")


def replace_a_path(trial: Trial, rng: random.Random) -> str:
    """At some step a path holds other bytes: the same rows in another order, so that each line number is another row.

    Sometimes with the size and the time of the bytes before, so that only a digest tells them apart; sometimes the
    process is killed too.
    """
    path = rng.choice([path for path in trial.paths if path.stat().st_size > 1_000])
    trial.remember(path)
    process = trial.ingest()
    step = _at(trial, process, rng)
    _other_bytes(trial, path, rng)
    if rng.random() < 0.3:
        process.kill()
    if (code := process.wait()) not in (0, 1, -signal.SIGKILL) or "Traceback" in process.said():
        raise AssertionError(f"ended with {code}: {process.said()[-1500:]}")
    return step


def replace_between_steps(trial: Trial, rng: random.Random) -> str:
    """A path holds other bytes from one step of a DAG run to the next, or before a replay; the step after may die.

    Before a replay some rows are in quarantine that the settings let pass now: the replay has to bring those that were
    read, and not those that stand on lines of these numbers now.
    """
    moment = rng.choice(["stage", "validate", "publish", "replay"])
    path = rng.choice([path for path in trial.paths if path.stat().st_size > 1_000])
    trial.remember(path)
    bad = {"earliest": "2026-03-01T08:04:00Z", "error_budget_share": 1.0} if moment == "replay" else {}
    store = Store.open(trial.url, Settings.model_validate(bad))
    run = f"scheduled-{trial.database}"
    pipeline.begin(store, run, "dag", {})
    for batch in pipeline.discover(store, run, [str(trial.paths[0].parent)]):
        for name in ("stage", "validate", "publish"):
            if name == moment:
                _other_bytes(trial, path, rng)
            _until_done(trial, rng, name, store, batch, dies=name == moment and rng.random() < 0.5)
    pipeline.end(store, run)
    store.engine.dispose()
    if moment == "replay":
        _other_bytes(trial, path, rng)
        trial.replay = True
        process = trial.run("quarantine", "replay", "--all", "--why", "chaos")
        if rng.random() < 0.5:
            _at(trial, process, rng)
            process.kill()
        elif code := process.wait():
            raise AssertionError(f"the replay ended with {code}: {process.said()[-1500:]}")
        process.wait()
    number = {"stage": 2, "validate": 3, "publish": 1, "replay": 1}[moment]
    return f"{number} {moment}: path replaced before it"


def _until_done(trial: Trial, rng: random.Random, name: str, store: Store, batch: int, *, dies: bool) -> None:
    """One step, tried again as Airflow does; ``dies``: the first attempt is killed."""
    for _ in range(3):
        process = forked(lambda: _step(name, store, batch), trial.environment, trial.out())
        if dies:
            _at(trial, process, rng, "step")
            process.kill()
            dies = False
        if process.wait() == 0:
            return
    raise AssertionError(f"{name} did not succeed: {process.said()[-1500:]}")


def _other_bytes(trial: Trial, path: Path, rng: random.Random) -> None:
    """Put the same rows in another order into the path; sometimes with size and time as before."""
    before = path.stat()
    head, lines, end = logs.split(logs.content(path))
    rng.shuffle(lines)
    half = path.with_suffix(".half")
    half.write_bytes(logs.packed(path, b"".join([*head, *lines, *end])))
    if rng.random() < 0.5:
        os.utime(half, ns=(before.st_atime_ns, before.st_mtime_ns))
    half.replace(path)
    trial.remember(path)


def cut_the_link(trial: Trial, rng: random.Random) -> str:
    """The cable is pulled, without a FIN: the client is gone for good, or for some seconds.

    Where it is gone, the next run (which comes from the server's machine) has to get the batch all the same.
    """
    if (link := trial.server.link) is None:
        return NOTHING
    link.join()
    process = trial.ingest_by_link()
    try:
        step = _at(trial, process, rng)
        link.cut()
        if rng.random() < 0.5:
            process.kill()
        else:
            time.sleep(rng.uniform(0, 6))
            link.join()
        if (code := process.wait()) not in (0, 2, -signal.SIGKILL) or "Traceback" in process.said():
            raise AssertionError(f"ended with {code}: {process.said()[-1500:]}")
    finally:
        process.kill()
    return step


def wrong_clock_of_the_server(trial: Trial, rng: random.Random) -> str:
    """The server's clock is days, or more than a year, from the right one; then it is right again.

    Rows that seem to come from the future go to quarantine, and with ``--retry`` they are loaded once it is right.
    """
    if FAKETIME is None:
        return NOTHING
    hours = rng.choice([rng.randint(-120, 120), rng.randint(-12_000, -9_600), rng.randint(5_000, 20_000)])
    trial.server.kill()
    trial.server.start(f"{hours:+d}h")
    try:
        process = trial.ingest()
        step = _at(trial, process, rng)
        match rng.choice(["process", "server", "nothing"]):
            case "process":
                process.kill()
            case "server":
                trial.server.kill()
                trial.server.start(f"{hours:+d}h" if rng.random() < 0.5 else None)
        if (code := process.wait()) not in (0, 1, 2, -signal.SIGKILL) or "Traceback" in process.said():
            raise AssertionError(f"ended with {code}: {process.said()[-1500:]}")
    finally:
        trial.server.kill()
        trial.server.start()
    trial.retry = True
    return step


def lose_the_answer_to_commit(trial: Trial, rng: random.Random) -> str:
    """The server commits, and the client is cut off instead of being told; it has to find out by itself."""
    folder = trial.scratch / "proxy"
    folder.mkdir()
    number = rng.randint(1, 24)
    call = [sys.executable, "-m", "tests.chaos.proxy", str(folder), str(trial.server.socket()), str(number)]
    with subprocess.Popen(call, cwd=ROOT) as proxy:
        try:
            while not (folder / ".s.PGSQL.5432").exists():
                time.sleep(0.01)
            trial.more = {"CONN_ETL_DATABASE_URL": trial.url_through(folder)}
            process = trial.ingest()
            code = process.wait()
            if code not in (0, 2) or "Traceback" in process.said():
                raise AssertionError(f"ended with {code}: {process.said()[-1500:]}")
        finally:
            trial.more = {}
            proxy.kill()
    if wrong := trial.check_rows() if code == 0 else None:
        raise AssertionError(f"it said that all is loaded: {wrong}")
    if not (folder / "hit").exists():
        return OVER
    return "4 COMMIT" if code == 0 else "4 COMMIT, given up"


def leave_staging_to_a_reader(trial: Trial, rng: random.Random) -> str:
    """A killed load leaves staging behind, and somebody reads it for long, as a dump does: loads go on all the same."""
    process = trial.ingest()
    step = trial.until(process, lambda step: step.startswith(("2", "3")))
    time.sleep(rng.uniform(0, 0.05))
    process.kill()
    process.wait()
    reader = psycopg2.connect(trial.url)
    try:
        with reader.cursor() as cursor:
            cursor.execute("SELECT relname FROM pg_class WHERE relname ~ '^stage_' AND relkind = 'r'")
            for (name,) in cursor.fetchall():
                cursor.execute(f"LOCK TABLE etl.{name} IN ACCESS SHARE MODE")
        begin = time.monotonic()
        if code := (again := trial.ingest()).wait():
            raise AssertionError(f"beside the reader it ended with {code}: {again.said()[-1500:]}")
        if (seconds := time.monotonic() - begin) > 10 * LENGTHS.ingest + 10:
            raise AssertionError(f"it waited for the reader: {seconds:.0f} s")
        if wrong := trial.check_rows():
            raise AssertionError(f"beside the reader: {wrong}")
    finally:
        reader.close()
    return step


def migrate(trial: Trial) -> None:
    """Bring the trial's database to the newest schema: nothing to do, but after a migration that died."""
    target = engine.connect_engine(engine.parse_url(trial.url), Settings())
    schema.migrate(target)
    target.dispose()


KINDS: dict[str, tuple[Kind, int]] = {
    # name → how, and its share of the trials
    "SIGKILL of the command": (kill_command, 10),
    "SIGKILL, fresh interpreter": (kill_fresh_interpreter, 2),
    "SIGINT or SIGTERM": (interrupt_command, 2),
    "one of two killed": (kill_one_of_two, 3),
    "four of eight killed": (kill_four_of_eight, 2),
    "zombie wakes up": (wake_a_zombie, 2),
    "connections cut": (cut_connections, 3),
    "server killed in COPY": (kill_server_in_copy, 2),
    "server killed in the gate": (kill_server_in_gate, 2),
    "server killed in publish": (kill_server_in_publish, 3),
    "migration killed": (kill_migration, 1),
    "server killed in migration": (kill_server_in_migration, 1),
    "disk full": (fill_the_disk, 2),
    "clock stepped back": (step_the_clock_back, 1),
    "SIGKILL of --replace": (kill_replace, 3),
    "SIGKILL of unload": (kill_unload, 2),
    "path replaced": (replace_a_path, 4),
    "answer to COMMIT lost": (lose_the_answer_to_commit, 4),
    "path replaced between steps": (replace_between_steps, 4),
    "leftover and a reader": (leave_staging_to_a_reader, 3),
    "link cut": (cut_the_link, 4),
    "clock of the server wrong": (wrong_clock_of_the_server, 3),
    "task stage dies": (kill_stage_task, 2),
    "task validate dies": (kill_validate_task, 2),
    "task publish dies": (kill_publish_task, 2),
}
ON_SMALL_DISK = frozenset({"disk full"})
ON_A_LINK = frozenset({"link cut"})
WITH_FAKETIME = frozenset({"clock stepped back", "clock of the server wrong"})

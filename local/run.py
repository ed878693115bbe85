"""`make run`: logs through the real Airflow DAG into the embedded PostgreSQL, and what came of it.

Exit code 0: fine, also with quarantined rows; 1: the run failed (the reason and the log's place are printed);
2: it could not begin.
"""

from __future__ import annotations

import os
import shlex
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from etl.cli.console import home_of, out, settings
from etl.cli.tables import table
from etl.errors import ConnEtlError, Misuse, NothingToLoad
from local.one_run import REPOSITORY, Outcome, log_file, one_run
from local.quick import rare_collections

TERMS = ("rows_read", "rows_loaded", "rows_duplicate", "rows_quarantined")


def main() -> int:
    """Run and report; every expected failure is one line on stderr."""
    rare_collections()
    try:
        return _main(os.environ.get("LOGS") or str(REPOSITORY / "samples" / "logs"))
    except ConnEtlError as error:
        print(f"make run: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(
            "make run: stopped; what was published stays, and the next run goes on from there",
            file=sys.stderr,
        )
        return 130


def _main(logs: str) -> int:
    from etl import source

    began = time.monotonic()
    place = _place(logs)
    if not out.is_terminal:
        out.width = 160  # nothing is cut off in a file or a pipe
    home = home_of(settings())
    if not (paths := [file.path for file in source.listed([place])]):
        raise NothingToLoad(f"{place}: there is no file in it", hint="give logs with make run LOGS=/path")
    _say(f"Loading {place} ({len(paths):,} files) by the Airflow DAG conn_ingest.")
    url = _database(home)
    _say(f"Airflow writes to {log_file(home)}; this takes some seconds.")
    # now: files are taken as they are; the scheduled scan waits until a log has settled
    outcome = one_run(home, url, {"path": place, "now": True})
    failed = outcome.state != "success"
    _report(url, paths, outcome.run_id)
    _where(url)
    if failed:
        _explain(outcome, home)
    else:
        _say(f"\nDone in {time.monotonic() - began:.0f} s.")
    return int(failed)


def _place(logs: str) -> str:
    """The absolute path of the logs; a URL as it is."""
    if "://" in logs:
        return logs
    place = Path(os.path.abspath(Path(logs).expanduser()))  # noqa: PTH100  resolve() would rename symlinks
    if not place.exists():
        raise Misuse(f"{place}: there is no such file or folder", hint="give one with make run LOGS=/path")
    return str(place)


def _say(text: str) -> None:
    out.print(text, markup=False, soft_wrap=True)


def _database(home: Path) -> str:
    """The database's URL: that of the settings, else of the embedded server, started and migrated."""
    from etl.database import embedded
    from etl.database.store import Store

    chosen = settings()
    if chosen.database_url is not None:
        _say("Into the database of CONN_ETL_DATABASE_URL.")
        url = chosen.database_url.get_secret_value()
    else:
        _say(f"Into an embedded PostgreSQL under {home}, started now and left running.")
        if notice := embedded.notice(home):
            _say(notice)
        url = embedded.start(home)
    Store.open(url, chosen).migrate()
    return url


def _report(url: str, paths: Sequence[str], run_id: str) -> None:
    from etl.database.store import Store
    from etl.monitoring import run_summary

    with Store.open(url, settings()).session() as connection:
        files = run_summary.files(connection, paths, run_id)
        quarantined = run_summary.quarantined(connection, paths)
        suites = run_summary.suites(connection, paths)
        question, answer = run_summary.busiest_services(connection, paths)
    _say("")
    table(
        "Files",
        ("state", "why", "when", "files", "read", "loaded", "duplicate", "quarantined"),
        [
            (f["state"], f["kind"], "this run" if f["mine"] else "before", f["files"], *(f[t] for t in TERMS))
            for f in files
        ],
    )
    _totals(files)
    _say("")
    table(
        "Quarantined lines (conn-etl quarantine list)",
        ("why", "lines", "for example"),
        [(_why(q), q["lines"], q["example"].rsplit("/", 1)[-1]) for q in quarantined],
    )
    _say("")
    table("Verdicts of the suites", ("suite", "verdict"), [(s["suite"], _verdict(s)) for s in suites])
    if question:
        _say(f"\nA question to the newest day:\n{question}")
        table("", tuple(answer[0]) if answer else ("none",), [tuple(row.values()) for row in answer])


def _totals(files: Sequence[dict[str, object]]) -> None:
    """One sentence on this run, with the reason when it loaded nothing."""
    read, loaded, duplicate, quarantined = (sum(int(str(f[t])) for f in files if f["mine"]) for t in TERMS)
    if not files:
        return
    if not any(f["mine"] for f in files):
        _say("0 rows loaded: every file is known by path, size and time, and its state is final.")
    else:
        _say(
            f"{loaded:,} rows loaded of {read:,} read; {duplicate:,} duplicates, {quarantined:,} quarantined."
        )


def _why(line: dict[str, str]) -> str:
    """The reason, after the rule where that says more: a broken value names its column by its rule."""
    return f"{line['rule']}: {line['reason']}" if line["rule"].startswith("type.") else line["reason"]


def _verdict(suite: dict[str, int]) -> str:
    if not suite["rules_broken"]:
        return f"passed ({suite['rules']} checked)"
    critical, warned = suite["rows_critical"], suite["rows_warned"]
    found = [f"{critical:,} bad lines (to quarantine)"] * bool(critical) + [f"{warned:,} warnings"] * bool(
        warned
    )
    return f"{suite['rules_broken']} of {suite['rules']} rules found {' and '.join(found)}"


def _where(url: str) -> None:
    from etl.database.store import Store

    _say("\nWhere the results are")
    _say(f"  psql {shlex.quote(Store.open(url, settings()).reader_url)}")
    _say("  .venv/bin/conn-etl psql")
    _say("  .venv/bin/conn-etl status")
    if settings().database_url is None:
        _say("The embedded server goes on running; `make down` stops it, the data stays.")


def _explain(outcome: Outcome, home: Path) -> None:
    print(f"\nThe run failed (Airflow: {outcome.state}).", file=sys.stderr)
    for task, error in outcome.failures:
        print(f"{task}: {error}", file=sys.stderr)
    print(f"Airflow's log: {log_file(home)}", file=sys.stderr)


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)  # Airflow's threads and objects take seconds to be torn down

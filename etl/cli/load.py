"""The verb that loads: ``ingest``."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import asdict, fields
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from etl.cli import console as shared
from etl.cli.console import Json, dump, err, out, store
from etl.cli.moment import moment_option, ordered
from etl.cli.tables import relative, table
from etl.errors import NothingToLoad, TransientError
from etl.models import FileState

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from etl.database.store import Store
    from etl.pipeline import FileResult, Summary

SHOWN = 20
"""Files that the summary names; ``status`` has the others."""
NOT_THIS_LOG = frozenset({"not_a_conn_log", "other_log", "not_a_file", "not_a_log"})

Paths = Annotated[
    list[str], typer.Argument(help="Log files, folders or URLs such as s3://bucket/prefix; - reads stdin.")
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Read and map the files, and write nothing.")]
Retry = Annotated[bool, typer.Option("--retry", help="Try refused and failed files again.")]
Replace = Annotated[
    bool, typer.Option("--replace", help="Load again; the old rows are deleted in the same transaction.")
]
Rehash = Annotated[
    bool,
    typer.Option("--rehash", help="Re-read files already loaded, and reload those whose content changed."),
]
NoCheck = Annotated[
    bool, typer.Option("--no-check", help="Skip the checks of whole days; `conn-etl check` runs them later.")
]
Since = Annotated[
    datetime | None, moment_option("since", "Only files whose time window ends after this time.")
]
Until = Annotated[
    datetime | None, moment_option("until", "Only files whose time window begins before this time.")
]
Accept = Annotated[
    bool,
    typer.Option(
        "--accept", help="Load files with more bad rows than the error budget allows; who did it is recorded."
    ),
]


def register(app: typer.Typer) -> None:
    """Add the verb of this module."""
    usual = shared.example("conn-etl ingest /data/zeek/logs --since 2026-03-01")
    app.command(rich_help_panel=shared.LOADING, epilog=usual)(ingest)


def ingest(  # noqa: PLR0913  a parameter is an option of the command
    paths: Paths,
    *,
    dry_run: DryRun = False,
    retry: Retry = False,
    accept: Accept = False,
    replace: Replace = False,
    rehash: Rehash = False,
    no_check: NoCheck = False,
    since: Since = None,
    until: Until = None,
    as_json: Json = False,
) -> None:
    """Load conn logs. Files that are already loaded are not loaded again."""
    from etl import pipeline

    first, last = ordered(since, until)
    if dry_run:
        _dry_run(_given(paths), first, last, as_json=as_json)
        return
    target, begun = store(), time.monotonic()
    given = _given(paths)
    with _progress(quiet=as_json) as step:
        summary = pipeline.ingest(
            target,
            given,
            retry=retry,
            replace=replace,
            accepted_by=shared.actor() if accept else None,
            rehash=rehash,
            since=first,
            until=last,
            progress=step,
        )
    if as_json:
        dump(as_object(summary))
    else:
        _print(summary, time.monotonic() - begun)
    if not no_check:
        _check_days(target, summary, quiet=as_json)
    _exit(summary, given)


def _check_days(target: Store, summary: Summary, *, quiet: bool) -> None:
    """Check the newest days that the call added rows to, and say what failed."""
    from etl.cli import check
    from etl.monitoring import run_summary

    if not summary.total("rows_loaded"):
        return
    with target.session() as connection:
        added = run_summary.added(connection, summary.run_id)["days"]
    days = [date.fromisoformat(day) for day in sorted(added, reverse=True)[: check.MOST_DAYS]]
    try:
        found = check.failed_rules(target, days, summary.run_id)
    except TransientError as error:  # the rows are in; the checks can run at any time
        err.print(f"The days were not checked ({error}); run `conn-etl check`.", markup=False, soft_wrap=True)
        return
    if not quiet:
        check.show(days, found)


def _given(paths: list[str]) -> list[str]:
    """The paths, with stdin read and named where one is ``-``."""
    from etl import source

    return [source.take_stdin() if path == "-" else path for path in paths]


def as_object(summary: Summary) -> dict[str, Any]:
    """The object of ``--json``."""
    from etl.pipeline import TERMS, FileResult

    names = [field.name for field in fields(FileResult)]  # asdict() takes ten times as long
    results = [
        {name: value for name in names if (value := getattr(r, name)) is not None or name != "recorded"}
        for r in summary.results
    ]
    return {
        "run": summary.run_id,
        "files": len(results),
        **{term: summary.total(term) for term in TERMS},
        "results": results,
    }


def _exit(summary: Summary, paths: list[str]) -> None:
    if summary.problem is not None:
        raise summary.problem
    if _nothing_to_load(summary.results, paths):
        reasons = "; ".join(f"{r.path}: {r.reason}" for r in summary.results[:3])
        raise NothingToLoad(f"no conn log in what was given ({reasons or 'no file at all'})")
    if summary.became_bad:
        raise typer.Exit(1)


def _nothing_to_load(results: Sequence[FileResult], paths: list[str]) -> bool:
    """Whether what was given holds no conn log; a folder of other logs that were all skipped is no mistake."""
    from etl import source

    if not all(result.kind in NOT_THIS_LOG for result in results):
        return False
    given = {source.named(path) for path in paths}
    skipped = (r.state == FileState.SKIPPED and r.path not in given for r in results)
    return not results or not all(skipped)


def _print(summary: Summary, seconds: float) -> None:
    from etl.pipeline import TERMS

    states = Counter(f"{r.state}{'' if r.recorded is None else ' before'}" for r in summary.results)
    out.print(
        f"{shared.counted(len(summary.results), 'file')}: "
        + ", ".join(f"{n:,} {state}" for state, n in states.most_common())
    )
    out.print("   ".join(f"{term.replace('_', ' ')} {summary.total(term):,}" for term in TERMS))
    notable = [r for r in summary.results if r.reason and r.state != FileState.PUBLISHED and _is_news(r)]
    if notable:
        table("", ("state", "file", "why"), [(r.state, relative(r.path), r.reason) for r in notable[:SHOWN]])
    if len(notable) > SHOWN:
        out.print(f"… and {len(notable) - SHOWN:,} more: conn-etl status")
    out.print(_closing(summary, seconds), soft_wrap=True)
    for advice in _next_steps(summary):
        out.print(advice, soft_wrap=True)


def _closing(summary: Summary, seconds: float) -> str:
    """One line: what the call loaded, how fast, and the time that these rows cover."""
    rows, span = summary.total("rows_loaded"), summary.span
    if span is None:
        return f"No new row in {seconds:.1f} s."
    files = sum(1 for result in summary.results if result.rows_loaded)
    first, last = (f"{moment.astimezone(UTC):%Y-%m-%d %H:%M}" for moment in span)
    return (
        f"Loaded {shared.counted(rows, 'row')} from {shared.counted(files, 'file')} in {seconds:.1f} s "
        f"({rows / max(seconds, 0.001):,.0f} rows/s): {first} to {last} UTC."
    )


def _next_steps(summary: Summary) -> Iterator[str]:
    if quarantined := summary.total("rows_quarantined"):
        verb = "is" if quarantined == 1 else "are"
        yield f"{shared.counted(quarantined, 'row')} {verb} in quarantine, with the reason: conn-etl quarantine list"
    if summary.span is not None:
        yield "Next: conn-etl report, or ask a question: conn-etl query"


def _is_news(result: FileResult) -> bool:
    """What was final before the call was said then; that an unloaded file is not loaded by just asking was not."""
    return result.recorded is None or result.state == FileState.UNLOADED


def _progress(*, quiet: bool) -> Any:
    from contextlib import contextmanager

    from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn, TransferSpeedColumn

    @contextmanager
    def bar() -> Any:
        columns = (BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
        with Progress(
            *columns, console=err, transient=True, disable=quiet or not err.is_terminal
        ) as progress:
            task = progress.add_task("loading", total=None)
            yield lambda done, total: progress.update(task, completed=done, total=total)

    return bar()


def _dry_run(paths: list[str], since: datetime | None, until: datetime | None, *, as_json: bool) -> None:
    from etl import pipeline

    found = list(pipeline.try_out(paths, shared.settings(), since, until))
    if as_json:
        dump({"files": len(found), "dry_run": True, "results": [asdict(result) for result in found]})
    else:
        columns = ("state", "rows", "rejects", "file", "why")
        table(
            "",
            columns,
            [(r.state, r.rows_read, r.rows_quarantined, relative(r.path), r.reason) for r in found],
        )
        out.print("Dry run: files were read and mapped; rules were not checked and nothing was written.")
    if _nothing_to_load(found, paths):
        raise NothingToLoad("no conn log in what was given")
    if any(r.state in (FileState.REFUSED, FileState.FAILED) for r in found):
        raise typer.Exit(1)

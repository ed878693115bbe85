"""The verb ``query``: a question of the cookbook by name, or SQL."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, Any, Literal

import typer

from etl.cli.console import ASKING, Json, dump, err, example, moment, out, store, table
from etl.errors import Misuse

if TYPE_CHECKING:
    from collections.abc import Iterator

    from etl.query.ask import Answer

Format = Literal["table", "csv", "json", "parquet"]
SHOWN = 1_000
"""Rows that a table shows; the other formats have all."""

Asked = Annotated[
    str | None, typer.Argument(help="Name of a question, or SQL; without it, list the questions.")
]
Since = Annotated[
    str | None, typer.Option(help='From this "@timestamp" on: ISO 8601, UTC where it names no zone.')
]
Until = Annotated[str | None, typer.Option(help='Before this "@timestamp"; now if left out.')]
Param = Annotated[list[str] | None, typer.Option(help="NAME=VALUE; repeat for each parameter.")]
Everything = Annotated[bool, typer.Option("--all", help="All loaded rows, if --since is not given.")]
As = Annotated[Format, typer.Option("--format", help="Output format.")]
Out = Annotated[Path | None, typer.Option("--out", help="Write to this file.")]
Timeout = Annotated[float | None, typer.Option(help="Cancel after this many seconds.", min=0.001)]


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command(rich_help_panel=ASKING, epilog=example("conn-etl query top_talkers --since 2026-03-01"))(
        query
    )


def query(  # noqa: PLR0913  options of a verb
    asked: Asked = None,
    *,
    since: Since = None,
    until: Until = None,
    param: Param = None,
    everything: Everything = False,
    output: As = "table",
    file: Out = None,
    timeout: Timeout = None,
    as_json: Json = False,
) -> None:
    """Run a question of the cookbook, or SQL in which :since and :until are the time bounds."""
    from etl.query import ask, cookbook

    if asked is None:
        _list(as_json=as_json)
        return
    question = cookbook.load(asked) if re.fullmatch(r"\w+", asked) else None
    given = dict(_pair(text) for text in param or ())
    first, last = moment("since", since), moment("until", until)
    target = store()
    limit = timedelta(seconds=timeout) if timeout else target.settings.query_timeout
    with target.reading() as connection, ask.reading(connection, limit):
        chosen = ask.span(connection, question, first, last, everything=everything)
        if question is not None and chosen is not None:
            sql, values = question.sql, question.values(given, chosen.since, chosen.until)
            if question.bound == "rollup" and (due := ask.due_hours(connection, values)):
                err.print(
                    f"{due} hours of the rollup are not up to date: run `conn-etl rollups`", markup=False
                )
        else:
            sql, values = _own(asked, given, chosen, bounded=first is not None or last is not None)
            if (days := ask.unbounded(connection, sql, values)) and not everything:
                raise Misuse(
                    f"it would read {len(days):,} days without a bound",
                    hint='add "@timestamp" >= :since AND "@timestamp" < :until and give --since, or ask with --all',
                )
        answer = ask.ask(connection, sql, values)
        _write(answer, "json" if as_json else output, file, {"question": question.name if question else None})


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise Misuse(f"--param {text}: no value", hint="write --param NAME=VALUE")
    return name, value


def _own(sql: str, given: Mapping[str, str], chosen: Any, *, bounded: bool) -> tuple[str, dict[str, Any]]:
    """Somebody's own SQL with the values of the names in it."""
    values: dict[str, Any] = dict(given)
    for name in ("since", "until"):
        if re.search(rf"(?<!:):{name}\b", sql):
            if chosen is None:
                raise Misuse(f"the SQL asks for :{name}", hint="give --since (and --until), or --all")
            values[name] = getattr(chosen, name)
    if bounded and "since" not in values and "until" not in values:
        raise Misuse(
            "the SQL does not use the bounds given",
            hint='add "@timestamp" >= :since AND "@timestamp" < :until',
        )
    return sql.rstrip().rstrip(";"), values


def _list(*, as_json: bool) -> None:
    from etl.query import cookbook

    found = [cookbook.load(name) for name in cookbook.names()]
    if as_json:
        keys = ("name", "question", "answer", "bound")
        dump(
            {
                "questions": [
                    {key: getattr(q, key) for key in keys}
                    | {"parameters": [{k: getattr(p, k) for k in p.__slots__} for p in q.parameters]}
                    for q in found
                ]
            }
        )
        return
    takes = [
        " ".join(f"{p.name}={p.default}" if p.default not in (None, "") else p.name for p in q.parameters)
        for q in found
    ]
    table(
        "Questions",
        ("name", "question", "parameters"),
        [(q.name, q.question, t) for q, t in zip(found, takes, strict=True)],
    )


def _write(answer: Answer, output: str, file: Path | None, asked: Mapping[str, Any]) -> None:
    from etl.query import formats

    if output == "parquet":
        if file is None and sys.stdout.isatty():
            raise Misuse("Parquet is no text", hint="give --out FILE")
        with _opened(file, "wb") as binary:
            formats.write_parquet(answer, binary)
    elif output == "csv":
        with _opened(file, "w") as text:
            formats.write_csv(answer, text)
    elif output == "json":
        _write_json(answer, file, asked)
    else:
        _print(answer, file)


def _write_json(answer: Answer, file: Path | None, asked: Mapping[str, Any]) -> None:
    import json

    from etl.query import formats

    with _opened(file, "w") as text:
        text.write(json.dumps(formats.as_object(answer, asked), default=str, ensure_ascii=False) + "\n")


def _print(answer: Answer, file: Path | None) -> None:
    if file is not None:
        raise Misuse("a table is for the screen", hint="add --format csv, json or parquet")
    shown = [row for _, row in zip(range(SHOWN), answer.rows, strict=False)]
    table("Answer", answer.columns, shown)
    if next(answer.rows, None) is not None:
        err.print(f"only the first {SHOWN:,} rows are shown; --format csv has all", markup=False)
    else:
        out.print(f"{len(shown):,} rows", markup=False)


@contextmanager
def _opened(file: Path | None, mode: str) -> Iterator[IO[Any]]:
    """The file, or standard output, left open."""
    if file is None:
        yield sys.stdout.buffer if "b" in mode else sys.stdout
        return
    with file.open(
        mode, encoding=None if "b" in mode else "utf-8", newline=None if "b" in mode else ""
    ) as opened:
        yield opened

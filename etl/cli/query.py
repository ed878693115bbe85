"""The verb ``query``: a question of the cookbook by name, or SQL."""

from __future__ import annotations

import itertools
import re
import sys
import textwrap
from collections.abc import Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, Any, Literal

import typer

from etl.cli.console import ASKING, Json, dump, err, example, out, store
from etl.cli.moment import Since, moment_option, ordered
from etl.cli.tables import table
from etl.errors import Misuse

if TYPE_CHECKING:
    from collections.abc import Iterator

    from etl.query.ask import Answer
    from etl.query.cookbook import Question

Format = Literal["table", "tsv", "csv", "json", "parquet"]
SHOWN = 1_000
"""Rows that a table shows; the other formats have all."""

Asked = Annotated[
    str | None, typer.Argument(help="Name of a question, or SQL; without it, list the questions.")
]
Until = Annotated[
    datetime | None,
    moment_option("until", 'Rows before this "@timestamp", in the same forms; now if left out.'),
]
Param = Annotated[list[str] | None, typer.Option(help="NAME=VALUE; repeat for each parameter.")]
Everything = Annotated[bool, typer.Option("--all", help="All loaded rows, if --since is not given.")]
As = Annotated[Format, typer.Option("--format", help="Output format.")]
Out = Annotated[Path | None, typer.Option("--out", help="Write to this file.")]
Human = Annotated[bool, typer.Option("--human", help="Print bytes as 1.4 GB in a table.")]
Safe = Annotated[
    bool, typer.Option("--safe", help="For spreadsheets: a quote before text that is a formula (csv, tsv).")
]
Help = Annotated[
    bool, typer.Option("--help", "-h", help="Show this; after a question's name, how to read its answer.")
]
Timeout = Annotated[float | None, typer.Option(help="Cancel after this many seconds.", min=0.001)]


def _help(context: typer.Context, asked: str | None) -> None:
    from etl.query import cookbook

    if asked is not None:
        _explain(cookbook.load(asked))
    elif text := context.get_help():  # with rich it has been printed already
        out.print(text, markup=False)


def _explain(question: Question) -> None:
    lines = [question.question, "", *textwrap.wrap(question.answer, 78), ""]
    for p in question.parameters:
        default = "needed" if p.default is None else f"{p.default or 'any'} if not given"
        lines.append(f"  --param {p.name}={p.type.upper().replace(' ', '_')}  {p.what} ({default})")
    bounds = {"time": "--since is needed", "ledger": "all rows if --since is not given"}
    lines.append(f"  --since, --until  {bounds.get(question.bound, 'all rows if --since is not given')}")
    out.print("\n".join(lines), markup=False, soft_wrap=True)


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command(
        context_settings={"help_option_names": []},  # --help is a separate option: see below
        rich_help_panel=ASKING,
        epilog=example("conn-etl query top_talkers --since yesterday; conn-etl query top_talkers --help"),
    )(query)


def query(  # noqa: PLR0913  options of a verb
    context: typer.Context,
    asked: Asked = None,
    *,
    since: Since = None,
    until: Until = None,
    param: Param = None,
    everything: Everything = False,
    output: As = "table",
    file: Out = None,
    human: Human = False,
    safe: Safe = False,
    timeout: Timeout = None,
    as_json: Json = False,
    help_: Help = False,
) -> None:
    """Run a question of the cookbook, or SQL in which :since and :until are the time bounds."""
    from etl.query import ask

    if help_:
        _help(context, asked)
        return
    if asked is None:
        _list(as_json=as_json)
        return
    question = question_of(asked)
    given = dict(pair(text) for text in param or ())
    first, last = ordered(since, until)
    target = store()
    limit = timedelta(seconds=timeout) if timeout else target.settings.query_timeout
    with target.reading() as connection, ask.reading(connection, limit):
        chosen = ask.span(connection, question, first, last, everything=everything)
        if question is not None and chosen is not None:
            sql, values = ask.named(connection, question), question.values(given, chosen.since, chosen.until)
        else:
            sql, values = own_sql(asked, given, chosen, bounded=first is not None or last is not None)
            if (days := ask.unbounded(connection, sql, values)) and not everything:
                raise Misuse(
                    f"it would read {len(days):,} days without a bound",
                    hint='add "@timestamp" >= :since AND "@timestamp" < :until and give --since, or ask with --all',
                )
        lines = question.lines(values) if question else None
        answer, empty = ask.peeked(ask.ask(connection, sql, values, lines=lines))
        if safe:
            answer = _for_spreadsheets(answer, "json" if as_json else output)
        notes = ask.notes(connection, question, values, empty=empty) if question is not None else []
        told = {"question": question.name if question else None, "notes": notes}
        write_answer(answer, "json" if as_json else output, file, told, human=human)
    for note in notes:
        err.print(f"note: {note}", markup=False, soft_wrap=True)


def question_of(asked: str) -> Question | None:
    """The question of this name; None where it is SQL."""
    from etl.query import cookbook

    return cookbook.load(asked) if re.fullmatch(r"\w+", asked) else None


def pair(text: str) -> tuple[str, str]:
    """A parameter as it is given on the command line; raises Misuse."""
    name, equals, value = text.partition("=")
    if not equals:
        raise Misuse(f"--param {text}: no value", hint="write --param NAME=VALUE")
    return name, value


def own_sql(sql: str, given: Mapping[str, str], chosen: Any, *, bounded: bool) -> tuple[str, dict[str, Any]]:
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


def _for_spreadsheets(answer: Answer, output: str) -> Answer:
    from etl.query import formats

    if output not in ("csv", "tsv"):
        raise Misuse("--safe is for what a spreadsheet opens", hint="add --format csv or tsv")
    return formats.for_spreadsheets(answer)


def write_answer(
    answer: Answer, output: str, file: Path | None, asked: Mapping[str, Any], *, human: bool
) -> None:
    """Print an answer, or write it into a file, in one of the formats."""
    from etl.query import formats

    if output == "parquet":
        if file is None and sys.stdout.isatty():
            raise Misuse("Parquet is no text", hint="give --out FILE")
        with _opened(file, "wb") as binary:
            formats.write_parquet(answer, binary)
    elif output in ("csv", "tsv"):
        write = formats.write_csv if output == "csv" else formats.write_tsv
        with _opened(file, "w") as text:
            write(answer, text)
    elif output == "json":
        _write_json(answer, file, asked)
    else:
        _print(answer, file, human=human)


def _write_json(answer: Answer, file: Path | None, asked: Mapping[str, Any]) -> None:
    import json

    from etl.query import formats

    with _opened(file, "w") as text:
        text.write(json.dumps(formats.as_object(answer, asked), default=str, ensure_ascii=False) + "\n")


def _print(answer: Answer, file: Path | None, *, human: bool) -> None:
    if file is not None:
        raise Misuse("a table is for the screen", hint="add --format tsv, csv, json or parquet")
    count = table("Answer", answer.columns, itertools.islice(answer.rows, SHOWN), human=human)
    if next(answer.rows, None) is not None:
        err.print(f"only the first {SHOWN:,} rows are shown; --format csv has all", markup=False)
    else:
        out.print(f"{count:,} rows", markup=False)


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

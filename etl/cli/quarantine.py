"""``conn-etl quarantine``: list, show, export, replay and discard the lines that were not loaded."""

from __future__ import annotations

import io
import sys
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TextIO

import typer

from etl.cli.console import CHECKING, Json, actor, dump, out, store
from etl.cli.moment import moment_option, ordered
from etl.cli.tables import table
from etl.errors import Misuse

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from etl.quarantine.lines import Line, QuarantineFilter

WIDEST = 60
"""Characters of a value that a list shows."""

quarantine = typer.Typer(
    no_args_is_help=True, help="List, show, export, replay and discard lines that were not loaded."
)

Ids = Annotated[list[int] | None, typer.Argument(help="Ids from `quarantine list`.")]
File = Annotated[str | None, typer.Option(help="Path of the file, as `quarantine list` shows it.")]
OfRule = Annotated[str | None, typer.Option("--rule", help="Lines of this rule, such as type.src_ip_addr.")]
Reason = Annotated[str | None, typer.Option(help="Lines with this reason, such as identity_conflict.")]
Since = Annotated[datetime | None, moment_option("since", "Quarantined at or after this time.")]
Until = Annotated[datetime | None, moment_option("until", "Quarantined before this time.")]
Every = Annotated[bool, typer.Option("--all", help="All open lines.")]
Why = Annotated[str, typer.Option("--why", help="Why you do it; recorded with your name.")]
Most = Annotated[int, typer.Option("--most", help="Show at most this many lines.", min=1)]


def register(app: typer.Typer) -> None:
    """Add the verbs of this module."""
    app.add_typer(quarantine, name="quarantine", rich_help_panel=CHECKING)


@quarantine.command("list")
def list_(  # noqa: PLR0913  a verb's options are its arguments
    *,
    file: File = None,
    rule: OfRule = None,
    reason: Reason = None,
    state: Annotated[str | None, typer.Option(help="open, replayed, discarded or closed.")] = None,
    since: Since = None,
    until: Until = None,
    most: Most = 100,
    as_json: Json = False,
) -> None:
    """List quarantined lines, by file, rule, reason, state or time."""
    from etl.quarantine import lines

    wanted = _filter(None, file, rule, reason, since, until, every=True)
    with store().session() as connection:
        listed = lines.listed(connection, wanted, state, most)
    if as_json:
        dump({"lines": [asdict(line) for line in listed]})
        return
    columns = ("id", "file", "line", "rule", "reason", "field", "state")
    table(
        "Quarantine",
        columns,
        [(r.quarantine_id, r.path, r.etl_line, r.rule, r.reason, _at_fault(r), r.state) for r in listed],
    )


def _at_fault(line: Line) -> str | None:
    """Such as ``id.resp_h = 8.8.8.999``."""
    if line.field is None or line.value is None:
        return line.field
    value = line.value if len(line.value) <= WIDEST else f"{line.value[:WIDEST]}…"
    return f"{line.field} = {value}"


@quarantine.command()
def show(quarantine_id: int, *, as_json: Json = False) -> None:
    """Show one line: its bytes under their header, the mapped values, the conflicting row, and what was done."""
    from etl.quarantine import lines

    with store().session() as connection:
        line = lines.shown(connection, quarantine_id)
    line = {**line, "hint": _hint(line)}
    raw = line["raw"].decode("utf-8", "backslashreplace") if line["raw"] is not None else None
    if as_json:
        dump({**{key: value for key, value in line.items() if key != "cells"}, "raw": raw})
        return
    for key in ("path", "etl_line", "rule", "reason", "field", "value", "state", "created_at", "raw_cut"):
        if line[key] is not None:
            out.print(f"{key:>12}  {line[key]}", markup=False, soft_wrap=True)
    out.print(f"{'raw':>12}  {raw!r}", markup=False, soft_wrap=True)
    for text in pointed(line["cells"], line["field"], out.width):
        out.print(text, markup=False, highlight=False, soft_wrap=True)
    if line["hint"]:
        out.print(f"{'hint':>12}  {line['hint']}", markup=False, soft_wrap=True)
    if line["mapped"]:
        existing = line["existing"] or {}
        columns = ("column", "as mapped", "in the table") if existing else ("column", "as mapped")
        cells = [
            (name, value, existing.get(name)) if existing else (name, value)
            for name, value in line["mapped"].items()
        ]
        table("Values", columns, cells)
    if actions := line["actions"]:
        table("Done about it", tuple(actions[0]), [list(action.values()) for action in actions])


def pointed(cells: Mapping[str, str], at_fault: str | None, width: int) -> Iterator[str]:
    """The line's cells under their names, as many beside each other as fit, and ^ under the one at fault."""
    row: list[tuple[str, str]] = []
    for name, value in cells.items():
        shown = value.encode("unicode_escape").decode() if not value.isprintable() else value
        cell = (name, shown if len(shown) <= WIDEST else f"{shown[:WIDEST]}…")
        if row and sum(max(map(len, one)) + 2 for one in (*row, cell)) > width:
            yield from _row(row, at_fault)
            row = []
        row.append(cell)
    if row:
        yield from _row(row, at_fault)


def _row(cells: Sequence[tuple[str, str]], at_fault: str | None) -> Iterator[str]:
    widths = [max(map(len, cell)) for cell in cells]
    yield ""
    for part in (0, 1):
        yield "  ".join(cell[part].ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip()
    marks = ["^" * max(1, len(value)) if name == at_fault else "" for name, value in cells]
    if any(marks):
        yield "  ".join(mark.ljust(width) for mark, width in zip(marks, widths, strict=True)).rstrip()


def _hint(row: Mapping[str, Any]) -> str | None:
    """What to do about a line whose day retention dropped."""
    if row["rule"] != "expired" or row["state"] != "open" or not row["mapped"]:
        return None
    day = str(row["mapped"]["@timestamp"])[:10]
    return f"where {day} is archived: `conn-etl archive restore {day}`, then replay the line"


@quarantine.command()
def export(  # noqa: PLR0913  a verb's options are its arguments
    ids: Ids = None,
    *,
    file: File = None,
    rule: OfRule = None,
    reason: Reason = None,
    since: Since = None,
    until: Until = None,
    as_log: Annotated[
        bool,
        typer.Option(
            "--as-log",
            help="Write a log with headers, to be corrected by hand and ingested; that closes the lines.",
        ),
    ] = False,
    to: Annotated[Path | None, typer.Option("--out", help="Write to this file instead of stdout.")] = None,
) -> None:
    """Write the open lines as JSON lines, or as a log."""
    from etl.quarantine.export import export

    wanted = _filter(ids, file, rule, reason, since, until, every=True)
    if to is None:
        _as_bytes_were(sys.stdout)
        export(store(), wanted, sys.stdout, as_log=as_log)
    else:
        with to.open("w", encoding="utf-8", errors="surrogateescape", newline="") as stream:
            export(store(), wanted, stream, as_log=as_log)


def _as_bytes_were(stream: TextIO) -> None:
    """Let bytes that are no UTF-8 come out as they were; a stream of a test has no encoding to change."""
    if isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(encoding="utf-8", errors="surrogateescape")


def _replay(wanted: QuarantineFilter, why: str, *, as_json: bool) -> None:
    from etl.quarantine import replay

    done = replay.replay(store(), wanted, actor=actor(), why=why)
    if as_json:
        dump({"run": done.run_id, "outcomes": done.outcomes, "not_replayable": done.not_replayable})
        return
    table("Replayed", ("outcome", "lines"), sorted(done.outcomes.items()))
    if done.not_replayable:
        table("Not replayable", ("because", "lines"), sorted(done.not_replayable.items()))


def _discard(wanted: QuarantineFilter, why: str, *, as_json: bool) -> None:
    from etl.quarantine.discard import discard

    lines = discard(store(), wanted, actor=actor(), why=why)
    if as_json:
        dump({"discarded": lines})
    else:
        out.print(f"{lines:,} lines discarded")


def _acting(act: Callable[..., None]) -> Callable[..., None]:
    """A verb that does something about the lines that its options choose."""

    def verb(  # noqa: PLR0913  a verb's options are its arguments
        ids: Ids = None,
        *,
        file: File = None,
        rule: OfRule = None,
        reason: Reason = None,
        since: Since = None,
        until: Until = None,
        every: Every = False,
        why: Why = "",
        as_json: Json = False,
    ) -> None:
        act(_filter(ids, file, rule, reason, since, until, every=every), why, as_json=as_json)

    return verb


quarantine.command("replay", help="Map and check open lines again, and load those that pass.")(
    _acting(_replay)
)
quarantine.command("discard", help="Close open lines for good. They are still counted and kept.")(
    _acting(_discard)
)


def _filter(
    ids: list[int] | None,
    file: str | None,
    rule: str | None,
    reason: str | None,
    since: datetime | None,
    until: datetime | None,
    *,
    every: bool,
) -> QuarantineFilter:
    from etl.quarantine.lines import QuarantineFilter

    if not (every or ids or any((file, rule, reason, since, until))):
        raise Misuse("which lines?", hint="give numbers, --file, --rule, --reason, --since, --until or --all")
    first, last = ordered(since, until)
    return QuarantineFilter(
        ids=tuple(ids) if ids else None,
        path=file,
        rule=rule,
        reason=reason,
        since=first,
        until=last,
    )

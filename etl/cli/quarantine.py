"""``conn-etl quarantine``: list, show, export, replay and discard the lines that were not loaded."""

from __future__ import annotations

import io
import json
import sys
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TextIO

import typer

from etl.cli.console import CHECKING, Json, actor, dump, in_utc, out, store, table
from etl.errors import Misuse

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from etl.quarantine.replay import QuarantineFilter

quarantine = typer.Typer(
    no_args_is_help=True, help="List, show, export, replay and discard lines that were not loaded."
)

Ids = Annotated[list[int] | None, typer.Argument(help="Ids from `quarantine list`.")]
File = Annotated[str | None, typer.Option(help="Path of the file, as `quarantine list` shows it.")]
OfRule = Annotated[str | None, typer.Option("--rule", help="Lines of this rule, such as type.src_ip_addr.")]
Reason = Annotated[str | None, typer.Option(help="Lines with this reason, such as identity_conflict.")]
Since = Annotated[datetime | None, typer.Option(help="Quarantined at or after this time (UTC).")]
Until = Annotated[datetime | None, typer.Option(help="Quarantined before this time (UTC).")]
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
    from etl.database.engine import execute

    chosen = {"path": file, "rule": rule, "reason": reason, "state": state, "most": most}
    with store().session() as connection:
        rows = execute(connection, "quarantine.list", since=in_utc(since), until=in_utc(until), **chosen)
        lines = [dict(row) for row in rows.mappings()]
    if as_json:
        dump({"lines": lines})
        return
    columns = ("id", "file", "line", "rule", "reason", "field", "state")
    keys = ("quarantine_id", "path", "etl_line", "rule", "reason", "field", "state")
    table("Quarantine", columns, [[line[key] for key in keys] for line in lines])


@quarantine.command()
def show(quarantine_id: int, *, as_json: Json = False) -> None:
    """Show one line: its raw bytes, the mapped values, the conflicting row if there is one, and what was done."""
    from etl.database.engine import execute

    with store().session() as connection:
        row = execute(connection, "quarantine.show", id=quarantine_id).mappings().one_or_none()
        actions = [
            dict(action) for action in execute(connection, "replay.actions", id=quarantine_id).mappings()
        ]
    if row is None:
        raise Misuse(f"there is no line {quarantine_id} in quarantine", hint="see `conn-etl quarantine list`")
    raw = bytes(row["raw"]).decode("utf-8", "backslashreplace") if row["raw"] is not None else None
    line = {**row, "raw": raw, "actions": actions}
    if as_json:
        dump(line)
        return
    for key in ("path", "etl_line", "rule", "reason", "field", "state", "created_at", "raw_cut"):
        out.print(f"{key:>12}  {line[key]}", markup=False)
    out.print(f"{'raw':>12}  {raw!r}", markup=False, soft_wrap=True)
    if line["mapped"]:
        existing = line["existing"] or {}
        columns = ("column", "as mapped", "in the table") if existing else ("column", "as mapped")
        cells = [
            (name, value, existing.get(name)) if existing else (name, value)
            for name, value in line["mapped"].items()
        ]
        table("Values", columns, cells)
    if actions:
        table("Done about it", tuple(actions[0]), [list(action.values()) for action in actions])


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
        bool, typer.Option("--as-log", help="Write a log with headers, to be corrected by hand and ingested.")
    ] = False,
    to: Annotated[Path | None, typer.Option("--out", help="Write to this file instead of stdout.")] = None,
) -> None:
    """Write the open lines as JSON lines, or as a log."""
    from etl.quarantine import replay

    write = replay.write_log if as_log else _write_json
    with store().session() as connection:
        chosen = _choice(ids, file, rule, reason, since, until, every=True)
        lines = replay.lines(connection, chosen)
        if to is None:
            _as_bytes_were(sys.stdout)
            write(lines, sys.stdout)
        else:
            with to.open("w", encoding="utf-8", errors="surrogateescape", newline="") as stream:
                write(lines, stream)


def _as_bytes_were(stream: TextIO) -> None:
    """Let bytes that are no UTF-8 come out as they were; a stream of a test has no encoding to change."""
    if isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(encoding="utf-8", errors="surrogateescape")


def _write_json(lines: Iterable[Mapping[Any, Any]], stream: TextIO) -> None:
    from etl.quarantine import replay

    stream.writelines(
        json.dumps(replay.as_json(line), default=str, ensure_ascii=False) + "\n" for line in lines
    )


def _replay(chosen: QuarantineFilter, why: str, *, as_json: bool) -> None:
    from etl.quarantine import replay

    done = replay.replay(store(), chosen, actor=actor(), why=why)
    if as_json:
        dump({"run": done.run_id, "outcomes": done.outcomes, "not_replayable": done.not_replayable})
        return
    table("Replayed", ("outcome", "lines"), sorted(done.outcomes.items()))
    if done.not_replayable:
        table("Not replayable", ("because", "lines"), sorted(done.not_replayable.items()))


def _discard(chosen: QuarantineFilter, why: str, *, as_json: bool) -> None:
    from etl.quarantine import replay

    lines = replay.discard(store(), chosen, actor=actor(), why=why)
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
        act(_choice(ids, file, rule, reason, since, until, every=every), why, as_json=as_json)

    return verb


quarantine.command("replay", help="Map and check open lines again, and load those that pass.")(
    _acting(_replay)
)
quarantine.command("discard", help="Close open lines for good. They are still counted and kept.")(
    _acting(_discard)
)


def _choice(
    ids: list[int] | None,
    file: str | None,
    rule: str | None,
    reason: str | None,
    since: datetime | None,
    until: datetime | None,
    *,
    every: bool,
) -> QuarantineFilter:
    from etl.quarantine.replay import QuarantineFilter

    if not (every or ids or any((file, rule, reason, since, until))):
        raise Misuse("which lines?", hint="give numbers, --file, --rule, --reason, --since, --until or --all")
    return QuarantineFilter(
        ids=tuple(ids) if ids else None,
        path=file,
        rule=rule,
        reason=reason,
        since=in_utc(since),
        until=in_utc(until),
    )

"""Verbs that check: ``status``, ``verify``."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from etl.cli.console import CHECKING, Json, dump, out, store
from etl.cli.tables import table

Most = Annotated[int, typer.Option("--most", help="Show at most this many lines.", min=1)]

MostFaults = Annotated[int, typer.Option("--most", help="List at most this many; all are counted.", min=1)]


def register(app: typer.Typer) -> None:
    """Add the verbs of this module."""
    app.command(rich_help_panel=CHECKING)(status)
    app.command(rich_help_panel=CHECKING)(verify)


def status(*, most: Most = 20, as_json: Json = False) -> None:
    """Show what is loaded, which files were not and why, failed rules, and the settings in force."""
    from etl.database import schema
    from etl.database.statements import execute

    target = store()
    with target.session() as connection:
        schema.require_current(connection)
        found: dict[str, Any] = {
            name: [dict(row._mapping) for row in execute(connection, f"status.{name}", **parameters)]
            for name, parameters in (
                ("states", {}),
                ("waiting", {"settle_after": target.settings.settle_after}),
                ("problems", {"most": most}),
                ("quarantine", {}),
                ("rules", {}),
                ("unknown_columns", {}),
                ("span", {}),
                ("runs", {"most": 5}),
                ("archive", {}),
            )
        }
    found["settings"] = {
        name: str(value)
        for name, value in target.settings.model_dump(exclude={"database_url", "reader_url"}).items()
    }
    if as_json:
        dump(found)
        return
    table(
        "Files",
        ("state", "files", "read", "loaded", "duplicate", "quarantined"),
        [r.values() for r in found["states"]],
    )
    _waiting(**found["waiting"][0])
    span = found["span"][0]
    out.print(f"From {span['first']} to {span['last']}\n" if span["first"] else "No row yet\n")
    columns = ("state", "file", "why")
    table(
        "Files not loaded, or cut short",
        columns,
        [(r["state"], r["path"], r["reason"]) for r in found["problems"]],
    )
    table("Quarantine", ("rule", "reason", "state", "rows"), [r.values() for r in found["quarantine"]])
    verdicts = [
        (r["suite"], r["rule"], r["severity"], "passed" if r["success"] else "failed", r["failed"], r["rows"])
        for r in found["rules"]
        if not r["success"]
    ]
    out.print(f"{len(found['rules'])} rules checked in the newest batch, {len(verdicts)} failed")
    table("Failed rules", ("suite", "rule", "severity", "verdict", "failed", "rows"), verdicts)
    unknown = [(r["name"], r["type"], r["path"]) for r in found["unknown_columns"]]
    table("Columns beyond the dictionary (kept in extra)", ("column", "type", "first file"), unknown)
    if found["archive"] or target.settings.archive_url:
        heads = ("state", "days", "dropped from zeek.conn", "rows", "bytes", "from", "to")
        table("Archive", heads, [r.values() for r in found["archive"]])
    table("Settings in force", ("setting", "value"), found["settings"].items())
    out.print(f"Ask by `conn-etl psql`, or psql '{target.reader_url}'", markup=False, soft_wrap=True)


def _waiting(*, files: int, example: str | None, ready_at: datetime | None) -> None:
    """One line on the files that no run has taken yet, mostly since they may still be written to."""
    if not files or ready_at is None:
        return
    count = "1 file" if files == 1 else f"{files:,} files, such as"
    when = (
        f"not before {ready_at:%Y-%m-%d %H:%M:%S} UTC" if ready_at > datetime.now(UTC) else "by the next run"
    )
    say = f"waiting: {count} {example}; loaded {when}, or now by `conn-etl ingest`\n"
    out.print(say, markup=False, soft_wrap=True)


def verify(*, most: MostFaults = 1_000, as_json: Json = False) -> None:
    """Count the rows again and compare with the ledger. Exit code 1 if they differ."""
    from etl.database import schema
    from etl.monitoring import verify

    target = store()
    shown: list[verify.Disagreement] = []
    count = 0
    with target.session() as connection:
        schema.require_current(connection)
        for fault in verify.found(connection, target.settings.read_options()):
            count += 1
            if len(shown) < most:
                shown.append(fault)
    if as_json:
        listed = [{"file": f.etl_file_id, "path": f.path, "what": f.what} for f in shown]
        dump({"faults": listed, "count": count})
    elif count:
        table(
            "The tables differ from the ledger",
            ("file", "path", "what"),
            [(f.etl_file_id, f.path, f.what) for f in shown],
        )
        if count > len(shown):
            out.print(f"and {count - len(shown):,} further differences (--most shows more)", markup=False)
    else:
        out.print("The tables match the ledger.")
    if count:
        raise typer.Exit(1)

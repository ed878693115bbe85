"""Questions about a run and about the files that it was given; all answers come from SQL.

"These paths" are paths as the ledger has them; where a path has several rows there, the newest one counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any

from sqlalchemy import ARRAY, Text, bindparam
from sqlalchemy.engine import Connection

from etl.database.statements import execute, statement

Rows = list[dict[str, Any]]


def _rows(connection: Connection, name: str, **values: Any) -> Rows:
    with connection.begin():
        return [dict(row) for row in execute(connection, f"summary.{name}", **values).mappings()]


def added(connection: Connection, run_id: str) -> dict[str, Any]:
    """What a run added: rows_loaded, batches, days (ISO, UTC: those on which it added a row)."""
    (row,) = _rows(connection, "added", run=run_id)
    between = {day for day in row["perhaps"] if _touched(connection, day, row["files"])}
    days = [day.isoformat() for day in sorted({*row["days"], *between})]
    return {"rows_loaded": row["rows_loaded"], "batches": row["batches"], "days": days}


def batch_lines(connection: Connection, batch_id: int) -> list[str]:
    """A line for each file of a batch: path, state, counts, and the reason where there is one."""
    return [
        f"{row['path']}: {row['state']}, {row['rows_read']:,} read, {row['rows_loaded']:,} loaded, "
        f"{row['rows_duplicate']:,} duplicate, {row['rows_quarantined']:,} quarantined"
        + (f": {row['reason']}" if row["reason"] else "")
        for row in _rows(connection, "batch", batch=batch_id)
    ]


def progress(connection: Connection, run_id: str) -> str:
    """How far a run is, how fast, and how long the rest takes at that rate, by compressed bytes: a sentence."""
    if not (found := _rows(connection, "progress", run=run_id)):
        return "nothing to do"
    (row,) = found
    rate = row["bytes_done"] / max(row["seconds"], 0.001)
    left = timedelta(seconds=round((row["bytes"] - row["bytes_done"]) / rate)) if rate else "unknown"
    return (
        f"{row['files_done']:,} of {row['files']:,} files, {row['bytes_done'] >> 10:,} of {row['bytes'] >> 10:,} KiB, "
        f"{row['rows_loaded']:,} rows loaded; {rate / 1024:,.0f} KiB/s, time left {left}"
    )


def _touched(connection: Connection, day: date, files: Sequence[int]) -> bool:
    """Whether a day has a row of these files; one question a day, with bounds that leave the other days closed."""
    bounds = {"first": f"{day} 00:00:00+00", "after": f"{day + timedelta(days=1)} 00:00:00+00"}
    with connection.begin():
        return bool(execute(connection, "summary.touched", **bounds, files=files).scalar_one())


def files(connection: Connection, paths: Sequence[str], run_id: str) -> Rows:
    """Files by state: state, kind (of error), mine (brought there by this run), files, row counts."""
    return _rows(connection, "files", paths=list(paths), run=run_id)


def quarantined(connection: Connection, paths: Sequence[str]) -> Rows:
    """Open quarantine by rule, the most frequent first: rule, reason, lines, example (``path:line``)."""
    return _rows(connection, "quarantined", paths=list(paths))


def suites(connection: Connection, paths: Sequence[str]) -> Rows:
    """Verdicts: suite, rules, rules_broken, rows_critical, rows_warned (a row counts for each rule)."""
    return _rows(connection, "suites", paths=list(paths))


def busiest_services(connection: Connection, paths: Sequence[str]) -> tuple[str, Rows]:
    """A question over the newest day of these paths: its SQL, ready to paste, and the answer; ('', []) without rows.

    Only the sensors of the paths are asked about.
    """
    (day,) = _rows(connection, "newest_day", paths=list(paths))
    if day["first_day"] is None:
        return "", []
    bounds = {name: f"{day[name]} 00:00:00+00" for name in ("first_day", "next_day")}
    if day["alone"]:
        question = statement("summary.busiest_services").bindparams(**bounds)
    else:
        sensors = bindparam("sensors", day["sensors"], ARRAY(Text))
        question = statement("summary.busiest_services_of").bindparams(sensors, **bounds)
    text = str(question.compile(dialect=connection.dialect, compile_kwargs={"literal_binds": True}))
    with connection.begin():
        return text, [dict(row) for row in connection.exec_driver_sql(text).mappings()]

"""What a report says, as plain values: a function of SQL and a span of ``"@timestamp"``.

Rows are read once, in groups by hour, state, protocol and service; all else is asked of the ledger and its views.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy.engine import Connection

from etl.database.statements import execute
from etl.fields import CONN_STATES, STANDARD_NAMES
from etl.models import FileState
from etl.quality.rules import all_rules, reasons
from etl.report import network

Facts = dict[str, Any]
Rows = list[dict[str, Any]]

SHOWN = 50
"""Lines of a table at most."""
SERVICES = 15
WINDOWS = 5_000
DAYS_BY_HOUR = 92
"""Longer spans are drawn by day."""
BUCKETS = {"day": timedelta(days=62), "week": timedelta(days=366)}
"""Longest span whose trend is drawn by day and by week; longer ones are drawn by month."""
_EVER = (datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC))


@dataclass(frozen=True, kw_only=True, slots=True)
class Expected:
    """What the settings say of logs that do not come, as ``etl.monitoring.windows`` has it for alerts."""

    quiet: Mapping[str, Sequence[Any]] = field(
        default_factory=lambda: {"quiet": [], "own": [], "own_sensors": [], "own_hours": []}
    )
    """Hours in which no file is missed."""
    late: Sequence[str] = ()
    """Sensors that are behind by more than the settings allow, a sentence each."""


def gather(
    connection: Connection, since: datetime | None, until: datetime | None, expected: Expected | None = None
) -> Facts:
    """Everything that the report shows; the keys are those of ``conn-etl-report.json``.

    since, until: bounds of ``"@timestamp"``, the second one excluded; None is where the rows begin or end.
    """
    expected = expected or Expected()
    with connection.begin():
        execute(connection, "session.snapshot")
        execute(connection, "session.read_only")
        execute(connection, "session.roomy")
        whole = execute(connection, "report.span").one()
        now = datetime.now(UTC)
        span = {"since": since or whole.since or now, "until": until or whole.until or now}
        facts: Facts = {"created_at": now, **span}
        facts |= _rows(connection, span)
        facts["network"] |= network.gather(connection, span["since"], span["until"])
        # a file that brought no row has no place in time but its own: an open end takes it in
        span = {"since": since or _EVER[0], "until": until or _EVER[1]}
        facts["files"] = _ask(connection, "files", **span)
        facts["trend_by"] = _bucket(facts["until"] - facts["since"])
        facts |= _rules(connection, span, facts["trend_by"])
        facts["suites_not_run"] = _not_run(facts)
        lines = _quarantine(connection, span)
        facts["open_lines"] = next((row["open_lines"] for row in lines), 0)
        facts["quarantine"] = [{k: v for k, v in row.items() if k != "open_lines"} for row in lines]
        facts["problems"] = _ask(connection, "problems", **span, most=SHOWN)
        facts["missing_windows"] = execute(
            connection, "report.missing", **span, **expected.quiet
        ).scalar_one()
        facts["completeness"] = _ask(connection, "completeness", **span, most=WINDOWS)
        facts["lag"] = _ask(connection, "lag")
        facts["late"] = list(expected.late)
        facts["new_columns"] = _ask(connection, "columns", **span, most=SHOWN)
        facts["slowest_files"] = _ask(connection, "slowest", **span, most=10)
        facts["drift"] = _ask(connection, "drift", **span, most=SHOWN)
        facts["archive"] = _ask(connection, "archive", **span)
    facts["verdict"] = verdict(facts)
    return facts


def _bucket(length: timedelta) -> str:
    """What one column of the trend stands for, so that years fit on a page."""
    return next((name for name, most in BUCKETS.items() if length <= most), "month")


def _ask(connection: Connection, name: str, **values: Any) -> Rows:
    return [dict(row) for row in execute(connection, f"report.{name}", **values).mappings()]


def _rows(connection: Connection, span: Mapping[str, datetime]) -> Facts:
    bucket = "hour" if span["until"] - span["since"] <= timedelta(days=DAYS_BY_HOUR) else "day"
    kinds: dict[str, Rows] = {}
    execute(connection, "session.hash_only")
    for row in _ask(connection, "profile", **span, bucket=bucket, services=SERVICES):
        kinds.setdefault(row.pop("kind"), []).append(row)
    execute(connection, "session.sort_again")
    volume = [
        {"at": row["name"], "rows": row["total"], "bytes": int(row["bytes"])}
        for row in kinds.get("volume", [])
    ]
    total = sum(row["rows"] for row in volume)
    meanings = {state.code: state.meaning for state in CONN_STATES}
    filled = {row["name"]: row["total"] for row in kinds.get("filled", [])}
    nullable = [name for name in (*STANDARD_NAMES, "extra") if name in filled]
    claims = {row["name"]: row for row in kinds["claimed"]}
    beyond = claims["beyond the wire"]
    return {
        "rows": total,
        "bucket": bucket,
        "volume": sorted(volume, key=lambda row: str(row["at"])),
        "states": [
            {**share, "meaning": meanings.get(share["name"])}
            for share in _shares(kinds.get("state", []), total)
        ],
        "protocols": _shares(kinds.get("protocol", []), total),
        "services": _shares(kinds.get("service", []), total),
        "null_shares": [{"column": name, "share": 1 - filled[name] / total} for name in nullable if total],
        "network": {
            "claimed": {
                "rows": beyond["total"] or 0,
                "bytes": beyond["bytes"],
                "payload": claims["payload"]["bytes"],
            }
        },
    }


def _shares(rows: Iterable[Mapping[str, Any]], total: int) -> Rows:
    found = [{"name": row["name"], "rows": row["total"], "share": row["total"] / total} for row in rows]
    return sorted(found, key=lambda row: (-row["rows"], row["name"]))


def _rules(connection: Connection, span: Mapping[str, datetime], bucket: str) -> Facts:
    """``rules`` and ``trend``: what each rule found, and when."""
    why = reasons()
    asked = _ask(connection, "rules", **span, bucket=bucket)
    trend = [step for row in asked for step in row.pop("trend") or []]
    asked.sort(key=lambda row: (not row["failed"], row["severity"] != "critical"))
    rules = [
        {
            **row,
            "example": _example((row["sample"] or [None])[0]),
            "pass_rate": 1 - row["failed"] / row["rows"] if row["rows"] else 1.0,
            "why": why.get(row["rule"], ("", ""))[0],
            "source": why.get(row["rule"], ("", ""))[1],
        }
        for row in asked
    ]
    return {"rules": rules, "trend": sorted(trend, key=lambda step: (step["suite"], step["rule"]))}


def _not_run(facts: Facts) -> list[str]:
    """Suites without any result in the span, although it has rows."""
    ran = {row["suite"] for row in facts["rules"]}
    return sorted({rule.suite for rule in all_rules()} - ran) if facts["rows"] else []


def _example(found: Mapping[str, Any] | None) -> str:
    """One line about one entry of a verdict's sample."""
    if found is None:
        return ""
    if "measure" in found:
        usual = f", usual {found['usual']:.3g}" if found["usual"] is not None else ""
        return f"{found['measure']} {found['value']:.3g}{usual}"
    value = found.get("raw", found.get("value"))
    return f"line {found['line']}" + (f": {value}" if value is not None else "")


def _quarantine(connection: Connection, span: Mapping[str, datetime]) -> Rows:
    rows = _ask(connection, "quarantine", **span, most=SHOWN)
    asked = _ask(connection, "examples", ids=[row["quarantine_id"] for row in rows])
    examples = {row["quarantine_id"]: row for row in asked}
    for row in rows:
        example = examples[row["quarantine_id"]]
        raw = example["raw"]
        row["example"] = {
            "path": example["path"],
            "line": example["etl_line"],
            "raw": None if raw is None else bytes(raw).decode("utf-8", "backslashreplace"),
        }
    return rows


def verdict(facts: Facts) -> Facts:
    """One word, one sentence and the reasons: ``bad``, ``attention`` or ``good``."""
    files = {row["state"]: row["files"] for row in facts["files"]}
    refused = files.get(FileState.REFUSED, 0) + files.get(FileState.FAILED, 0)
    warned = [row["rule"] for row in facts["rules"] if row["failed"] and row["severity"] != "critical"]
    counted = (
        (refused, "file refused or failed", "files refused or failed"),
        (files.get(FileState.INCOMPLETE, 0), "file cut short", "files cut short"),
        (facts["open_lines"], "line open in quarantine", "lines open in quarantine"),
        (facts["missing_windows"], "window missing", "windows missing"),
        (len(facts["late"]), "sensor is behind", "sensors are behind"),
        (len(warned), "rule warns", "rules warn"),
    )
    said = [f"{count:,} {one if count == 1 else many}" for count, one, many in counted if count]
    if missing := facts["suites_not_run"]:
        verb = "suite has" if len(missing) == 1 else "suites have"
        said.append(f"{len(missing)} {verb} not run: {', '.join(missing)} (conn-etl check)")
    level = "bad" if refused else "attention" if said else "good"
    head = {
        "bad": "Something was not loaded",
        "attention": "Loaded, with something to look at",
        "good": "All is well",
    }
    return {"level": level, "sentence": head[level], "reasons": said}

"""The report: one HTML file that needs nothing outside itself, and the same as JSON; a function of SQL and a span.

Text that comes from logs is escaped by the template (autoescape is on) and by the chart library; the charts are the
only markup that goes in as it is.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy.engine import Connection

from etl.database.statements import execute
from etl.models import FileState
from etl.report.facts import WINDOWS, Expected, Facts, gather

if TYPE_CHECKING:
    from jinja2 import Template

NAME = "conn-etl-report"
"""File name without its ending."""
KEPT = 200
"""Reports that stay in the database."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Report:
    """A rendered report and what it says."""

    facts: Facts
    html: str

    def as_json(self) -> str:
        """The facts, times as ISO text."""
        return json.dumps(self.facts, default=_plain, ensure_ascii=False)

    def write(self, folder: Path) -> tuple[Path, Path]:
        """Write both files, and return their paths (HTML, JSON)."""
        folder.mkdir(parents=True, exist_ok=True)
        page, data = folder / f"{NAME}.html", folder / f"{NAME}.json"
        page.write_text(self.html, encoding="utf-8")
        data.write_text(self.as_json() + "\n", encoding="utf-8")
        return page, data


def build(
    connection: Connection,
    since: datetime | None = None,
    until: datetime | None = None,
    expected: Expected | None = None,
) -> Report:
    """Ask the database and render; ``expected`` is what the settings say of logs that do not come.

    Raises:
        EnvironmentProblem: the chart library is not installed.
    """
    facts = gather(connection, since, until, expected)
    return Report(facts=facts, html=render(facts))


def render(facts: Facts) -> str:
    """The page of these facts."""
    totals = {
        term: sum(row[term] for row in facts["files"] if FileState(row["state"]).has_rows)
        for term in ("rows_read", "rows_loaded", "rows_duplicate", "rows_quarantined")
    }
    return _template("report.html.j2").render(
        facts=facts,
        charts=_charts(facts),
        totals=totals,
        version=_version(),
        asked=_asked(facts),
        most_windows=WINDOWS,
    )


def newest_row(connection: Connection) -> datetime | None:
    """The newest ``"@timestamp"`` that the ledger knows; None without any row."""
    with connection.begin():
        newest: datetime | None = execute(connection, "report.newest_row").scalar_one()
    return newest


def page(connection: Connection, report_id: int) -> str | None:
    """The HTML of one of them."""
    with connection.begin():
        html: str | None = execute(connection, "report.page", id=report_id).scalar_one_or_none()
    return html


def overview(connection: Connection) -> str:
    """The page of Airflow's UI: kept reports, problems that stand, verdicts, reasons."""
    with connection.begin():
        asked = {
            "reports": execute(connection, "report.kept", most=50),
            "problems": execute(connection, "alerts.open"),
            "rules": execute(connection, "report.newest_verdicts"),
            "quarantine": execute(connection, "report.open_reasons", most=50),
        }
        rows = {name: [dict(row) for row in answer.mappings()] for name, answer in asked.items()}
    return _template("quality.html.j2").render(**rows)


def keep(connection: Connection, report: Report, run_id: str | None) -> int:
    """Store a report in the database, drop the oldest ones beyond ``KEPT``, and return its number."""
    with connection.begin():
        number = execute(
            connection,
            "report.keep",
            run=run_id,
            since=report.facts["since"],
            until=report.facts["until"],
            verdict=report.facts["verdict"]["level"],
            html=report.html,
            content=report.as_json(),
        ).scalar_one()
        execute(connection, "report.forget_old", keep=KEPT)
    return int(number)


def _charts(facts: Facts) -> dict[str, Any]:
    """The charts as markup; those that have nothing to show are empty."""
    from markupsafe import Markup

    from etl.report import charts

    drawn = dict.fromkeys(
        ("volume", "states", "protocols", "services", "nulls", "calendar", "trend", "bytes"), ""
    )
    if facts["volume"]:
        drawn["volume"] = charts.volume(facts["volume"], facts["bucket"])
        drawn["states"] = charts.shares(facts["states"], "name", "share")
        drawn["protocols"] = charts.shares(facts["protocols"], "name", "share", colour=charts.GREEN)
        drawn["services"] = charts.shares(facts["services"], "name", "share", colour=charts.AMBER)
        drawn["nulls"] = charts.shares(facts["null_shares"], "column", "share", colour=charts.GREY)
    if facts["network"]["bytes"]:
        drawn["bytes"] = charts.by_service(facts["network"]["bytes"])
    if facts["completeness"]:
        drawn["calendar"] = charts.calendar(facts["completeness"])
    if facts["trend"]:
        drawn["trend"] = charts.trend(facts["trend"])
    return {name: Markup(svg) for name, svg in drawn.items()}  # noqa: S704  the chart library escapes


@cache
def _template(name: str) -> Template:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("etl.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
    )
    environment.filters["moment"] = _moment
    environment.filters["cell"] = _cell
    return environment.get_template(name)


def _moment(value: datetime | None) -> str:
    return value.strftime("%Y-%m-%d %H:%M:%S UTC") if value else ""


def _asked(facts: Facts) -> Callable[[str], str]:
    """The call that asks a question for the span of the report."""
    span = " ".join(f"--{name} {facts[name].isoformat()}" for name in ("since", "until"))
    return lambda question: f"conn-etl query {question} {span}"


def _cell(value: Any, column: str) -> str:
    """A value of an answer: bytes as 1.4 GB, counts by thousands, moments to the second, ports as they are."""
    from rich.filesize import decimal

    if value is None:
        return ""
    if isinstance(value, bool) or column.endswith("port"):
        return str(value)
    if isinstance(value, int):
        return decimal(value) if "bytes" in column and value >= 0 else f"{value:,}"
    if isinstance(value, float):
        return decimal(int(value)) if "bytes" in column else f"{value:,.6g}"
    text = str(value)
    return _moment(datetime.fromisoformat(text)) if column in _TIMES and text else text


_TIMES = {"@timestamp", "first", "last", "hour", "first_seen", "last_seen"}


def _version() -> str:
    try:
        return version("conn-etl")
    except PackageNotFoundError:
        return "from a checkout"


def _plain(value: object) -> str | int | float:
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return float(value)
    return str(value)

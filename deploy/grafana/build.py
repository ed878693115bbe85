"""Make the two dashboards with Grafana's foundation SDK: ``python -m deploy.grafana.build`` from the repository's root.

Every panel asks rollups or views; hours that are not in a rollup yet come from the rows (``zeek.hourly``). So a month
is answered as fast as a day. The bounds are Grafana's own macros, which become literals.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from grafana_foundation_sdk.builders import barchart, dashboard, stat, table, timeseries
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.variants import Dataquery
from grafana_foundation_sdk.models.dashboard import Dashboard, DataSourceRef

FOLDER = Path(__file__).parent / "dashboards"
SOURCE = DataSourceRef(type_val="grafana-postgresql-datasource", uid="conn-etl")
HOURLY = "zeek.hourly(CAST($__timeFrom() AS timestamptz), CAST($__timeTo() AS timestamptz))"
IP_BYTES = "coalesce(sum(src_ip_bytes), 0) + coalesce(sum(dst_ip_bytes), 0)"
PAYLOAD = "coalesce(sum(src_bytes), 0) + coalesce(sum(dst_bytes), 0)"


@dataclass(frozen=True, kw_only=True)
class Query(Dataquery):
    """A query of the PostgreSQL data source, which the SDK has no type for."""

    sql: str
    form: str

    def to_json(self) -> dict[str, object]:
        """As Grafana stores it."""
        return {
            "refId": "A", "datasource": SOURCE, "format": self.form, "rawQuery": True, "editorMode": "code",
            "rawSql": self.sql,
        }  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Asked(Builder[Query]):
    """The builder of a query, as panels take it."""

    query: Query

    def build(self) -> Query:
        """The query itself."""
        return self.query


def _asked(sql: str, form: str) -> Asked:
    return Asked(query=Query(sql=" ".join(sql.split()), form=form))


def lines(title: str, unit: str, sql: str) -> Any:
    """A panel over time: columns time, metric, value."""
    panel = timeseries.Panel().title(title).datasource(SOURCE).unit(unit).span(12).height(8)
    return panel.with_target(_asked(sql, "time_series"))


def number(title: str, unit: str, sql: str) -> Any:
    """A panel with one number."""
    return (
        stat.Panel()
        .title(title)
        .datasource(SOURCE)
        .unit(unit)
        .span(6)
        .height(4)
        .with_target(_asked(sql, "table"))
    )


def rows(title: str, sql: str) -> Any:
    """A panel with a table."""
    return table.Panel().title(title).datasource(SOURCE).span(12).height(9).with_target(_asked(sql, "table"))


def bars(title: str, sql: str) -> Any:
    """A panel with a bar for each line."""
    return (
        barchart.Panel().title(title).datasource(SOURCE).span(12).height(8).with_target(_asked(sql, "table"))
    )


def network() -> Dashboard:
    """What happened on the network."""
    made = (
        dashboard.Dashboard("Zeek conn: network").uid("conn-etl-network").tags(["zeek"]).time("now-7d", "now")
    )
    panels = [
        number("Connections", "short", f"SELECT sum(connections) AS connections FROM {HOURLY}"),
        number("Bytes at the IP level", "decbytes", f"SELECT {IP_BYTES} AS ip_bytes FROM {HOURLY}"),
        number("Payload by sequence numbers", "decbytes", f"SELECT {PAYLOAD} AS payload_bytes FROM {HOURLY}"),
        number(
            "Loss of payload", "percentunit",
            f"SELECT zeek.loss(sum(network_missed_bytes), {PAYLOAD}) AS loss FROM {HOURLY}",
        ),
        lines(
            "IP bytes by service", "decbytes",
            f"""SELECT hour AS "time", coalesce(network_application, '(unset)') AS metric, {IP_BYTES} AS value
            FROM {HOURLY} GROUP BY 1, 2 ORDER BY 1""",
        ),
        lines(
            "Connections by state", "short",
            f"""SELECT hour AS "time", coalesce(network_connection_state, '(unset)') AS metric,
            sum(connections) AS value FROM {HOURLY} GROUP BY 1, 2 ORDER BY 1""",
        ),
        lines(
            "Packet loss by sensor", "percentunit",
            f"""SELECT hour AS "time", sensor AS metric, zeek.loss(sum(network_missed_bytes), {PAYLOAD}) AS value
            FROM {HOURLY} GROUP BY 1, 2 ORDER BY 1""",
        ),
        bars(
            "Services by IP bytes",
            f"""SELECT coalesce(network_application, '(unset)') AS service, {IP_BYTES} AS ip_bytes
            FROM {HOURLY} GROUP BY 1 ORDER BY 2 DESC LIMIT 12""",
        ),
        *(
            rows(
                title,
                f"""SELECT host(ip_addr) AS address, zeek.network_of(ip_addr) AS name, connections, ip_bytes
                FROM (
                    SELECT ip_addr, sum(connections) AS connections, {IP_BYTES} AS ip_bytes
                    FROM zeek.daily_top(CAST($__timeFrom() AS timestamptz), CAST($__timeTo() AS timestamptz))
                    WHERE role = '{role}' GROUP BY ip_addr ORDER BY 3 DESC LIMIT 20
                ) AS top ORDER BY ip_bytes DESC""",
            )
            for title, role in (("Top originators", "src"), ("Top responders", "dst"))
        ),
    ]  # fmt: skip
    for panel in panels:
        made = made.with_panel(panel)
    return made.build()


def load() -> Dashboard:
    """How loading goes, and how good the data are."""
    made = (
        dashboard.Dashboard("Zeek conn: load and quality")
        .uid("conn-etl-load")
        .tags(["zeek"])
        .time("now-7d", "now")
    )
    panels = [
        number(
            "Rows loaded", "short",
            "SELECT sum(rows_loaded) AS rows FROM etl.file WHERE $__timeFilter(finished_at)",
        ),
        number(
            "Rows in quarantine", "short",
            "SELECT count(*) AS rows FROM etl.quarantine WHERE state = 'open' AND $__timeFilter(created_at)",
        ),
        number(
            "Windows missing", "short",
            "SELECT count(*) AS windows FROM etl.completeness"
            " WHERE state = 'missing' AND $__timeFilter(window_start)",
        ),
        number(
            "Hours behind, the worst sensor", "h",
            "SELECT max(extract(EPOCH FROM behind) / 3600) AS hours FROM etl.lag",
        ),
        lines(
            "Rows by hour of loading", "short",
            """SELECT date_trunc('hour', finished_at) AS "time", state AS metric, sum(rows_read) AS value
            FROM etl.file WHERE $__timeFilter(finished_at) GROUP BY 1, 2 ORDER BY 1""",
        ),
        lines(
            "Share of rows that fail a rule, by day", "percentunit",
            """SELECT CAST(day AS timestamp) AT TIME ZONE 'UTC' AS "time", rule AS metric, share AS value
            FROM etl.rule_trend
            WHERE $__timeFilter(CAST(day AS timestamp) AT TIME ZONE 'UTC') AND failed > 0 ORDER BY 1""",
        ),
        rows("Files by state", "SELECT * FROM etl.files_by_state"),
        rows(
            "Files to look at",
            """SELECT path, state, reason, open_lines, rules FROM etl.file_problem
            WHERE finished_at IS NULL OR $__timeFilter(finished_at) ORDER BY finished_at DESC NULLS FIRST LIMIT 50""",
        ),
        rows(
            "Lines in quarantine by reason",
            """SELECT rule, reason, field, lines, files, last_seen FROM etl.quarantine_reason
            WHERE state = 'open' AND $__timeFilter(last_seen) ORDER BY lines DESC LIMIT 50""",
        ),
        rows("How far each sensor has come", "SELECT sensor, newest_window_end, newest_row, loaded_at FROM etl.lag"),
    ]  # fmt: skip
    for panel in panels:
        made = made.with_panel(panel)
    return made.build()


DASHBOARDS = {"network.json": network, "load.json": load}


def text(made: Dashboard) -> str:
    """A dashboard as its file has it."""
    return JSONEncoder(sort_keys=True, indent=2).encode(made) + "\n"


def main() -> None:
    """Write both files."""
    FOLDER.mkdir(exist_ok=True)
    for name, build in DASHBOARDS.items():
        (FOLDER / name).write_text(text(build()), encoding="utf-8")


if __name__ == "__main__":
    main()

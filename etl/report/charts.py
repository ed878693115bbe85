"""Charts as SVG text, drawn by Vega-Lite inside vl-convert: no browser, no network, no script in the page.

Colours are such that the page's style may be light or dark; text takes its colour from the page.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from etl.errors import EnvironmentProblem

Spec = dict[str, Any]
Rows = Sequence[Mapping[str, Any]]

INK = "#8a8f98"
BLUE, GREEN, AMBER, RED, GREY = "#3b82c4", "#3f9b6c", "#d79921", "#cf4a4a", "#9aa0a6"
STATES = {"loaded": GREEN, "waiting": BLUE, "refused": AMBER, "missing": RED}
_CONFIG: Spec = {
    "background": None,
    "font": "Arial, Helvetica, sans-serif",
    "padding": {"left": 35, "top": 5, "right": 40, "bottom": 5},  # the reader's font may be wider than ours
    "view": {"stroke": None},
    "axis": {"gridColor": "#8a8f9833", "domainColor": INK, "tickColor": INK, "labelLimit": 260},
    "legend": {"labelLimit": 260},
    "bar": {"color": BLUE},
}


def svg(spec: Spec) -> str:
    """Draw one chart.

    Raises:
        EnvironmentProblem: vl-convert is not installed.
    """
    try:
        import vl_convert
    except ImportError as error:
        raise EnvironmentProblem("charts need vl-convert", hint="pip install 'conn-etl[report]'") from error
    full = {"$schema": "https://vega.github.io/schema/vega-lite/v5.json", "config": _CONFIG, **spec}
    drawn: str = vl_convert.vegalite_to_svg(full, allowed_base_urls=[])
    return drawn


def volume(rows: Rows, bucket: str) -> str:
    """Connections by hour or day."""
    x = {
        "field": "at",
        "type": "temporal",
        "timeUnit": f"utc{'yearmonthdatehours' if bucket == 'hour' else 'yearmonthdate'}",
    }
    return svg(
        {
            "width": 820,
            "height": 180,
            "data": {"values": [dict(row) for row in rows]},
            "mark": {"type": "bar", "tooltip": None},
            "encoding": {
                "x": {
                    **x,
                    "title": None,
                    "axis": {
                        "labelOverlap": True,
                        "format": "%d %b %H:%M" if bucket == "hour" else "%d %b %Y",
                    },
                },
                "y": {
                    "field": "rows",
                    "type": "quantitative",
                    "title": "connections",
                    "axis": {"format": "~s"},
                },
            },
        }
    )


def by_service(rows: Rows) -> str:
    """IP bytes by time, a colour for each service."""
    return svg(
        {
            "width": 820,
            "height": 200,
            "data": {"values": [dict(row) for row in rows]},
            "mark": {"type": "bar"},
            "encoding": {
                "x": {
                    "field": "at",
                    "type": "temporal",
                    "timeUnit": "utcyearmonthdatehours",
                    "title": None,
                    "axis": {"labelOverlap": True, "format": "%d %b %H:%M"},
                },
                "y": {
                    "field": "bytes",
                    "type": "quantitative",
                    "title": "bytes",
                    "axis": {"format": "~s"},
                },
                "color": {
                    "field": "service",
                    "type": "nominal",
                    "title": None,
                    "scale": {"scheme": "tableau10"},
                },
            },
        }
    )


def shares(rows: Rows, name: str, value: str, *, colour: str = BLUE, width: int = 300) -> str:
    """A bar for each name with its share in per cent."""
    bars: Spec = {"type": "bar", "color": colour, "height": {"band": 0.7}}
    text: Spec = {"type": "text", "align": "left", "dx": 4}
    y = {"field": name, "type": "nominal", "title": None, "sort": None}
    x = {"field": value, "type": "quantitative", "title": None, "axis": {"format": "%", "tickCount": 4}}
    return svg(
        {
            "width": width,
            "height": {"step": 18},
            "data": {"values": [{name: row[name], value: row[value]} for row in rows]},
            "encoding": {"y": y, "x": {**x, "scale": {"domain": [0, 1]}}},
            "layer": [
                {"mark": bars},
                {
                    "mark": text,
                    "encoding": {"text": {"field": value, "type": "quantitative", "format": ".1%"}},
                },
            ],
        }
    )


def calendar(rows: Rows) -> str:
    """A cell for each hour of each sensor's days: loaded, waiting, not loaded or missing."""
    order = {state: place for place, state in enumerate(STATES)}
    worst: dict[tuple[str, int], str] = {}
    for row in rows:
        label = f"{row['sensor']}  {row['day']}".strip()
        key = (label, row["hour"])
        if order[row["state"]] >= order[worst.get(key, "loaded")]:
            worst[key] = row["state"]
    values = [{"day": day, "hour": hour, "state": state} for (day, hour), state in worst.items()]
    colour = {"domain": list(STATES), "range": list(STATES.values())}
    return svg(
        {
            "width": {"step": 24},
            "height": {"step": 18},
            "data": {"values": values},
            "mark": {"type": "rect", "cornerRadius": 2, "stroke": "#8a8f9833"},
            "encoding": {
                "x": {"field": "hour", "type": "ordinal", "title": "hour (UTC)", "axis": {"labelAngle": 0}},
                "y": {"field": "day", "type": "ordinal", "title": None},
                "color": {"field": "state", "type": "nominal", "title": None, "scale": colour},
            },
        }
    )


def trend(rows: Rows) -> str:
    """A cell for each rule and day, the darker the larger the share of rows that failed."""
    return svg(
        {
            "width": {"step": 24},
            "height": {"step": 18},
            "data": {"values": [{k: row[k] for k in ("day", "rule", "share")} for row in rows]},
            "mark": {"type": "rect", "cornerRadius": 2, "stroke": "#8a8f9833"},
            "encoding": {
                "x": {"field": "day", "type": "ordinal", "title": None},
                "y": {"field": "rule", "type": "nominal", "title": None},
                "color": {
                    "field": "share",
                    "type": "quantitative",
                    "title": "share failed",
                    "scale": {"type": "pow", "exponent": 0.3, "domain": [0, 1], "range": [GREEN, AMBER, RED]},
                    "legend": {"format": ".0%", "tickCount": 4},
                },
            },
        }
    )

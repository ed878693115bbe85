"""Airflow's plugin, found by the entry point ``airflow.plugins``: the page *zeek-quality* in the navigation.

Every component of Airflow imports plugins, and only the api-server needs the page: it is imported when that asks.
"""

from __future__ import annotations

from typing import Any

from airflow.plugins_manager import AirflowPlugin

NAME = "zeek-quality"


class ZeekQualityPlugin(AirflowPlugin):
    """Registers app and view; the href ends with a slash, or Airflow's own page answers."""

    name = "zeek_quality"
    external_views = [  # noqa: RUF012  Airflow's interface
        {
            "name": NAME,
            "href": f"{NAME}/",
            "destination": "nav",
            "category": "browse",
            "url_route": NAME,
        }
    ]

    @property
    def fastapi_apps(self) -> list[dict[str, Any]]:  # type: ignore[override]  # read once, by the api-server
        """The app, its prefix and its name."""
        from etl.airflow.page import app

        return [{"app": app, "url_prefix": f"/{NAME}", "name": NAME}]

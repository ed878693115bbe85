"""The verb ``settings``: every setting with its value, where the value comes from, and what it does."""

from __future__ import annotations

import os
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import typer

from etl.cli import console
from etl.cli.console import Json, dump
from etl.cli.tables import table

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

INTRODUCTION = """# Settings

Every setting is an environment variable. Made from `etl/settings.py` by `conn-etl settings --markdown`; a test compares
them. `conn-etl settings` shows the values in force and where each comes from. Lists and objects are written as JSON.
Durations take `90s`, `5m`, `3h`, `30d` or ISO 8601; sizes take `100GB` or `5GiB`. A `CONN_ETL_…` in the environment
that is not in this table is an error, which names the nearest setting.

| variable | default | meaning |
|---|---|---|
"""


def register(app: typer.Typer) -> None:
    """Add the verb of this module."""
    app.command(rich_help_panel=console.OPERATING)(settings)


def settings(
    *, as_json: Json = False, markdown: bool = typer.Option(False, "--markdown", hidden=True)
) -> None:
    """Show every setting: its value, where the value comes from, and what it does."""
    from etl.settings import PREFIX, Settings

    if markdown:
        console.out.print(page(), end="", markup=False, soft_wrap=True)
        return
    values = console.settings()
    rows = []
    for name, field in Settings.model_fields.items():
        variable = PREFIX + name.upper()
        origin = "environment" if variable in os.environ else "default"
        rows.append((variable, _text(getattr(values, name)), origin, field.description))
    if as_json:
        dump(
            {name: {"value": value, "origin": origin, "meaning": what} for name, value, origin, what in rows}
        )
    else:
        table("", ("setting", "value", "origin", "meaning"), rows)


def page() -> str:
    """``docs/settings.md``: a row for each setting, in the order of ``etl/settings.py``."""
    from etl.settings import PREFIX, Settings

    rows = [
        f"| `{PREFIX}{name.upper()}` | {_default(field)} | {field.description} |"
        for name, field in Settings.model_fields.items()
    ]
    return INTRODUCTION + "\n".join(rows) + "\n"


def _default(field: FieldInfo) -> str:
    text = _text(field.get_default(call_default_factory=True))
    return f"`{text}`" if text else ""


def _text(value: Any) -> str:
    """A value as one would write it in the environment; a secret stays hidden."""
    import json
    from datetime import date

    from pydantic import ByteSize

    from etl import source

    if value is None:
        return ""
    if isinstance(value, timedelta):
        return _duration(value)
    if isinstance(value, ByteSize):
        return value.human_readable(separator="").replace(".0", "")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, (dict, tuple, list)):
        return source.masked(json.dumps(value, default=_plain, ensure_ascii=False))
    return source.masked(str(value))


def _plain(value: Any) -> Any:
    """A nested value for JSON: the settings of a sensor, a moment."""
    from pydantic import BaseModel

    return value.model_dump(mode="json", exclude_none=True) if isinstance(value, BaseModel) else str(value)


def _duration(value: timedelta) -> str:
    seconds = int(value.total_seconds())
    for unit, length in (("d", 86_400), ("h", 3_600), ("m", 60)):
        if seconds and seconds % length == 0:
            return f"{seconds // length}{unit}"
    return f"{seconds}s"

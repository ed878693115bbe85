"""The data dictionary as a page: ``python -m etl.mapping.dictionary > docs/fields.md``; a test compares them."""

from __future__ import annotations

import sys

from etl import fields


def markdown() -> str:
    """All 25 fields with their types and units, then the enumerations, as Markdown."""
    lines = [
        "# The fields of zeek.conn",
        "",
        "Made by `python -m etl.mapping.dictionary` from `etl/fields.py`. The table adds `etl_file_id` and",
        "`etl_line`, where a row came from, and `extra`, what the log had beyond these 25 columns (jsonb, NULL when",
        "nothing).",
        "Unset is NULL.",
        "",
        "| standard name | Zeek field | type | unit | |",
        "|---|---|---|---|---|",
    ]
    for field in fields.FIELDS:
        doc = f"**Required.** {field.doc}" if field.required else field.doc
        lines.append(
            f"| `{field.standard}` | `{field.zeek}` | {field.pg_type} | {field.unit or ''} | {doc} |"
        )
    lines += ["", "## Connection states", "", "| `network_connection_state` | meaning |", "|---|---|"]
    lines += [f"| `{state.code}` | {state.meaning} |" for state in fields.CONN_STATES]
    lines += ["", "## History letters", "", "| letter | meaning | |", "|---|---|---|"]
    lines += [
        f"| `{flag.letter}` | {flag.meaning} | {'' if flag.since == 'dictionary' else 'since newer versions of Zeek'} |"
        for flag in fields.HISTORY_FLAGS
    ]
    lines += ["", "Capitals: by the originator; small letters: by the responder.", ""]
    lines += ["Transport protocols: " + ", ".join(f"`{name}`" for name in fields.PROTOCOLS) + "."]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.stdout.write(markdown())

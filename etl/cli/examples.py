"""An example for the help of each verb that brings none itself; a test shows that the command takes each of them."""

from __future__ import annotations

import typer

from etl.cli.console import example

EXAMPLES = {
    "status": "conn-etl status",
    "verify": "conn-etl verify && echo 'the tables match the ledger'",
    "up": "CONN_ETL_HOME=/var/lib/conn-etl conn-etl up",
    "down": "conn-etl down",
    "migrate": "CONN_ETL_DATABASE_URL=postgresql://me@db/conn_etl conn-etl migrate",
    "doctor": "conn-etl doctor",
    "psql": "conn-etl psql 'SELECT count(*) FROM zeek.conn'",
    "rollups": "conn-etl rollups",
    "metrics": "conn-etl metrics --listen 127.0.0.1:9187",
    "settings": "conn-etl settings | grep KEEP",
    "quarantine list": "conn-etl quarantine list --since 7d",
    "quarantine show": "conn-etl quarantine show 17",
    "quarantine export": "conn-etl quarantine export --as-log --file conn.log --out fix.log",
    "quarantine replay": "conn-etl quarantine replay --rule expired --why 'the day is back'",
    "quarantine discard": "conn-etl quarantine discard 17 --why 'a test of the sensor'",
    "lookup list": "conn-etl lookup list",
    "lookup remove": "conn-etl lookup remove networks",
    "partitions list": "conn-etl partitions list",
    "partitions ensure": "conn-etl partitions ensure 2026-03-01",
    "partitions seal": "conn-etl partitions seal",
    "partitions drop": "conn-etl partitions drop 2026-03-01 --yes",
    "partitions restore": "conn-etl partitions restore 2026-03-01",
    "archive export": "conn-etl archive export 2026-03-01",
    "archive verify": "conn-etl archive verify",
    "archive list": "conn-etl archive list",
    "archive restore": "conn-etl archive restore 2026-03-01 --keep 30",
    "archive drop-expired": "conn-etl archive drop-expired --yes",
    "archive query": "conn-etl archive query top_talkers --since 2024-03-01 --until 2024-04-01",
    "archive paths": "conn-etl archive paths --since 2024-03-01",
}


def complete(app: typer.Typer, group: str = "") -> None:
    """Give each verb of the command its example."""
    for verb in app.registered_commands:
        name = verb.name or getattr(verb.callback, "__name__", "").strip("_")
        if verb.epilog is None and (text := EXAMPLES.get(f"{group}{name}")):
            verb.epilog = example(text)
    for sub in app.registered_groups:
        if sub.typer_instance is not None:
            complete(sub.typer_instance, f"{sub.name} ")

"""dlt loads the JSON log into a table of its own, as it does; then one INSERT moves the rows into the keyed table."""

import gzip
import json
import os
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any

os.environ.update(
    RUNTIME__DLTHUB_TELEMETRY="false", DLT_DATA_DIR=tempfile.mkdtemp(), RUNTIME__LOG_LEVEL="CRITICAL"
)

import dlt
import psycopg2
from columns import COLUMNS, FILE_ID, PG_TYPES, timed

CHUNK = 10_000
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
KINDS = {"bigint": "bigint", "integer": "bigint", "double precision": "double", "boolean": "bool"}
SHORT = {name: name.replace(".", "_") for name in COLUMNS}


@dlt.resource(name="flows", write_disposition="append")
def flows(log: str) -> Iterator[list[dict[str, Any]]]:
    """Objects of the log, in lists."""
    with gzip.open(log, "rt") as file:
        while lines := list(islice(file, CHUNK)):
            yield [row(json.loads(line)) for line in lines]


def row(flow: dict[str, Any]) -> dict[str, Any]:
    """The known columns; a list would become a table of its own."""
    found: dict[str, Any] = {SHORT[name]: flow[name] for name in COLUMNS if name in flow}
    found["ts"] = EPOCH + timedelta(microseconds=round(flow["ts"] * 1e6))
    if "tunnel_parents" in found:
        found["tunnel_parents"] = json.dumps(found["tunnel_parents"])
    return found


def load(log: str, url: str) -> None:
    """Load, then move."""
    hints = {
        SHORT[name]: {"data_type": "timestamp" if name == "ts" else KINDS.get(kind, "text"), "nullable": True}
        for name, kind in PG_TYPES.items()
    }
    with_password = url.replace("@", ":unused@", 1)  # dlt insists on one, a socket asks for none
    target = dlt.destinations.postgres(with_password)
    pipeline = dlt.pipeline("bench", destination=target, dataset_name="dlt_bench")
    pipeline.run(flows(log).apply_hints(columns=hints))
    names = ", ".join(f'"{name}"' for name in COLUMNS.values())
    values = ", ".join(f'CAST("{SHORT[name]}" AS {PG_TYPES[name]})' for name in COLUMNS)
    with psycopg2.connect(url) as connection, connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO zeek.conn ({names}, etl_file_id, etl_line)"  # noqa: S608  names of our own
            f" SELECT {values}, {FILE_ID}, 0 FROM dlt_bench.flows"
        )


timed(load)

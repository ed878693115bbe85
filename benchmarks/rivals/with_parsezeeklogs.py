"""parsezeeklogs yields typed records one by one; psycopg sends them by COPY, row by row, in one transaction."""

import json
from datetime import UTC, datetime, timedelta

import psycopg
from columns import COLUMNS, FILE_ID, timed
from parsezeeklogs import read_zeek

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
NAMES = [*(name for name in COLUMNS if name not in ("ts", "tunnel_parents"))]


def load(log: str, url: str) -> None:
    """Read and send."""
    columns = ", ".join(f'"{COLUMNS[name]}"' for name in (*NAMES, "tunnel_parents", "ts"))
    command = f"COPY zeek.conn ({columns}, etl_file_id, etl_line) FROM STDIN"
    with psycopg.connect(url) as connection, connection.cursor() as cursor, cursor.copy(command) as copy:
        for record in read_zeek(log):
            parents = record.get("tunnel_parents")
            text = json.dumps(list(parents)) if parents is not None else None
            copy.write_row((*map(record.get, NAMES), text, moment(record["ts"]), FILE_ID, 0))


def moment(ts: object) -> datetime:
    """A time that PostgreSQL takes."""
    return ts if isinstance(ts, datetime) else EPOCH + timedelta(microseconds=round(float(str(ts)) * 1e6))


timed(load)

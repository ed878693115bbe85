"""The limit that everything is held against: one COPY of the same clean rows into the same table with the same key."""

from __future__ import annotations

import time
from pathlib import Path

import psycopg2
from psycopg2 import sql

from benchmarks.server import run
from etl import pipeline
from etl.database.store import Store
from etl.fields import COPY_COLUMNS
from etl.settings import Settings

DAYS = (
    "SELECT etl.ensure_partition(day::date)"
    " FROM generate_series('2026-02-01'::date, '2026-03-02', '1 day') AS days (day)"
)
"""Every day that a row of ``write_conn_log`` falls on, however long ago its connection began."""
_COLUMNS = sql.SQL(", ").join(map(sql.Identifier, COPY_COLUMNS))


def clean_rows(url: str, log: Path, csv: Path) -> int:
    """Load the log into this fresh database and write the table's rows as CSV in the log's order; returns how many."""
    run(url, DAYS)
    pipeline.ingest(Store.open(url, Settings()), [str(log)])
    query = sql.SQL("COPY (SELECT {} FROM zeek.conn ORDER BY etl_line) TO STDOUT (FORMAT csv)").format(
        _COLUMNS
    )
    connection = psycopg2.connect(url)
    with csv.open("wb") as file, connection.cursor() as cursor:
        cursor.copy_expert(query, file)
        rows = cursor.rowcount
    connection.close()
    return rows


def plain_copy(url: str, csv: Path) -> float:
    """Seconds of one COPY of all rows into days that exist, commit included, after a CHECKPOINT."""
    make_days(url)
    return copy(url, csv)


def make_days(url: str) -> None:
    """Make all days that the rows need, and write what that left to be written."""
    run(url, DAYS)
    run(url, "CHECKPOINT")


def copy(url: str, csv: Path) -> float:
    """Seconds of the COPY itself, commit included."""
    command = sql.SQL("COPY zeek.conn ({}) FROM STDIN (FORMAT csv)").format(_COLUMNS)
    connection = psycopg2.connect(url, application_name="plain COPY")
    with csv.open("rb") as file, connection.cursor() as cursor:
        begin = time.monotonic()
        cursor.copy_expert(command, file, 1 << 20)
        connection.commit()
        seconds = time.monotonic() - begin
    connection.close()
    return seconds


def rows_in(url: str, table: str = "zeek.conn") -> int:
    """Rows of a table."""
    query = sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(*table.split(".")))
    return int(str(run(url, query)[0][0]))

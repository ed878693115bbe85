"""Questions to the archive: DuckDB over the files of the table's current snapshot, whatever store they are on.

It sees ``zeek.conn`` and ``zeek.conn_service`` from the files; and the small tables that outlive retention (rollups,
the ledger's files, the lookup tables) from PostgreSQL, those that the SQL names. A question of the cookbook is run as
it stands, or as ``sql/queries/duckdb/<name>.sql`` where its own text cannot be portable. Nothing can be written, and
no other file can be read.
"""

from __future__ import annotations

import ipaddress
import json
import re
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from etl.archive import layout
from etl.archive.table import Archive, path_of, since_of
from etl.database.statements import execute, statement
from etl.errors import Busy, Misuse
from etl.query.ask import Answer, ask
from etl.query.cookbook import Question
from etl.resources import resource_dir

if TYPE_CHECKING:
    import pyarrow.dataset as ds
    from duckdb import DuckDBPyConnection
    from sqlalchemy.engine import Connection

CONFIGURATION: dict[str, str | bool | int | float | list[str]] = {
    "autoload_known_extensions": "false",
    "autoinstall_known_extensions": "false",
}
"""DuckDB fetches nothing from the network."""
CHUNK = 5_000
"""Rows fetched at a time."""
TABLES = {
    "zeek.conn_hour": "duckdb.conn_hour",
    "zeek.top_address": "duckdb.top_address",
    "zeek.conn_state": "duckdb.conn_state",
    "zeek.history_flag": "duckdb.history_flag",
    "etl.file": "duckdb.file",
}
"""Tables that PostgreSQL keeps when a day is dropped, and the statements that read them."""

_OIDS = {
    "BOOLEAN": 16,
    "BIGINT": 20,
    "SMALLINT": 21,
    "INTEGER": 23,
    "DOUBLE": 701,
    "DATE": 1082,
    "TIMESTAMP WITH TIME ZONE": 1184,
    "HUGEINT": 1700,
    "JSON": 3802,
}
"""DuckDB's types → OIDs of PostgreSQL's, which ``query.formats`` goes by; all others are text."""
_TEXT, _NUMERIC = 25, 1700
_PRIVATE = ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7")
_SPECIAL = (
    "0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/4", "255.255.255.255", "::", "::1", "fe80::/10",
    "ff00::/8",
)  # fmt: skip
"""The networks of zeek.is_external (sql/functions/network.sql); a test compares the answers."""
_ADDRESS = re.compile(r"\b(?:\w+\.)?\w*(?:ip_addr|_network)\b")
"""Columns that hold an address, by their names."""
_ORDER = re.compile(r"ORDER BY(?:(?!\bSELECT\b|ORDER BY).)*?(?=\bLIMIT\b|\Z)", re.DOTALL)
"""The order of the lines of an answer, or of those that LIMIT picks; windows and aggregates have theirs in brackets."""


def needs_rows(question: Question) -> bool:
    """Whether the archive has to be asked: rollups outlive retention in PostgreSQL, which answers those questions."""
    return question.bound != "rollup"


def text_of(question: Question) -> str:
    """The question's SQL for DuckDB, where addresses are text and would be ordered as such."""
    own = resource_dir("sql") / "queries" / "duckdb" / f"{question.name}.sql"
    sql = own.read_text(encoding="utf-8") if own.is_file() else question.sql
    return _ORDER.sub(lambda order: _ADDRESS.sub(r"inet_key(\g<0>)", order[0]), sql)


def dataset(archive: Archive) -> ds.Dataset:
    """All files of the current snapshot; one is opened only if its day is asked for."""
    import pyarrow.dataset as ds

    paths, days = [], []
    time = ds.field(layout.TIME)
    for day, files in sorted(archive.day_files().items()):
        first = since_of(day)
        for file in files:
            paths.append(path_of(file.file_path))
            days.append((time >= first) & (time < first + timedelta(days=1)))
    return ds.FileSystemDataset.from_paths(
        paths,
        schema=layout.arrow_schema(),
        format=ds.ParquetFileFormat(),
        filesystem=archive.files,
        partitions=days,
    )


@contextmanager
def answering(
    connection: Connection,
    archive: Archive,
    question: Question | None,
    sql: str,
    values: Mapping[str, Any],
    timeout: timedelta,
) -> Iterator[Answer]:
    """The answer of whichever engine has what is asked for; no question: SQL for the archive. Raises as ``asking``."""
    if question is not None and not needs_rows(question):
        yield ask(connection, question.sql, values)
        return
    with asking(connection, dataset(archive), sql, values, timeout) as answer:
        yield answer


@contextmanager
def asking(
    connection: Connection, rows: ds.Dataset, sql: str, values: Mapping[str, Any], timeout: timedelta
) -> Iterator[Answer]:
    """Run SQL and stream its answer, as long as the context is open.

    Args:
        connection: to PostgreSQL, for the tables that it keeps.
        rows: what ``zeek.conn`` is.
        sql: parameters are written ``:name``.
        values: of the parameters.
        timeout: the longest that it may take.

    Raises:
        Misuse: DuckDB does not take it; the message says why.
        Busy: it took longer than ``timeout``.
    """
    import duckdb

    with duckdb.connect(":memory:", config=CONFIGURATION) as duck:
        _prepare(duck, connection, rows, sql)
        timer = threading.Timer(timeout.total_seconds(), duck.interrupt)
        timer.daemon = True
        timer.start()
        try:
            result = duck.execute(_named(sql, values), dict(values))
            yield Answer(
                columns=tuple(column[0] for column in result.description or ()),
                types=tuple(_oid(str(column[1])) for column in result.description or ()),
                rows=_rows(result, [str(column[1]) == "JSON" for column in result.description or ()]),
            )
        except duckdb.InterruptException as error:
            raise Busy(f"the question took longer than {timeout}") from error
        except duckdb.Error as error:
            raise Misuse(str(error).partition("\n")[0], hint="the archive takes DuckDB's SQL") from error
        finally:
            timer.cancel()


def _prepare(duck: DuckDBPyConnection, connection: Connection, rows: ds.Dataset, sql: str) -> None:
    """Make the tables, then shut the door."""
    duck.register("archived", rows)
    for function, result in FUNCTIONS:
        duck.create_function(function.__name__, function, return_type=result)
    duck.execute(statement("duckdb_session.prepare").text)
    for table in TABLES:
        if re.search(rf"\b{re.escape(table)}\b", sql):
            _copy(duck, connection, table)
    duck.execute(statement("duckdb_session.close").text)


def _copy(duck: DuckDBPyConnection, connection: Connection, table: str) -> None:
    """One of PostgreSQL's tables, as it is now."""
    from etl.query import formats

    result = execute(connection, TABLES[table])
    described: Any = result.cursor.description
    answer = Answer(
        columns=tuple(result.keys()),
        types=tuple(column[1] for column in described),
        rows=(tuple(row) for row in result),
    )
    duck.register("copied", formats.frame(answer).to_arrow())
    duck.execute(f"CREATE TABLE {table} AS SELECT * FROM copied")  # noqa: S608  a name of TABLES
    duck.unregister("copied")


def _named(sql: str, values: Mapping[str, Any]) -> str:
    """DuckDB writes ``$name``; other colons stay."""
    names = "|".join(map(re.escape, values)) or "(?!)"
    return re.sub(rf"(?<!:):({names})\b", r"$\1", sql)


@lru_cache(maxsize=100_000)
def inet_key(address: str) -> str:
    """A text that stands where PostgreSQL puts the address when it orders them."""
    found = ipaddress.ip_interface(address)
    return f"{found.version}{int(found.ip):032x}/{found.network.prefixlen:03}"


@lru_cache(maxsize=100_000)
def set_masklen(address: str, bits: int) -> str:
    """PostgreSQL's function of this name."""
    return f"{ipaddress.ip_interface(address).ip}/{bits}"


@lru_cache(maxsize=100_000)
def network(address: str) -> str:
    """PostgreSQL's function of this name."""
    return str(ipaddress.ip_interface(address).network)


@lru_cache(maxsize=100_000)
def network_subeq(address: str, of: str) -> bool:
    """PostgreSQL's function behind ``<<=``."""
    one, other = ipaddress.ip_interface(address).network, ipaddress.ip_interface(of).network
    return one.version == other.version and one.subnet_of(other)  # type: ignore[arg-type]


@lru_cache(maxsize=100_000)
def is_private(address: str) -> bool:
    """Whether ``zeek.is_external`` takes an address for a private one."""
    return any(network_subeq(address, network) for network in _PRIVATE)


@lru_cache(maxsize=100_000)
def is_special(address: str) -> bool:
    """Whether an address is nobody's: multicast, link-local, loopback, unspecified."""
    return any(network_subeq(address, network) for network in _SPECIAL)


FUNCTIONS = (
    (inet_key, "VARCHAR"),
    (set_masklen, "VARCHAR"),
    (network, "VARCHAR"),
    (network_subeq, "BOOLEAN"),
    (is_private, "BOOLEAN"),
    (is_special, "BOOLEAN"),
)
"""What DuckDB does not have of PostgreSQL's functions on addresses."""


def _oid(duck_type: str) -> int:
    return _NUMERIC if duck_type.startswith("DECIMAL") else _OIDS.get(duck_type, _TEXT)


def _rows(result: DuckDBPyConnection, is_json: Sequence[bool]) -> Iterator[tuple[Any, ...]]:
    while chunk := result.fetchmany(CHUNK):
        if not any(is_json):
            yield from chunk
            continue
        for row in chunk:
            yield tuple(
                json.loads(value) if as_json and value is not None else value
                for value, as_json in zip(row, is_json, strict=True)
            )

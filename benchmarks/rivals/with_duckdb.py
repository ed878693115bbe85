"""DuckDB reads the log with all its threads and inserts into the attached PostgreSQL."""

import sys

import duckdb
from columns import COLUMNS, FILE_ID, PG_TYPES, header, timed
from duckdb_extensions import import_extension

TYPES = {"inet": "VARCHAR", "text": "VARCHAR", "double precision": "DOUBLE"}
LINK_LAYER = ("vlan", "inner_vlan", "orig_l2_addr", "resp_l2_addr")
"""Not in the benchmark's logs."""


def duck_type(name: str, fmt: str) -> str:
    """The type that a column is read with."""
    if name == "ts":
        return "DOUBLE"  # those of our days are exact to the microsecond
    if name == "tunnel_parents":
        return "JSON" if fmt == "json" else "VARCHAR"
    return TYPES.get(PG_TYPES[name], PG_TYPES[name])


def source(log: str, fmt: str) -> str:
    """The table function that reads the log."""
    if fmt == "json":
        types = ", ".join(f"'{name}': '{duck_type(name, fmt)}'" for name in present())
        return (
            f"read_json('{log}', format = 'newline_delimited', compression = 'gzip', columns = {{{types}}})"
        )
    names = header(log)
    types = ", ".join(
        f"'{name}': '{duck_type(name, fmt) if name in COLUMNS else 'VARCHAR'}'" for name in names
    )
    return (
        f"read_csv('{log}', delim = '\t', quote = '', escape = '', header = false, comment = '#', nullstr = '-',"
        f" compression = 'gzip', auto_detect = false, columns = {{{types}}})"
    )


def present() -> list[str]:
    """Columns that the log has and the dictionary knows."""
    return [name for name in COLUMNS if name not in LINK_LAYER]


def value(name: str) -> str:
    """How a column is written."""
    if name == "ts":
        return "make_timestamptz(CAST(round(ts * 1000000) AS BIGINT))"
    if name == "tunnel_parents":
        return "CAST(tunnel_parents AS VARCHAR)"
    return f'"{name}"'


def load(log: str, url: str) -> None:
    """One INSERT … SELECT."""
    fmt = "json" if ".json." in log else "tsv"
    connection = duckdb.connect(config={"extension_directory": f"{sys.prefix}/extensions"})
    connection.execute("SET autoinstall_known_extensions = false; SET TimeZone = 'UTC'")
    import_extension("postgres_scanner", con=connection)
    connection.execute("LOAD postgres_scanner")
    connection.execute(f"ATTACH '{url}' AS pg (TYPE postgres)")
    names = ", ".join(f'"{COLUMNS[name]}"' for name in present())
    values = ", ".join(map(value, present()))
    connection.execute(
        f"INSERT INTO pg.zeek.conn ({names}, etl_file_id, etl_line)"  # noqa: S608  names of our own
        f" SELECT {values}, {FILE_ID}, 0 FROM {source(log, fmt)}"
    )
    connection.execute("DETACH pg")


timed(load)

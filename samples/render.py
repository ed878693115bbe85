"""Frames of ``flows`` as the bytes that Zeek writes: TSV under a header, or JSON lines without unset fields."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

import polars as pl

TYPES: Mapping[str, str] = {
    "_node_name": "string", "ts": "time", "uid": "string", "id.orig_h": "addr", "id.orig_p": "port",
    "id.resp_h": "addr", "id.resp_p": "port", "proto": "enum", "service": "string", "duration": "interval",
    "orig_bytes": "count", "resp_bytes": "count", "conn_state": "string", "local_orig": "bool", "local_resp": "bool",
    "missed_bytes": "count", "history": "string", "orig_pkts": "count", "orig_ip_bytes": "count", "resp_pkts": "count",
    "resp_ip_bytes": "count", "tunnel_parents": "set[string]", "ip_proto": "count", "vlan": "int", "inner_vlan": "int",
    "orig_l2_addr": "string", "resp_l2_addr": "string", "community_id": "string",
}  # fmt: skip
"""Zeek's columns in Zeek's order, with their types."""


def tsv_header(columns: list[str], path: str, opened: int) -> bytes:
    """The eight lines above the rows; ``opened`` is epoch microseconds."""
    lines = [
        "#separator \\x09", "#set_separator\t,", "#empty_field\t(empty)", "#unset_field\t-", f"#path\t{path}",
        f"#open\t{_stamp(opened)}", "\t".join(["#fields", *columns]),
        "\t".join(["#types", *(TYPES[name] for name in columns)]),
    ]  # fmt: skip
    return "".join(f"{line}\n" for line in lines).encode()


def tsv_footer(closed: int) -> bytes:
    """The line that says the file is whole."""
    return f"#close\t{_stamp(closed)}\n".encode()


def tsv_rows(frame: pl.DataFrame, columns: list[str]) -> bytes:
    """One line for each row, unset as ``-``."""
    text = {
        "ts": _seconds("ts"),
        "duration": _seconds("duration"),
        "local_orig": _flag("local_orig"),
        "local_resp": _flag("local_resp"),
        "tunnel_parents": pl.col("tunnel_parents").list.join(","),
    }
    cells = frame.select(text.get(name, pl.col(name)) for name in columns)
    return cells.write_csv(separator="\t", include_header=False, null_value="-", quote_style="never").encode()


def json_rows(frame: pl.DataFrame, columns: list[str]) -> bytes:
    """One object for each row. Times are doubles of seconds, durations the differences of such doubles, as in Zeek."""
    # numpy's division: polars multiplies by the inverse, and the last digit is another.
    start, end = (frame[name].to_numpy() / 1e6 for name in ("ts", "end"))
    lasted = pl.when(pl.col("duration").is_not_null()).then(pl.Series(end - start))
    number = {"ts": pl.lit(pl.Series(start)), "duration": lasted}
    parts = []
    for name in columns:
        value = number.get(name, pl.col(name))
        if name == "tunnel_parents":
            parts.append(pl.format('"tunnel_parents":["{}"]', value.list.join('","')))
        elif name in frame.columns and frame.schema[name] == pl.String:
            parts.append(pl.format(f'"{name}":"{{}}"', value))
        else:
            parts.append(pl.format(f'"{name}":{{}}', value))
    line = pl.concat_str(pl.lit("{"), pl.concat_str(parts, separator=",", ignore_nulls=True), pl.lit("}"))
    return frame.select(line.alias("line")).write_csv(include_header=False, quote_style="never").encode()


def _seconds(name: str) -> pl.Expr:
    whole, part = pl.col(name) // 1_000_000, pl.col(name) % 1_000_000
    return pl.format("{}.{}", whole, part.cast(pl.String).str.zfill(6)).alias(name)


def _flag(name: str) -> pl.Expr:
    return pl.when(pl.col(name)).then(pl.lit("T")).when(~pl.col(name)).then(pl.lit("F")).alias(name)


def _stamp(microseconds: int) -> str:
    return f"{datetime.fromtimestamp(microseconds / 1e6, UTC):%Y-%m-%d-%H-%M-%S}"

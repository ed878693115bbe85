"""The set in ``samples/logs``: six hours of one small network, and the live connections of its first hour."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import polars as pl

from samples.writing import START, Format, write_conn_log

FOLDER = Path(__file__).parent / "logs"
SEED = 20_260_301


@dataclass(frozen=True, kw_only=True, slots=True)
class Hour:
    """One file of the set."""

    rows: int
    fmt: Format
    gz: bool
    cluster: bool = False
    link_layer: bool = False
    broken: Mapping[int, str] = field(default_factory=dict)


HOURS = (
    Hour(rows=420, fmt="tsv", gz=True, cluster=True),
    Hour(rows=380, fmt="tsv", gz=True, cluster=True),
    Hour(
        rows=160,
        fmt="tsv",
        gz=False,
        link_layer=True,
        broken={11: "cut", 40: "address", 77: "text", 101: "state", 150: "huge"},
    ),
    Hour(rows=360, fmt="json", gz=True, link_layer=True),
    Hour(
        rows=120, fmt="json", gz=False, broken={7: "cut", 30: "address", 66: "text", 90: "state", 111: "huge"}
    ),
    Hour(rows=0, fmt="tsv", gz=True),  # a quiet hour: a header and nothing else
)


def write_committed(folder: Path) -> list[Path]:
    """Write the set and return its files; the same bytes each time."""
    day = folder / f"{START:%Y-%m-%d}"
    day.mkdir(parents=True, exist_ok=True)
    paths = []
    for number, hour in enumerate(HOURS):
        start = START + timedelta(hours=number)
        path = (
            day / f"conn.{start:%H.%M.%S}-{start + timedelta(hours=1):%H.%M.%S}.log{'.gz' if hour.gz else ''}"
        )
        write_conn_log(
            path,
            hour.rows,
            SEED + number,
            hour.fmt,
            start=start,
            node_name="worker-01" if hour.cluster else None,
            link_layer=hour.link_layer,
            community_id=True,
            broken=hour.broken,
        )
        paths.append(path)
    alive = day / "open_conn.00.00.00-01.00.00.log.gz"
    write_conn_log(
        alive,
        HOURS[1].rows,
        SEED + 1,
        "tsv",
        start=START + timedelta(hours=1),
        log="open_conn",
        keep=_still_alive,
    )
    return [*paths, alive]


def _still_alive(frame: pl.DataFrame) -> pl.DataFrame:
    """The second hour's TCP connections that began well within the first: same uid, totals so far, not ended."""
    one = int((START + timedelta(hours=1)).timestamp()) * 1_000_000
    totals = ("orig_bytes", "resp_bytes", "orig_ip_bytes", "resp_ip_bytes", "orig_pkts", "resp_pkts")
    lived = frame.filter(pl.col("proto") == "tcp", pl.col("ts") < one - 600_000_000)
    return lived.with_columns(
        *[pl.col(name) // 2 for name in totals],
        duration=one - pl.col("ts"),
        conn_state=pl.lit("S1"),
        history=pl.lit("ShADad"),
    )

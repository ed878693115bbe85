"""Conn logs as Zeek would write them, from seeded connections; in chunks, so that memory does not follow the rows."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO, Literal, cast

import numpy as np
import polars as pl
from xopen import xopen

from samples.broken import break_line
from samples.flows import community_ids, draw_flows
from samples.profiles import HOUR
from samples.render import TYPES, json_rows, tsv_footer, tsv_header, tsv_rows

Format = Literal["tsv", "json"]
CHUNK_ROWS = 250_000
FAST_ROWS = 100_000
"""From here on gzip is written at its fastest level; small sets are committed and are worth the best one."""
START = datetime(2026, 3, 1, tzinfo=UTC)
LINK_LAYER = ("vlan", "inner_vlan", "orig_l2_addr", "resp_l2_addr")


def write_conn_log(
    path: Path,
    rows: int,
    seed: int,
    fmt: Format = "tsv",
    *,
    start: datetime = START,
    hours: float = 1,
    node_name: str | None = None,
    link_layer: bool = False,
    community_id: bool = False,
    broken: Mapping[int, str] | None = None,
    log: str = "conn",
    keep: Callable[[pl.DataFrame], pl.DataFrame] = lambda frame: frame,
) -> int:
    """Write one log of connections that ended in [start, start + hours), and return its rows.

    The suffixes ``.gz``, ``.zst``, ``.bz2`` and ``.xz`` compress. ``node_name`` puts a first column ``_node_name``, as
    clusters do; ``link_layer`` adds VLANs and MACs;
    ``community_id`` costs 4 µs a row; ``broken`` maps row numbers (from 0) to kinds of ``broken.KINDS``;
    ``keep`` changes or filters each chunk of the frame before it is written.
    """
    rng = np.random.default_rng(seed)
    begin = int(start.timestamp()) * 1_000_000
    end = begin + int(hours * HOUR)
    left_out = {
        *(() if node_name else ("_node_name",)),
        *(() if link_layer else LINK_LAYER),
        *(() if community_id else ("community_id",)),
    }
    columns = [name for name in TYPES if name not in left_out]
    written = 0
    with _opened(path, rows) as file:
        if fmt == "tsv":
            file.write(tsv_header(columns, log, begin))
        for first, last in _chunks(rows):
            frame = draw_flows(
                rng, last - first, begin + (end - begin) * first // rows, begin + (end - begin) * last // rows
            )
            if node_name:
                frame = frame.with_columns(pl.lit(node_name).alias("_node_name"))
            if community_id:
                frame = frame.with_columns(pl.Series("community_id", community_ids(frame)))
            frame = keep(frame)
            text = tsv_rows(frame, columns) if fmt == "tsv" else json_rows(frame, columns)
            file.write(
                _with_broken(
                    text,
                    fmt,
                    columns,
                    {row - first: kind for row, kind in (broken or {}).items() if first <= row < last},
                )
            )
            written += len(frame)
        if fmt == "tsv":
            file.write(tsv_footer(end))
    return written


def write_hours(
    out: Path,
    *,
    hours: int,
    rows: int,
    seed: int,
    formats: Sequence[Format],
    gz: bool,
    start: datetime = START,
) -> list[Path]:
    """A folder for each day with a file for each hour, as a rotating Zeek leaves them."""
    paths = []
    for hour in range(hours):
        opened = start + timedelta(hours=hour)
        closed = opened + timedelta(hours=1)
        path = (
            out / f"{opened:%Y-%m-%d}" / f"conn.{opened:%H.%M.%S}-{closed:%H.%M.%S}.log{'.gz' if gz else ''}"
        )
        path.parent.mkdir(parents=True, exist_ok=True)
        write_conn_log(path, rows, seed + hour, formats[hour % len(formats)], start=opened, community_id=True)
        paths.append(path)
    return paths


def _chunks(rows: int) -> Iterator[tuple[int, int]]:
    for first in range(0, rows, CHUNK_ROWS):
        yield first, min(first + CHUNK_ROWS, rows)


def _with_broken(text: bytes, fmt: Format, columns: list[str], broken: Mapping[int, str]) -> bytes:
    if not broken:
        return text
    lines = text.splitlines(keepends=True)
    for row, kind in broken.items():
        lines[row] = break_line(lines[row], kind, fmt, columns)
    return b"".join(lines)


@contextmanager
def _opened(path: Path, rows: int) -> Iterator[IO[bytes]]:
    """The file, compressed by its suffix; small gzip files without name and time, so that rows give the same bytes."""
    if path.suffix != ".gz" or rows >= FAST_ROWS:
        with xopen(path, "wb", compresslevel=1 if path.suffix == ".gz" else None, threads=0) as stream:
            yield stream
    else:
        with path.open("wb") as raw, gzip.GzipFile("", "wb", 9, raw, mtime=0) as small:
            yield cast("IO[bytes]", small)

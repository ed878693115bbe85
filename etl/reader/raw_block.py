"""What the readers of the formats hand on: lines as a frame of raw cells, and the faults of those that have none."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from etl.mapping.values import Fault
from etl.models import Format


@dataclass(frozen=True, kw_only=True, slots=True)
class RawBlock:
    """Some lines of a chunk, all under one format."""

    format: Format
    rows: int
    """Lines neither blank nor header."""
    frame: pl.DataFrame | None = None
    """What ``mapping.standard`` takes; None without rows."""
    faults: list[Fault]

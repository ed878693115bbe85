"""What the formats hand to the reader."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from etl.mapping.values import Fault
from etl.models import Format


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """Some lines of a piece, all under one format."""

    format: Format
    rows: int
    """Lines neither blank nor header."""
    raw: pl.DataFrame | None = None
    """What ``mapping.standard`` takes; None without rows."""
    faults: list[Fault]

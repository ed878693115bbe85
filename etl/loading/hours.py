"""How many rows fall on each UTC hour, counted in memory while they are staged.

Publishing needs these counts, and the first and last time of each file; asking the rows for them again is dear.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import polars as pl

HOUR = ("etl_file_id", "hour", "rows", "min_timestamp", "max_timestamp")
"""Of the table of counts beside staging, in the order of its CSV."""


@dataclass(frozen=True, kw_only=True, slots=True)
class HourCount:
    """Rows of one UTC hour, and their first and last time; or rows without a time, which have no hour."""

    hour: datetime | None
    rows: int
    first: datetime | None
    last: datetime | None


def count_hours(times: pl.Series) -> tuple[HourCount, ...]:
    """The rows of each hour.

    Args:
        times: ``"@timestamp"`` of at least one row, in UTC; null where the log has none, which the gate finds.
    """
    if missing := times.null_count():
        without = HourCount(hour=None, rows=missing, first=None, last=None)
        return (without, *(count_hours(times.drop_nulls()) if missing < len(times) else ()))
    first, last = times.min(), times.max()
    assert isinstance(first, datetime)
    assert isinstance(last, datetime)
    hour = _hour_of(first)
    if hour == _hour_of(last):  # the usual case of hourly logs
        return (HourCount(hour=hour, rows=len(times), first=first, last=last),)
    import polars as pl

    name = times.name
    hours = (
        times.to_frame()
        .group_by(pl.col(name).dt.truncate("1h").alias("hour"))
        .agg(rows=pl.len(), first=pl.col(name).min(), last=pl.col(name).max())
    )
    return tuple(HourCount(**row) for row in hours.iter_rows(named=True))


def hours_csv(counts: Iterable[tuple[int, HourCount]]) -> tuple[bytes, int]:
    """Counts of files, each with the file's id, for COPY into ``HOUR``; and the number of lines."""
    lines = [
        f"{file_id},{_text(one.hour)},{one.rows},{_text(one.first)},{_text(one.last)}\n"
        for file_id, one in counts
    ]
    return "".join(lines).encode(), len(lines)


def _text(moment: datetime | None) -> str:
    """As CSV for COPY has it, where NULL is nothing."""
    return "" if moment is None else moment.isoformat()


def _hour_of(moment: datetime) -> datetime:
    return moment.replace(minute=0, second=0, microsecond=0)

"""What a column of a file holds, in numbers that PostgreSQL can give too, and a digest that finds other changes.

PostgreSQL's numbers (``archive.measures``) prove that a file holds a day's rows; the digest, taken when the file was
first read back, proves later that it still holds the same ones.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from etl.archive.layout import TYPES
from etl.errors import PermanentError

if TYPE_CHECKING:
    import polars as pl
    from pyarrow.fs import FileSystem
    from pyarrow.parquet import ParquetFile

SOURCE = "etl_file_id"
ROW_GROUP = 100_000
"""Rows of a row group: what a reader has in memory at a time."""


class Unreadable(PermanentError):
    """A file of the archive, or one column of it, cannot be read."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Column:
    """One column of some rows."""

    values: int
    """Those that are not NULL."""
    total: int
    """Their sum; of text, of the lengths in bytes; of doubles, of the bits as integers; of booleans, how many hold."""
    digest: str = ""
    """Checksums of all values in their order; empty where PostgreSQL counted."""

    def as_json(self) -> list[Any]:
        """For ``etl.archive_file.columns``."""
        return [self.values, self.total, self.digest]


@dataclass(frozen=True, kw_only=True, slots=True)
class Measures:
    """What some rows add up to."""

    rows: int
    columns: Mapping[str, Column]
    sources: Mapping[int, int] = field(default_factory=dict)
    """etl_file_id → rows; empty where PostgreSQL counted."""


def of_json(columns: Mapping[str, Iterable[Any]]) -> dict[str, Column]:
    """Columns as the database has them: [values, total] or with a digest; a sum of nothing is NULL there."""
    found = {}
    for name, (values, total, *digest) in columns.items():
        found[name] = Column(values=int(values), total=int(total or 0), digest="".join(digest))
    return found


def together(parts: Iterable[Measures]) -> Measures:
    """Rows that lie in several files; without a digest."""
    rows, values, totals = 0, Counter[str](), Counter[str]()
    for part in parts:
        rows += part.rows
        for name, column in part.columns.items():
            values[name] += column.values
            totals[name] += column.total
    columns = {name: Column(values=values[name], total=totals[name]) for name in TYPES}
    return Measures(rows=rows, columns=columns)


def differences(expected: Measures, found: Measures) -> Iterator[str]:
    """Each column in which two measures differ, in words; digests are compared where both have one."""
    if expected.rows != found.rows:
        yield f"{found.rows:,} rows instead of {expected.rows:,}"
    for name, one in expected.columns.items():
        other = found.columns[name]
        if one.values != other.values:
            yield f"column {name}: {other.values:,} values instead of {one.values:,}"
        elif one.total != other.total:
            yield f"column {name}: its values add up to {other.total} instead of {one.total}"
        elif one.digest and other.digest and one.digest != other.digest:
            yield f"column {name}: its values are not those that were written"


class _Sums:
    """One column while its row groups are read: numbers so far, and checksums that do not depend on the row groups."""

    def __init__(self) -> None:
        self.values = self.total = 0
        self.nulls = self.numbers = self.text = (0, 1)

    def add(self, series: pl.Series) -> None:
        """Go on with the values of the next row group."""
        import polars as pl

        self.nulls = _checksum(self.nulls, series.is_null().cast(pl.UInt8).to_numpy())
        present = series.drop_nulls()
        numbers = _numbers(present)
        self.values += len(present)
        self.total += _sum(numbers)
        self.numbers = _checksum(self.numbers, numbers.to_numpy())
        if series.dtype == pl.String:
            self.text = _checksum(self.text, _characters(present))

    def column(self) -> Column:
        """What was found."""
        parts = (*self.nulls, *self.numbers, *self.text)
        return Column(values=self.values, total=self.total, digest="".join(f"{part:08x}" for part in parts))


def _checksum(before: tuple[int, int], data: Any) -> tuple[int, int]:
    """CRC-32 and Adler-32 of what came before and this: they find damage, not forgery, at the speed of memory."""
    from isal import isal_zlib

    data = memoryview(data).cast("B")
    return isal_zlib.crc32(data, before[0]), isal_zlib.adler32(data, before[1])


def _numbers(present: pl.Series) -> pl.Series:
    """The integers that a column's values are summed by."""
    import polars as pl

    if present.dtype == pl.String:
        return present.str.len_bytes().cast(pl.Int64)
    if present.dtype == pl.Float64:
        return pl.Series(present.name, present.fill_nan(0.0).to_numpy().view("int64"))
    return present.to_physical().cast(pl.Int64)


def _sum(numbers: pl.Series) -> int:
    """Exact also where 64 bits are too few."""
    import polars as pl

    if numbers.is_empty():
        return 0
    largest = max(abs(int(numbers.min() or 0)), abs(int(numbers.max() or 0)))  # type: ignore[arg-type]
    fits = largest * len(numbers) < 1 << 63
    return int((numbers if fits else numbers.cast(pl.Int128)).sum())


def _characters(present: pl.Series) -> memoryview | bytes:
    """The texts one after the other, in UTF-8; where one ends is among the numbers."""
    import pyarrow as pa

    text = present.to_arrow().cast(pa.large_binary())
    offsets, data = text.buffers()[1:]
    if data is None or not len(text):
        return b""
    bounds = memoryview(offsets).cast("q")
    return memoryview(data)[bounds[text.offset] : bounds[text.offset + len(text)]]


def measure(files: FileSystem, path: str) -> Measures:
    """Read a Parquet file and measure all its columns, one column of a row group in memory at a time.

    Raises:
        Unreadable: the file is missing or damaged; the message names the column where only one is.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with files.open_input_file(path) as opened, pq.ParquetFile(opened) as parquet:
            return _measure(parquet)
    except FileNotFoundError as error:
        raise Unreadable("the file is missing") from error
    except (OSError, pa.ArrowException) as error:
        raise Unreadable(f"the file cannot be read: {_first_line(error)}") from error


def _measure(parquet: ParquetFile) -> Measures:
    if missing := [name for name in TYPES if name not in parquet.schema_arrow.names]:
        raise Unreadable(f"column {missing[0]} is missing")
    sums = {name: _Sums() for name in TYPES}
    sources: Counter[int] = Counter()
    for group in range(parquet.metadata.num_row_groups):
        for name, column in sums.items():
            series = _read(parquet, group, name)
            column.add(series)
            if name == SOURCE:
                sources.update(dict(series.drop_nulls().value_counts(name="rows").iter_rows()))
    columns = {name: column.column() for name, column in sums.items()}
    return Measures(rows=parquet.metadata.num_rows, columns=columns, sources=dict(sources))


def _read(parquet: ParquetFile, group: int, name: str) -> pl.Series:
    """One column of a row group."""
    import polars as pl
    import pyarrow as pa

    try:
        return pl.from_arrow(parquet.read_row_group(group, columns=[name])).to_series()  # type: ignore[union-attr]
    except (OSError, pa.ArrowException) as error:
        raise Unreadable(f"column {name} cannot be read: {_first_line(error)}") from error


def _first_line(error: BaseException) -> str:
    return str(error).strip().partition("\n")[0]

"""How a row of ``zeek.conn`` stands in a file: all 28 columns in the table's order, addresses and ``extra`` as text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from etl.fields import FIELDS, PgType

if TYPE_CHECKING:
    import polars as pl
    import pyarrow as pa
    from pyiceberg.partitioning import PartitionSpec
    from pyiceberg.schema import Schema

TIME = "@timestamp"
TYPES: dict[str, PgType] = {
    **{field.standard: field.pg_type for field in FIELDS},
    "etl_file_id": "bigint",
    "etl_line": "bigint",
    "extra": "text",
}
"""Column of the table → the type that its values have in an export."""

PARTITION_ID = 1_000
"""Iceberg numbers the fields of a partition from here on."""


def csv_schema() -> dict[str, pl.DataType | type[pl.DataType]]:
    """Types of the columns as ``archive.copy`` writes them: times as microseconds, booleans as t and f."""
    import polars as pl

    types: dict[PgType, type[pl.DataType]] = {
        "timestamptz": pl.Int64,
        "inet": pl.String,
        "bigint": pl.Int64,
        "integer": pl.Int32,
        "double precision": pl.Float64,
        "boolean": pl.String,
        "text": pl.String,
    }
    return {name: types[pg_type] for name, pg_type in TYPES.items()}


def parquet_schema() -> dict[str, pl.DataType | type[pl.DataType]]:
    """Types of the columns in a file."""
    import polars as pl

    changed: dict[PgType, pl.DataType | type[pl.DataType]]
    changed = {"timestamptz": pl.Datetime("us", "UTC"), "boolean": pl.Boolean}
    return {name: changed.get(TYPES[name], dtype) for name, dtype in csv_schema().items()}


def arrow_schema() -> pa.Schema:
    """The same for pyarrow."""
    import pyarrow as pa

    types: dict[PgType, pa.DataType] = {
        "timestamptz": pa.timestamp("us", "UTC"),
        "inet": pa.large_string(),
        "bigint": pa.int64(),
        "integer": pa.int32(),
        "double precision": pa.float64(),
        "boolean": pa.bool_(),
        "text": pa.large_string(),
    }
    return pa.schema([(name, types[pg_type]) for name, pg_type in TYPES.items()])


def iceberg_schema() -> Schema:
    """The same for Iceberg; a field's id is its position, beginning with 1, and never changes."""
    from pyiceberg import schema, types

    of: dict[PgType, types.IcebergType] = {
        "timestamptz": types.TimestamptzType(),
        "inet": types.StringType(),
        "bigint": types.LongType(),
        "integer": types.IntegerType(),
        "double precision": types.DoubleType(),
        "boolean": types.BooleanType(),
        "text": types.StringType(),
    }
    fields = enumerate(TYPES.items(), start=1)
    return schema.Schema(*(types.NestedField(i, name, of[pg_type]) for i, (name, pg_type) in fields))


def partition_spec() -> PartitionSpec:
    """A partition is one UTC day."""
    from pyiceberg.partitioning import PartitionField, PartitionSpec
    from pyiceberg.transforms import DayTransform

    source = iceberg_schema().find_field(TIME).field_id
    return PartitionSpec(
        PartitionField(source_id=source, field_id=PARTITION_ID, transform=DayTransform(), name="day")
    )

"""Standard frames as the text that COPY takes."""

from __future__ import annotations

import io

import polars as pl


def to_csv(frame: pl.DataFrame, file_id: int) -> bytes:
    """Encode a standard frame (``mapping.frame_schema``) for ``COPY … (FORMAT csv)``, columns as in ``COPY_COLUMNS``.

    NULL is an empty field, an empty string is quoted; times are UTC with microseconds; doubles are the shortest text
    that reads back to the same double.
    """
    # text in a separate step is faster than write_csv's datetime_format, and so are times without a zone
    ready = frame.with_columns(
        pl.col("@timestamp").dt.replace_time_zone(None).dt.to_string("%Y-%m-%d %H:%M:%S%.6f+00"),
        pl.lit(file_id).alias("etl_file_id"),
    )
    buffer = io.BytesIO()
    ready.select(pl.exclude("etl_line", "extra"), "etl_line", "extra").write_csv(buffer, include_header=False)
    return buffer.getvalue()

"""Standard frames in the forms that COPY takes: PostgreSQL's text format where that is safe, CSV else.

Text costs the server less than CSV, and JSON in ``extra`` needs no doubled quotes. Both have times in UTC with
microseconds, and doubles as the shortest text that reads back to the same double.
"""

from __future__ import annotations

import io
from typing import Any

import polars as pl

from etl.database.statements import CopyFormat

_MARK = "\\"
"""Where text is written, polars puts it around each value that has a tab, a line feed or a backslash, or is empty."""


def to_copy(frame: pl.DataFrame, file_id: int | pl.Series) -> tuple[bytes, CopyFormat]:
    """Encode a standard frame (``mapping.frame_schema``), columns as in ``COPY_COLUMNS``.

    Text is safe for a frame without a backslash, a tab, an end of a line or an empty string in any value. ``file_id``
    is that of all rows, or a series with that of each.
    """
    ready = _ready(frame, file_id)
    text = _written(ready, separator="\t", quote_char=_MARK)
    if _MARK.encode() in text or b"\r" in text:
        return _written(ready), CopyFormat.CSV
    return text, CopyFormat.TEXT


def to_csv(frame: pl.DataFrame, file_id: int | pl.Series) -> bytes:
    """The same for ``COPY … (FORMAT csv)``: NULL is an empty field, an empty string is quoted."""
    return _written(_ready(frame, file_id))


def _ready(frame: pl.DataFrame, file_id: int | pl.Series) -> pl.DataFrame:
    # text in a separate step is faster than write_csv's datetime_format, and so are times without a zone
    with_text = frame.with_columns(
        pl.col("@timestamp").dt.replace_time_zone(None).dt.to_string("%Y-%m-%d %H:%M:%S%.6f+00"),
        pl.lit(file_id).alias("etl_file_id"),
    )
    return with_text.select(pl.exclude("etl_line", "extra"), "etl_line", "extra")


def _written(frame: pl.DataFrame, **form: Any) -> bytes:
    buffer = io.BytesIO()
    frame.write_csv(buffer, include_header=False, **form)
    return buffer.getvalue()

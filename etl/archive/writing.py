"""A day's rows from COPY to Parquet: PostgreSQL sends in one thread while polars encodes, with few rows in memory."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from etl.archive import layout
from etl.archive.measures import ROW_GROUP
from etl.archive.table import path_of, reaching

if TYPE_CHECKING:
    import polars as pl
    from pyarrow.fs import FileSystem

CHUNK_BYTES = 4 << 20
"""CSV that is parsed at a time."""
FILE_ROWS = 5_000_000
"""Rows of a file at most."""
WAITING = 2
"""Chunks between the two threads at most."""


class Writable(Protocol):
    """What COPY writes to."""

    def write(self, data: bytes, /) -> Any:
        """Take some bytes."""


Copy = Callable[[Writable], None]
"""Runs COPY … TO STDOUT into what it is given; each write is one row."""


class Stopped(Exception):
    """The reader gave up, so that COPY ends too."""


@dataclass(slots=True)
class _Chunks:
    """Rows of CSV on their way from the thread of COPY to the one that encodes."""

    waiting: queue.Queue[bytes | BaseException | None] = field(default_factory=lambda: queue.Queue(WAITING))
    stopped: threading.Event = field(default_factory=threading.Event)
    _rows: list[bytes] = field(default_factory=list)
    _bytes: int = 0

    def write(self, row: bytes) -> None:
        self._rows.append(row)
        self._bytes += len(row)
        if self._bytes >= CHUNK_BYTES:
            self.flush()

    def flush(self) -> None:
        if self._rows:
            self.put(b"".join(self._rows))
        self._rows, self._bytes = [], 0

    def put(self, chunk: bytes | BaseException | None) -> None:
        while not self.stopped.is_set():
            try:
                return self.waiting.put(chunk, timeout=0.1)
            except queue.Full:
                continue
        raise Stopped

    def __iter__(self) -> Iterator[bytes]:
        while (chunk := self.waiting.get()) is not None:
            if isinstance(chunk, BaseException):
                raise chunk
            yield chunk


@contextmanager
def _copying(copy: Copy) -> Iterator[_Chunks]:
    """Run COPY in a separate thread; it has ended when this does, and its error comes out of the chunks."""
    chunks = _Chunks()

    def run() -> None:
        try:
            copy(chunks)
            chunks.flush()
            chunks.put(None)
        except Stopped:
            pass
        except BaseException as error:  # noqa: BLE001  it is raised where the chunks are read
            if not chunks.stopped.is_set():
                chunks.put(error)

    thread = threading.Thread(target=run, name="archive copy", daemon=True)
    thread.start()
    try:
        yield chunks
    finally:
        chunks.stopped.set()
        thread.join()


def write(copy: Copy, files: FileSystem, folder: str) -> list[str]:
    """Write all rows into files of a folder.

    Args:
        copy: gives the rows as CSV, columns and order as ``archive.copy``.
        files: where the folder is.
        folder: its URL; made if it is missing.

    Returns:
        URLs of the files; none where there is no row.

    Raises:
        StorageAway: the folder cannot be written.
    """
    urls: list[str] = []
    with _copying(copy) as chunks:
        frames = map(_parsed, chunks)
        while (first := next(frames, None)) is not None:
            url = f"{folder}/{len(urls):05}.parquet"
            with reaching():
                files.create_dir(path_of(folder), recursive=True)
                with files.open_output_stream(path_of(url)) as output:
                    _encode(_upto(FILE_ROWS, first, frames), output)
            urls.append(url)
    return urls


def _upto(rows: int, first: pl.DataFrame, frames: Iterator[pl.DataFrame]) -> Iterator[pl.DataFrame]:
    yield first
    taken = first.height
    while taken < rows and (frame := next(frames, None)) is not None:
        taken += frame.height
        yield frame


def _encode(frames: Iterator[pl.DataFrame], output: Any) -> None:
    """Let polars pull the frames: it encodes a row group while the next one is parsed."""
    from polars.io.plugins import register_io_source

    failed: list[BaseException] = []

    def source(*_: Any) -> Iterator[pl.DataFrame]:
        try:
            yield from frames
        except BaseException as error:
            failed.append(error)  # polars would make its own error of it
            raise

    try:
        rows = register_io_source(source, schema=layout.parquet_schema())
        rows.sink_parquet(output, compression="zstd", statistics="full", row_group_size=ROW_GROUP)
    except Exception:
        if failed:
            raise failed[0] from None
        raise


def _parsed(csv: bytes) -> pl.DataFrame:
    import polars as pl

    frame = pl.read_csv(csv, has_header=False, schema=layout.csv_schema())
    booleans = [name for name, pg_type in layout.TYPES.items() if pg_type == "boolean"]
    return frame.with_columns(
        pl.from_epoch(layout.TIME, "us").dt.replace_time_zone("UTC"),
        *(pl.col(name) == "t" for name in booleans),
    )

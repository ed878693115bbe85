"""Rows and rejects of a batch's files, piece by piece, ready for COPY; read in one thread and encoded in another.

Every error of one file ends that file alone: it becomes the file's outcome, and the next file is read.
"""

from __future__ import annotations

import csv
import io
import logging
from collections import deque
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from etl.database.statements import CopyFormat
from etl.errors import EnvironmentProblem, FileError, TransientError
from etl.loading.formats import Digests
from etl.loading.hours import HourCount, count_hours
from etl.loading.ledger import BatchFile
from etl.loading.single_out import any_error, as_file_error
from etl.loading.small_files import Waiting, mapped
from etl.mapping.bounds import SMALL_FILE
from etl.models import Block, Format, Reader, Reject, Scan

if TYPE_CHECKING:
    import polars as pl

log = logging.getLogger(__name__)

Item = TypeVar("Item")
Opener = Callable[[str], AbstractContextManager[Reader]]
"""Opens a path of the ledger; raises FileError."""

_BLOCKS_AHEAD = 2
_REJECTS_BYTES = 8 << 20
"""Rejects go to COPY in pieces of about this much CSV."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Piece:
    """Something to send: rows and rejects of one file, or the file's end and its outcome."""

    file: BatchFile
    rows: bytes = b""
    form: CopyFormat = CopyFormat.CSV
    """Of the rows; rejects are always CSV."""
    row_count: int = 0
    hours: tuple[HourCount, ...] = ()
    """Its rows by UTC hour."""
    rejects: bytes = b""
    reject_count: int = 0
    formats: Mapping[bytes, Format] = field(default_factory=dict)
    """How these rejects were read, by digest."""
    outcome: Scan | FileError | None = None


def pieces(files: Sequence[BatchFile], opener: Opener) -> Generator[Piece, None, None]:
    """All pieces of these files, those of a file in order: two ahead of the caller, and two blocks read ahead of those.

    Raises:
        TransientError, EnvironmentProblem: the storage is away, or refuses; this concerns all files.
    """
    with closing(_pieces(files, opener)) as made:
        for some in _ahead(made):
            yield from some


def _ahead(items: Iterator[Item]) -> Generator[Item, None, None]:
    """The same items, the next ones being made in a thread while the caller works on this one."""
    end = object()
    with ThreadPoolExecutor(1, thread_name_prefix="reader") as pool:
        pending = deque(pool.submit(next, items, end) for _ in range(_BLOCKS_AHEAD))
        while (item := pending.popleft().result()) is not end:
            pending.append(pool.submit(next, items, end))
            yield item  # type: ignore[misc]


def _pieces(files: Sequence[BatchFile], opener: Opener) -> Generator[list[Piece], None, None]:
    waiting = Waiting()
    for file in files:
        yield from _of_file(file, opener, waiting)
        if waiting.is_full:
            yield from _of_small(waiting, opener)
    yield from _of_small(waiting, opener)


def _of_file(file: BatchFile, opener: Opener, waiting: Waiting | None) -> Generator[list[Piece], None, None]:
    """The pieces of a file; none yet where it waits for other small ones."""
    try:
        with opener(file.path) as reader:
            if waiting is not None and file.size <= SMALL_FILE and (small := reader.small()) is not None:
                waiting.add(file, small)
                return
            with closing(_ahead(iter(reader))) as blocks:
                for block in blocks:
                    for piece in _of_block(file, block):
                        yield [piece]
            scan = reader.scan()
        yield [Piece(file=file, outcome=scan)]
    except FileError as error:
        yield [Piece(file=file, outcome=error)]
    except (TransientError, EnvironmentProblem):
        raise
    except any_error() as error:
        log.exception("%s: an unforeseen error while it was read; the other files go on", file.path)
        yield [Piece(file=file, outcome=as_file_error(error))]


def _of_small(waiting: Waiting, opener: Opener) -> Generator[list[Piece], None, None]:
    for group in waiting.taken():
        for some in mapped(group):
            if some.joined is None:
                for file in some.files:
                    yield from _of_file(file, opener, None)
            else:
                rows = [_row_piece(*of_file) for of_file in some.encoded()]
                ends = [
                    Piece(file=f, outcome=scan) for f, scan in zip(some.files, some.joined.scans, strict=True)
                ]
                yield [piece for both in zip(rows, ends, strict=True) for piece in both]


def _of_block(file: BatchFile, block: Block) -> Iterator[Piece]:
    from etl.loading.copy_csv import to_copy

    if block.frame.height:
        rows, form = to_copy(block.frame, file.etl_file_id)
        yield _row_piece(file, rows, form, block.frame["@timestamp"])
    yield from _rejects(file, block.rejects)


def _row_piece(file: BatchFile, rows: bytes, form: CopyFormat, times: pl.Series) -> Piece:
    return Piece(file=file, rows=rows, form=form, row_count=len(times), hours=count_hours(times))


def _rejects(file: BatchFile, rejects: Sequence[Reject]) -> Iterator[Piece]:
    """The rejects as CSV, in pieces."""
    text, count, digests = io.StringIO(), 0, Digests()
    writer = csv.writer(text, lineterminator="\n")
    for reject in rejects:
        raw, read_as = rf"\x{reject.raw.hex()}", rf"\x{digests.of(reject.format).hex()}"
        writer.writerow(
            (
                file.etl_file_id,
                reject.line,
                raw,
                reject.cut,
                read_as,
                reject.field,
                reject.reason,
                reject.rule,
            )
        )
        count += 1
        if text.tell() > _REJECTS_BYTES:
            yield _reject_piece(file, text, count, digests)
            text, count, digests = io.StringIO(), 0, Digests()
            writer = csv.writer(text, lineterminator="\n")
    if count:
        yield _reject_piece(file, text, count, digests)


def _reject_piece(file: BatchFile, text: io.StringIO, count: int, digests: Digests) -> Piece:
    return Piece(file=file, rejects=text.getvalue().encode(), reject_count=count, formats=digests.formats)

"""What a batch's files bring, parcel by parcel, ready for COPY; read, cast and encoded in a thread of its own."""

from __future__ import annotations

import csv
import io
import json
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass
from datetime import date
from typing import TypeVar

from etl.errors import FileError
from etl.loading.ledger import BatchFile
from etl.models import Reader, Reject, Scan

Item = TypeVar("Item")
Opener = Callable[[str], AbstractContextManager[Reader]]
"""Opens a path of the ledger; raises FileError."""

_BLOCKS_AHEAD = 2


@dataclass(frozen=True, kw_only=True, slots=True)
class Parcel:
    """Something to send: a block's rows and rejects as CSV, or a file's end and what came of it."""

    file: BatchFile
    rows: bytes = b""
    row_count: int = 0
    days: frozenset[date] = frozenset()
    """UTC days that its rows fall on."""
    rejects: bytes = b""
    reject_count: int = 0
    outcome: Scan | FileError | None = None


def parcels(files: Sequence[BatchFile], opener: Opener) -> Generator[Parcel, None, None]:
    """All parcels of these files, in order, two blocks ahead of the caller."""
    with closing(_parcels(files, opener)) as found:
        yield from _ahead(found)


def _ahead(items: Iterator[Item]) -> Generator[Item, None, None]:
    """The same items, the next ones being made in a thread while the caller works on this one."""
    end = object()
    with ThreadPoolExecutor(1, thread_name_prefix="reader") as pool:
        pending = deque(pool.submit(next, items, end) for _ in range(_BLOCKS_AHEAD))
        while (item := pending.popleft().result()) is not end:
            pending.append(pool.submit(next, items, end))
            yield item  # type: ignore[misc]


def _parcels(files: Sequence[BatchFile], opener: Opener) -> Generator[Parcel, None, None]:
    from etl.loading.copy_csv import to_csv

    for file in files:
        try:
            with opener(file.path) as reader:
                for block in reader:
                    rows = to_csv(block.frame, file.etl_file_id) if block.frame.height else b""
                    rejects = _reject_csv(file.etl_file_id, block.rejects)
                    yield Parcel(
                        file=file,
                        rows=rows,
                        row_count=block.frame.height,
                        days=frozenset(block.frame["@timestamp"].dt.date().unique()),
                        rejects=rejects,
                        reject_count=len(block.rejects),
                    )
                yield Parcel(file=file, outcome=reader.scan())
        except FileError as error:
            yield Parcel(file=file, outcome=error)


def _reject_csv(etl_file_id: int, rejects: Sequence[Reject]) -> bytes:
    if not rejects:
        return b""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    for reject in rejects:
        line_format = json.dumps(reject.format.as_json())
        raw = rf"\x{reject.raw.hex()}"
        writer.writerow(
            (etl_file_id, reject.line, raw, reject.cut, line_format, reject.field, reject.reason, reject.rule)
        )
    return text.getvalue().encode()

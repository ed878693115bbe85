"""The bytes of rows that a rule refused, read from the log again and kept in staging until publish needs them.

They are read before publish takes its locks, and only from the file that was staged: same path, size, time and digest.
Of a file that was replaced meanwhile nothing is kept, since the line of that number is another one now.
"""

from __future__ import annotations

import csv
import io
import logging
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping

from etl.database.statements import copy_in, execute
from etl.loading.batch import RAW, Batch
from etl.loading.formats import FORMAT, Digests, as_csv
from etl.loading.ledger import BatchFile
from etl.models import RawLine

log = logging.getLogger(__name__)

RawLines = Callable[[BatchFile, Collection[int]], Mapping[int, RawLine]]
"""Reads lines of a file by number; empty where the path does not hold the staged file any more."""

KEPT_OF_REFUSED = 1_000
"""Lines that a refused file leaves in quarantine at most."""
_COPY_BYTES = 8 << 20


def read_missing(batch: Batch, raw_lines: RawLines, refused: Collection[int]) -> None:
    """Read the lines of all bad rows that staging has no bytes of yet; of refused files the first only.

    Also keeps how these lines and the rejected ones were read.
    """
    with batch.bound() as connection:
        missing = execute(
            connection, "staging.without_raw", ids=batch.ids, refused=list(refused), most=KEPT_OF_REFUSED
        )
        numbers: dict[int, list[int]] = defaultdict(list)
        for row in missing:
            numbers[row.etl_file_id].append(row.etl_line)
    if numbers:
        keep(batch, raw_lines, numbers)
    elif any(file.rows_rejected for file in batch.files):
        keep_formats(batch)


def keep(batch: Batch, raw_lines: RawLines, numbers: Mapping[int, Collection[int]]) -> None:
    """Read these lines, by file id, and put their bytes into staging."""
    files = {file.etl_file_id: file for file in batch.files}
    with batch.connection.begin():
        for file_id, lines in numbers.items():
            found = raw_lines(files[file_id], lines)
            if len(found) < len(lines):
                log.warning(
                    "%s: %d of %d bad lines are kept without their bytes, since the file has changed",
                    files[file_id].path,
                    len(lines) - len(found),
                    len(lines),
                )
            digests = Digests()
            for data in _csv(file_id, found, digests):
                copy_in(batch.connection, f"{batch.table}_raw", RAW, data)
            copy_in(batch.connection, f"{batch.table}_format", FORMAT, as_csv(digests.formats))
    keep_formats(batch)


def keep_formats(batch: Batch) -> None:
    """Keep how the bad lines of the batch were read; quarantine refers to it."""
    with batch.bound() as connection:
        execute(connection, "publish.keep_formats")


def _csv(file_id: int, lines: Mapping[int, RawLine], digests: Digests) -> Iterator[bytes]:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    for number, line in lines.items():
        read_as = rf"\x{digests.of(line.format).hex()}"
        writer.writerow((file_id, number, rf"\x{line.raw.hex()}", line.cut, read_as))
        if text.tell() > _COPY_BYTES:
            yield text.getvalue().encode()
            text.seek(0)
            text.truncate()
    if text.tell():
        yield text.getvalue().encode()

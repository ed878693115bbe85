"""The bytes of rows that a rule refused, read from the log again and kept in staging until publish needs them.

They are read before publish takes its locks, and only from the file that was staged: same path, size, time and digest.
Of a file that was replaced meanwhile nothing is kept, since the line of that number is another one now.
"""

from __future__ import annotations

import csv
import io
import json
import logging
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping

from etl.database.statements import copy_in, execute
from etl.loading.batch import RAW, Batch
from etl.loading.ledger import BatchFile
from etl.models import RawLine

log = logging.getLogger(__name__)

RawLines = Callable[[BatchFile, Collection[int]], Mapping[int, RawLine]]
"""Reads lines of a file by number; empty where the path does not hold the staged file any more."""

KEPT_OF_REFUSED = 1_000
"""Lines that a refused file leaves in quarantine at most."""
_COPY_BYTES = 8 << 20


def read_missing(batch: Batch, raw_lines: RawLines, refused: Collection[int]) -> None:
    """Read the lines of all bad rows that staging has no bytes of yet; of refused files the first only."""
    with batch.bound() as connection:
        missing = execute(
            connection, "staging.without_raw", ids=batch.ids, refused=list(refused), most=KEPT_OF_REFUSED
        )
        numbers: dict[int, list[int]] = defaultdict(list)
        for row in missing:
            numbers[row.etl_file_id].append(row.etl_line)
    if numbers:
        keep(batch, raw_lines, numbers)


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
            for data in _csv(file_id, found):
                copy_in(batch.connection, f"{batch.table}_raw", RAW, data)


def _csv(file_id: int, lines: Mapping[int, RawLine]) -> Iterator[bytes]:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    for number, line in lines.items():
        line_format = json.dumps(line.format.as_json())
        writer.writerow((file_id, number, rf"\x{line.raw.hex()}", line.cut, line_format))
        if text.tell() > _COPY_BYTES:
            yield text.getvalue().encode()
            text.seek(0)
            text.truncate()
    if text.tell():
        yield text.getvalue().encode()

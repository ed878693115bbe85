"""Lines of a staged file again, provably of the bytes that were staged: same path, size, time and digest."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping

from etl import source
from etl.errors import FileError
from etl.loading.ledger import BatchFile
from etl.models import RawLine
from etl.settings import Settings

log = logging.getLogger(__name__)


def lines_of(file: BatchFile, numbers: Collection[int], settings: Settings) -> Mapping[int, RawLine]:
    """The lines by number; none where the path does not hold the bytes any more that were staged.

    Raises:
        TransientError: the object store cannot be reached.
    """
    from etl.reader.raw_lines import raw_lines

    if not source.unchanged(file.path, file.size, file.mtime):
        return {}
    try:
        with source.opened(file.path) as stream:
            return raw_lines(stream, numbers, settings.read_options(), digest=file.digest)
    except FileError as error:
        log.info("%s: its lines cannot be read again: %s", file.path, error)
        return {}

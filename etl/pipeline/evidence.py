"""What the end of a log says: whether somebody still writes to it, and which of its two forms is the whole one."""

from __future__ import annotations

import hashlib

from etl import source
from etl.errors import ConnEtlError, FileError, HalfWritten
from etl.models import FoundFile
from etl.reader.compression import Decompressed
from etl.settings import Settings

_TAIL = 512
_SIZE_BYTES = 4


def whole(file: FoundFile, settings: Settings) -> bool:
    """Whether a log's own end says that it is complete; an object's packed content is not fetched for that."""
    if not file.size:
        return False
    try:
        if not file.path.endswith(source.PACKED):
            return _closed(file.path)
        return not source.is_remote(file.path) and unpacked(file.path, settings) is not None
    except ConnEtlError:
        return False  # whoever stages it will say what is wrong with it


def _closed(path: str) -> bool:
    last = source.tail(path, _TAIL).rstrip().rpartition(b"\n")[2]
    return last.startswith(b"#close")


def unpacked(path: str, settings: Settings) -> tuple[int, bytes] | None:
    """Size and SHA-256 of a log's decompressed bytes, as far as they can be read; None for one that is cut off.

    Raises:
        FileError: nothing of it can be read.
    """
    size, digest, incomplete = content(path, settings)
    return None if incomplete else (size, digest)


def content(path: str, settings: Settings) -> tuple[int, bytes, str | None]:
    """Size and SHA-256 of what can be decompressed of a log, and why the end is missing; raises FileError."""
    with source.opened(path) as stream:
        chunks, digest = Decompressed(stream, max_bytes=settings.max_file_bytes), hashlib.sha256()
        for chunk in chunks:
            digest.update(chunk)
    return chunks.size, digest.digest(), chunks.incomplete


def half_written(file: FoundFile, settings: Settings) -> FileError | None:
    """Where a log is there plain and packed: why this one is not the whole one. None: it is, or nothing tells."""
    for twin in file.twins:
        plain, packed = sorted((file.path, twin), key=len)
        if plain.endswith(source.PACKED) or (there := source.status_of(plain)) is None:
            continue
        if _size_within(packed) == there[0]:
            continue
        size = _size_of(packed, settings)
        if size is None and file.path == packed:
            return HalfWritten(f"it is cut off, and {plain} is there in one piece")
        if size is not None and size > there[0] and file.path == plain:
            return HalfWritten(f"{packed} is there in one piece and holds more")
    return None


def _size_within(packed: str) -> int | None:
    """The size that a gzip file's last bytes name, which are there only when it was written to its end."""
    if not packed.endswith(".gz"):
        return None
    try:
        return int.from_bytes(source.tail(packed, _SIZE_BYTES), "little")
    except ConnEtlError:
        return None


def _size_of(packed: str, settings: Settings) -> int | None:
    if not (status := source.status_of(packed)) or not status[0]:
        return None  # just begun
    try:
        found = unpacked(packed, settings)
    except ConnEtlError:
        return None
    return found and found[0]

"""Whether a log is complete: nothing writes to it any more, and it is the whole one of its plain and packed forms."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import datetime, timedelta

from etl.errors import ConnEtlError, FileError, HalfWritten
from etl.models import FoundFile
from etl.reader.compression import Decompressed
from etl.source import archives, paths, remote
from etl.source.names import PACKED

_MAX_BYTES = 1 << 40
_TAIL = 512
_SIZE_BYTES = 4


def has_end(file: FoundFile) -> bool:
    """Whether the log's own end says that it is complete: ``#close``, or a whole last member of a packed file.

    A member of an archive has one, since only whole archives are listed. A packed object is not fetched for that.
    """
    if not file.size:
        return False
    try:
        if archives.split(file.path):
            return True
        if not file.path.endswith(PACKED):
            return paths.tail(file.path, _TAIL).rstrip().rpartition(b"\n")[2].startswith(b"#close")
        return not remote.is_remote(file.path) and _unpacked_size(file.path) is not None
    except ConnEtlError:
        return False  # staging reports what is wrong with it


def is_complete(
    file: FoundFile,
    now: datetime,
    settle_after: timedelta,
    *,
    first_seen: datetime | None = None,
    ended: Callable[[FoundFile], bool] = has_end,
) -> bool:
    """Whether nothing writes to a file any more: by its window or its own end, else by age and the same size twice.

    A window that has ended does not count where the log is there plain and packed, since one is written from the
    other. With a ``settle_after`` of 0 every file is complete.

    Args:
        file: as listed now.
        now: the moment of the listing.
        settle_after: how long it has not changed, and how long ago it was first seen.
        first_seen: when it was first seen with this size and mtime; None: now.
        ended: whether the file's own end says that it is complete.
    """
    if file.skip_reason is not None or not settle_after:
        return True
    if file.window_end is not None and file.window_end <= now and not file.twins:
        return True
    before = now - settle_after
    if first_seen is not None and first_seen <= before and file.mtime <= before:
        return True
    return ended(file)


def complete_at(
    file: FoundFile, now: datetime, settle_after: timedelta, *, first_seen: datetime | None = None
) -> datetime:
    """When a file that is not complete now will be, if nothing writes to it; the arguments are those above."""
    by_age = max(first_seen or now, file.mtime) + settle_after
    if file.window_end is not None and file.window_end > now and not file.twins:
        return min(file.window_end, by_age)
    return by_age


def overlaps(file: FoundFile, since: datetime | None, until: datetime | None) -> bool:
    """Whether the file's window meets since/until; a file without a window always does."""
    if file.window_start is None:
        return True
    end = file.window_end or file.window_start
    return (since is None or end > since) and (until is None or file.window_start < until)


def content(path: str, max_bytes: int = _MAX_BYTES) -> tuple[int, bytes, str | None]:
    """Size and SHA-256 of what can be decompressed of a log, and why its end is missing; raises FileError."""
    with paths.opened(path) as stream:
        chunks, digest = Decompressed(stream, max_bytes=max_bytes), hashlib.sha256()
        for chunk in chunks:
            digest.update(chunk)
    return chunks.size, digest.digest(), chunks.incomplete


def half_written(file: FoundFile) -> FileError | None:
    """Where a log is there plain and packed: why this one is not the whole one; None if it is or nothing is known.

    The shorter one counts as half written if the longer one begins with its bytes; else they are two logs.
    """
    for twin in file.twins:
        plain, packed = sorted((file.path, twin), key=len)
        if plain.endswith(PACKED) or (there := paths.status_of(plain)) is None:
            continue
        if _stated_size(packed) == there[0]:
            continue
        size = _size_of(packed)
        if size is None and file.path == packed and _begins_with(plain, packed):
            return HalfWritten(f"it is cut off, and {plain} is there in one piece")
        if size is not None and size > there[0] and file.path == plain and _begins_with(packed, plain):
            return HalfWritten(f"{packed} is there in one piece and holds more")
    return None


def _begins_with(longer: str, shorter: str) -> bool:
    """Whether a log's bytes, unpacked, are the first ones of another; one that cannot be read has only begun."""
    try:
        size, digest, _ = content(shorter)
    except ConnEtlError:
        return True
    with paths.opened(longer) as stream:
        first, left = hashlib.sha256(), size
        for received in Decompressed(stream, max_bytes=_MAX_BYTES):
            first.update(received[:left])
            if (left := left - len(received)) <= 0:
                break
    return first.digest() == digest


def _stated_size(packed: str) -> int | None:
    """The size that a gzip file's last bytes state, which are there only when it was written to its end."""
    if not packed.endswith(".gz"):
        return None
    try:
        return int.from_bytes(paths.tail(packed, _SIZE_BYTES), "little")
    except ConnEtlError:
        return None


def _size_of(packed: str) -> int | None:
    if not (status := paths.status_of(packed)) or not status[0]:
        return None  # just begun
    try:
        return _unpacked_size(packed)
    except ConnEtlError:
        return None


def _unpacked_size(path: str) -> int | None:
    """Size of a log's decompressed bytes; None for one that is cut off. Raises FileError."""
    size, _, incomplete = content(path)
    return None if incomplete else size

"""Paths as the ledger names them, and back to the file: local ones as text, others as the URL that fsspec takes.

PostgreSQL holds no text that is not UTF-8, so a local name of other bytes stands in the ledger as a ``file://`` URI.
"""

from __future__ import annotations

import os
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import BinaryIO
from urllib.parse import unquote_to_bytes

from etl.errors import Binary, ConnEtlError, FileAway, FileError, Gone, NotAConnLog, NotALog, Unreadable
from etl.reader.compression import Decompressed
from etl.source import archives, credentials, local, remote, stdin
from etl.source.names import PACKED, base

_HEAD = 1 << 30
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LATEST = datetime(9999, 12, 31, tzinfo=UTC)


def ledger_path(path: Path | str) -> str:
    """A local path as text that PostgreSQL can hold."""
    text = str(path)
    return text if text.isprintable() or _is_utf8(text) else Path(text).as_uri()


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def legible(text: str) -> str:
    """A local path with a mark for each byte that is no UTF-8."""
    return text if text.isprintable() else text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def local_path(text: str) -> Path:
    """The file that a local path of the ledger names."""
    if text.startswith("file://"):
        return Path(os.fsdecode(unquote_to_bytes(text.removeprefix("file://"))))
    return Path(text)


def named(target: str) -> str:
    """A file as the ledger names it, whether it is still there or not; raises Misuse for a URL with credentials."""
    credentials.refuse(target)
    if remote.is_remote(target) or stdin.is_stdin(target):
        return target
    return ledger_path(os.path.abspath(local_path(target)))  # noqa: PTH100  as in listed()


def mtime_of(status: os.stat_result) -> datetime:
    """Exact to the microsecond: a float of seconds would not be the same twice."""
    try:
        return _EPOCH + timedelta(microseconds=status.st_mtime_ns // 1_000)
    except OverflowError:  # a file system may hold years that neither Python nor PostgreSQL can
        return _LATEST


def status_of(text: str) -> tuple[int, datetime] | None:
    """Size and mtime of a path of the ledger; None where there is no such file."""
    if stdin.is_stdin(text):
        return (kept.size, kept.mtime) if (kept := stdin.kept(text)) else None
    try:
        if within := _within(text):
            return _member_status(*within)
        if remote.is_remote(text):
            return remote.status_of(text)
        status = local_path(text).stat()
    except (OSError, ConnEtlError):
        return None
    return (status.st_size, mtime_of(status)) if local.is_log_file(status) else None


def unchanged(text: str, size: int, mtime: datetime) -> bool:
    """Whether a path of the ledger still holds the file of this size and mtime."""
    return status_of(text) == (size, mtime)


def opened(text: str) -> BinaryIO:
    """Open a path of the ledger for reading; an object is read as it streams in, a member where it stands.

    Raises:
        Gone: it was packed or unpacked since it was listed, and the other one is there.
        FileAway: its mount is in trouble, which may pass.
        Unreadable: it is gone without a trace, or may not be read.
        TransientError: the object store cannot be reached.
    """
    if stdin.is_stdin(text):
        if (kept := stdin.kept(text)) is None:
            raise Unreadable(
                "it came from stdin, which is gone", hint="pipe it into `conn-etl ingest -` again"
            )
        return stdin.opened(kept)
    if within := _within(text):
        archive, name = within
        return archives.opened(identity_of(archive), name, opened_itself)
    if archives.is_archive(text):
        _require_readable(text)
    return opened_itself(text)


def _within(text: str) -> tuple[str, str] | None:
    """The archive and the member that a path names; a folder may be called like that too."""
    found = archives.split(text)
    if found and not remote.is_remote(text) and os.path.lexists(local_path(text)):
        return None
    return found


def _require_readable(archive: str) -> None:
    """An archive is only opened itself where its members could not be listed: raise the reason."""
    with suppress(NotALog):  # it is no archive, whatever its name: its content decides
        archives.members(identity_of(archive), opened_itself)
        raise FileAway("its members could not be listed, and now they can", hint="the next run reads them")


def opened_itself(text: str) -> BinaryIO:
    """Open a local file or an object, an archive too; raises as ``opened``."""
    try:
        if remote.is_remote(text):
            return remote.opened(text)
        return local.opened(local_path(text))
    except FileNotFoundError as error:
        if other := other_form(text):
            raise Gone(f"it is gone; {other} is there in its place") from error
        raise Unreadable(
            "it is gone since it was listed", hint="bring it back, then load it with --retry"
        ) from error
    except OSError as error:
        raise local.failure(
            "it cannot be opened", error, hint="fix that, then load it with --retry"
        ) from error


def identity_of(archive: str) -> archives.Identity:
    """An archive as it is now; raises Unreadable where there is none."""
    if (status := status_of(archive)) is None:
        raise Unreadable("its archive is gone", hint="bring it back, then load it with --retry")
    return archives.Identity(archive, *status)


def _member_status(archive: str, name: str) -> tuple[int, datetime] | None:
    """A member has its own size, and changes with its archive."""
    identity = identity_of(archive)
    member = archives.members(identity, opened_itself).get(name)
    return None if member is None else (member.size, identity.mtime)


def no_log(text: str) -> FileError | None:
    """Why a file can hold no log, by its first bytes; None for one that may, or that cannot be read."""
    from etl.mapping.names import Names
    from etl.reader.formats import detect
    from etl.reader.signatures import refuse

    try:
        with opened(text) as stream:
            head = next(iter(Decompressed(stream, max_bytes=_HEAD)), b"")
        refuse(head)
        if b"\0" in head:
            detect(head.lstrip(b"\0"), Names({}))
    except (NotALog, Binary) as error:
        return NotAConnLog(str(error.args[0]), hint=error.hint)
    except ConnEtlError:
        return None  # reading it says why
    return None


def other_form(text: str) -> str | None:
    """The same log packed or unpacked, where it is beside this path."""
    plain = base(text)
    forms = [plain, *(plain + ending for ending in PACKED)]
    return next((form for form in forms if form != text and status_of(form)), None)


def tail(text: str, count: int) -> bytes:
    """The last bytes of a file; raises as ``opened`` does."""
    with opened(text) as stream:
        stream.seek(max(0, stream.seek(0, os.SEEK_END) - count))
        return stream.read(count)

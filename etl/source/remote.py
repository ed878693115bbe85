"""Logs in object stores, or wherever else fsspec reaches: listed folder by folder, streamed, never copied to disk.

Credentials come from where the store's own tools look (for S3 ``AWS_ACCESS_KEY_ID`` and ``AWS_ENDPOINT_URL``, profiles,
an instance's role; for any store ``FSSPEC_<PROTOCOL>_<OPTION>``), or from what an entry point hands to ``use``.
fsspec is loaded by the first URL only.
"""

from __future__ import annotations

import errno
import io
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, BinaryIO, cast

from etl.errors import ConnEtlError, EnvironmentProblem, FileError, StorageAway, Unreadable

READ_AHEAD = 8 << 20
"""Bytes of one request; what a file in the making holds in memory."""
_TIMES = ("LastModified", "last_modified", "mtime", "updated", "created")
_S3 = ("s3://", "s3a://")
_VERSION = "?versionId="
"""What s3fs takes for the end of an object's name, wherever in the name it stands."""
_RENAME = "copy the object to another name"
_REFUSED = ("credential", "accessdenied", "forbidden", "invalidaccesskey", "signaturedoesnotmatch")


@dataclass(frozen=True, kw_only=True, slots=True)
class RemoteFile:
    """One object as its listing shows it; ``error`` says why it cannot be read."""

    path: str
    size: int
    mtime: datetime
    is_folder: bool = False
    error: FileError | None = None


def is_remote(text: str) -> bool:
    """Whether a path is a URL for fsspec."""
    return "://" in text and not text.startswith(("/", "file://"))


def use(protocol: str, options: Mapping[str, Any]) -> None:
    """Options (keys, endpoint) for all access by a protocol in this process, as fsspec's driver names them."""
    from fsspec.config import conf

    conf[protocol] = {**conf.get(protocol, {}), **options}


def status_of(url: str) -> tuple[int, datetime] | None:
    """Size and mtime of an object; None where there is none."""
    with _translated(url):
        system, path = _system(url)
        try:
            found = _file(system, system.info(path))
        except FileNotFoundError:
            return None
    return None if found.is_folder else (found.size, found.mtime)


def opened(url: str) -> BinaryIO:
    """Open an object; raises FileNotFoundError, PermissionError, EnvironmentProblem, StorageAway."""
    with _translated(url):
        system, path = _system(url)
        options = {"block_size": READ_AHEAD, "cache_type": "readahead"}
        return cast("BinaryIO", io.BufferedReader(_Stream(system.open(path, "rb", **options), url), 1 << 18))


class _Stream(io.RawIOBase):
    """A file of fsspec's whose errors say whether it is worth trying again."""

    def __init__(self, file: Any, url: str) -> None:
        self._file, self._url = file, url

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        return int(self._file.seek(offset, whence))

    def readinto(self, buffer: Any) -> int:
        try:
            with _translated(self._url):
                data = self._file.read(len(buffer))
        except (FileNotFoundError, PermissionError) as error:
            raise Unreadable(f"it cannot be read on: {error}", hint="load it with --retry") from error
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        if not self.closed:
            self._file.close()
        super().close()


def info(url: str) -> RemoteFile | None:
    """What a URL names: an object, or a prefix with something below it (a folder); None for nothing."""
    with _translated(url):
        system, path = _system(url)
        try:
            found = _file(system, system.info(path))
        except FileNotFoundError:
            return None
        except OSError as error:
            if error.errno == errno.EINVAL and _is_version(url):
                return None  # it is no version that the store could have
            raise
    return None if found.is_folder and _is_version(url) else found


def folders(url: str, wanted: Callable[[str], bool]) -> Iterator[list[RemoteFile]]:
    """The objects below a URL, one list a folder, folders in the order of their names; ``wanted`` decides by name.

    What cannot be read, folders too, is among the objects and has its error.
    """
    waiting = [_top(url)]
    while waiting:
        folder = waiting.pop()
        with _translated(folder):
            entries = [_judged(entry) for entry in _entries(folder)]
        entries = [e for e in entries if not _is_itself(e, folder) and wanted(_name(e, folder))]
        below = [entry.path for entry in entries if entry.is_folder and entry.error is None]
        yield [entry for entry in entries if not entry.is_folder or entry.error is not None]
        waiting += sorted(below, reverse=True)


def _top(url: str) -> str:
    """A folder of S3 that is given with a slash is the one without: ``p/`` would be a folder without a name in it."""
    protocol, mark, path = url.partition("://")
    return f"{protocol}{mark}{path.rstrip('/')}" if url.startswith(_S3) else url


def _entries(folder: str) -> list[RemoteFile]:
    """What is right below a folder."""
    system, path = _system(folder)
    slashes = folder[len(folder.rstrip("/")) :]
    if slashes and path and folder.startswith(_S3):
        return _nameless(system, path, slashes)
    return [_file(system, entry) for entry in system.ls(path, detail=True)]


def _nameless(system: Any, path: str, slashes: str) -> list[RemoteFile]:
    """What is in the folder without a name that ``p//y.log`` has in ``p``: ``ls`` would list ``p`` again."""
    asked = {"prefix": slashes, "maxdepth": 1, "detail": True}
    try:
        files = system.find(path, **asked).values()
        # asked twice, since an object hides behind a folder of the same name
        both = system.find(path, withdirs=True, **asked).values()
    except ValueError:
        error = Unreadable("a folder without a name; this s3fs cannot list it", hint="install a newer s3fs")
        folder = {"name": path + slashes, "type": "directory"}
        return [replace(_file(system, folder), error=error)]
    found = [*files, *(entry for entry in both if entry["type"] == "directory")]
    return [_file(system, entry) for entry in found]


def _judged(entry: RemoteFile) -> RemoteFile:
    """Give an error to what s3fs would take for another object than the one of this name."""
    if not entry.path.startswith(_S3):
        return entry
    if _VERSION in entry.path:
        return replace(
            entry, error=Unreadable(f"a name with {_VERSION} in it cannot be asked for", hint=_RENAME)
        )
    if entry.path.endswith("/") and not entry.is_folder and entry.size:
        return replace(entry, error=Unreadable("a name that ends in / cannot be asked for", hint=_RENAME))
    return entry


def _is_itself(entry: RemoteFile, folder: str) -> bool:
    """Whether an entry of a folder is the folder, or the empty object that stands for it."""
    if entry.path.startswith(_S3) and (entry.is_folder or entry.error is not None):
        return False
    return entry.path.rstrip("/") == folder.rstrip("/")


def _name(entry: RemoteFile, folder: str) -> str:
    """The name in the folder, empty for one without a name."""
    path = entry.path.rstrip("/")
    return "" if path == folder.rstrip("/") else path.rpartition("/")[2]


def _is_version(url: str) -> bool:
    return url.startswith(_S3) and _VERSION in url


def _system(url: str) -> tuple[Any, str]:
    """The file system of a URL and the path in it; each listing asks the store again.

    fsspec's own ``url_to_fs`` would take ``::`` in an object's name for a chain of file systems.
    """
    from fsspec import filesystem, get_filesystem_class

    protocol = url.partition("://")[0]
    kind: Any = get_filesystem_class(protocol)
    options = kind._get_kwargs_from_urls(url)  # noqa: SLF001  a host or a version; there is no public way
    return filesystem(protocol, **options | {"use_listings_cache": False}), kind._strip_protocol(url)  # noqa: SLF001


def _file(system: Any, entry: Mapping[str, Any]) -> RemoteFile:
    written = next((entry[name] for name in _TIMES if entry.get(name) is not None), None)
    return RemoteFile(
        path=system.unstrip_protocol(entry["name"]),
        size=int(entry.get("size") or 0),
        mtime=_moment(written),
        is_folder=entry["type"] == "directory",
    )


def _moment(written: object) -> datetime:
    match written:
        case datetime():
            return written if written.tzinfo else written.replace(tzinfo=UTC)
        case int() | float():
            return datetime.fromtimestamp(written, UTC)
        case str():
            return _moment(datetime.fromisoformat(written))
        case _:
            return datetime.fromtimestamp(0, UTC)  # without times, only the size shows a change


@contextmanager
def _translated(url: str) -> Iterator[None]:
    """Errors of fsspec and its drivers as ours; that there is nothing, or no right to it, is the caller's matter."""
    try:
        yield
    except (ConnEtlError, FileNotFoundError, PermissionError):
        raise
    except ImportError as error:
        raise EnvironmentProblem(
            f"{url}: a package for it is missing ({error})", hint="for S3: pip install 'conn-etl[s3]'"
        ) from error
    except ValueError as error:
        raise EnvironmentProblem(f"{url}: {error}") from error
    except Exception as error:
        name = f"{type(error).__name__} {error}"
        if any(word in name.lower().replace(" ", "") for word in _REFUSED):
            raise EnvironmentProblem(
                f"{url}: {error}", hint="set the store's credentials in the environment"
            ) from error
        raise StorageAway(f"{url}: {name}") from error

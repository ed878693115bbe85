"""The logs under the given paths. Sources are only read: never moved, renamed or deleted.

A tree is walked folder by folder, so memory follows the largest folder and not the tree. What is passed over comes back
with the reason to skip it; only dot files and ``current`` folders are not mentioned.
"""

from __future__ import annotations

import os
import stat
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from etl.errors import (
    EnvironmentProblem,
    FileError,
    Misuse,
    NotALog,
    OtherLog,
    StorageAway,
)
from etl.models import FoundFile
from etl.source import archives, credentials, local, remote, stdin
from etl.source.archive_member import Member
from etl.source.folders import NEVER_CHANGED, Entry, entry_of, folders, wanted
from etl.source.names import base, is_document, is_other
from etl.source.paths import (
    ledger_path,
    local_path,
    no_log,
    opened_itself,
    status_of,
)
from etl.source.sensors import Sensors


def listed(paths: Iterable[str], sensors: Sensors | None = None) -> Iterator[FoundFile]:
    """The files under the given paths: in the order given, folders by name, within a folder by window, then path.

    A path given itself is taken whatever its name; in a folder, files that another Zeek log names come back skipped.

    Raises:
        Misuse: a path does not exist, or is a URL with credentials.
        EnvironmentProblem: a folder given may not be read, or a store refuses.
        StorageAway: a store cannot be reached.
    """
    chosen = sensors or Sensors()
    for given in paths:
        credentials.refuse(given)
        if stdin.is_stdin(given):
            yield from _itself(_piped(given), chosen)
        elif remote.is_remote(given):
            yield from _remote(given, chosen)
        else:
            yield from _local(given, chosen)


def _local(given: str, sensors: Sensors) -> Iterator[FoundFile]:
    if not given:  # the shell's, where a variable is not set; it would stand for the current folder
        raise Misuse("an empty path", hint="give a log, or a folder of logs")
    path = os.path.abspath(local_path(given))  # noqa: PTH100  resolve() would rename what a symlink names
    try:
        is_folder = stat.S_ISDIR(os.stat(path).st_mode)  # noqa: PTH116  a name of any bytes
    except (OSError, ValueError) as error:
        if isinstance(error, OSError) and local.is_passing(error):
            raise StorageAway(f"{ledger_path(path)}: {error.strerror}") from error
        if found := list(_of_member(ledger_path(path), sensors)):
            yield from found
            return
        why = getattr(error, "strerror", None) or error
        raise Misuse(f"{ledger_path(given)}: {why}", hint="give a log, or a folder of logs") from error
    if not is_folder:
        yield from _itself(entry_of(path), sensors)
        return
    if not os.access(path, os.R_OK | os.X_OK):
        raise EnvironmentProblem(
            f"{ledger_path(path)}: permission denied", hint="let this user read the folder"
        )
    for entries in folders(path):
        yield from _arranged(entries, sensors)


def _piped(given: str) -> Entry:
    if (kept := stdin.kept(given)) is None:
        raise Misuse(f"{given} came from stdin, which is gone", hint="pipe it into `conn-etl ingest -` again")
    return Entry(path=given, shown=given, size=kept.size, mtime=kept.mtime)


def _remote(given: str, sensors: Sensors) -> Iterator[FoundFile]:
    try:
        if (found := remote.info(given)) is None:
            if members := list(_of_member(given, sensors)):
                yield from members
                return
            raise Misuse(
                f"{given}: there is no such object or prefix", hint="give a log, or a folder of logs"
            )
        if not found.is_folder:
            yield from _itself(replace(_object(found), path=given, shown=given), sensors)
            return
        for files in remote.folders(given, wanted):
            yield from _arranged([_object(file) for file in files], sensors)
    except (FileNotFoundError, PermissionError) as error:
        raise EnvironmentProblem(
            f"{given}: {error}", hint="see that these credentials may list and read it"
        ) from error


def _object(file: remote.RemoteFile) -> Entry:
    return Entry(path=file.path, shown=file.path, size=file.size, mtime=file.mtime, error=file.error)


def _named(entry: Entry, sensors: Sensors) -> Entry:
    """Skip what is another log, or none, by its name."""
    name = entry.shown.rpartition("/")[2]
    if entry.error is not None:
        return entry
    if is_other(name, sensors.conn_streams):
        return replace(entry, error=OtherLog("the name is that of another log"))
    if is_document(name):
        return replace(entry, error=NotALog("the name is that of a document or a program"))
    return entry


def _arranged(found: Sequence[Entry], sensors: Sensors) -> list[FoundFile]:
    """The files of one folder by window and path; a log that is there plain and packed knows of it."""
    entries = [_named(entry, sensors) for entry in found]
    forms: dict[str, list[str]] = defaultdict(list)
    for entry in entries:
        if entry.error is None:
            forms[base(entry.path)].append(entry.path)
    twins = {
        path: tuple(p for p in paths if p != path)
        for paths in forms.values()
        if len(paths) > 1
        for path in paths
    }
    files = [file for entry in entries for file in _expanded(entry, sensors, twins.get(entry.path, ()))]
    return sorted(files, key=lambda file: (file.window_start or NEVER_CHANGED, file.path))


def _expanded(entry: Entry, sensors: Sensors, twins: tuple[str, ...] = ()) -> list[FoundFile]:
    """The files that an entry stands for: itself, or the members of an archive.

    An archive whose members cannot be listed stands for itself: it may be half uploaded, and opening it says why.
    """
    if entry.error is not None or not archives.is_archive(entry.path):
        return [_found(entry, sensors, twins)]
    try:
        members = archives.members(archives.Identity(entry.path, entry.size, entry.mtime), opened_itself)
    except FileError:
        return [_found(entry, sensors)]
    logs = [m for m in members.values() if m.error or all(map(wanted, m.name.split("/")))]
    if not logs:
        return [_found(replace(entry, error=NotALog("an archive without any log in it")), sensors)]
    entries = [_named(_member(entry, member), sensors) for member in logs]
    files = [_found(member, sensors) for member in entries]
    return sorted(files, key=lambda file: file.window_start or NEVER_CHANGED)


def _itself(entry: Entry, sensors: Sensors) -> list[FoundFile]:
    """The files that a path given itself stands for: what a folder would be rid of in silence is refused here."""
    return [
        replace(file, skip_reason=no_log(file.path))
        if file.skip_reason is None and file.path == entry.path
        else file
        for file in _expanded(entry, sensors)
    ]


def _member(archive: Entry, member: Member) -> Entry:
    return Entry(
        path=archives.joined(archive.path, member),
        shown=archives.joined(archive.shown, member),
        size=member.size,
        mtime=archive.mtime,
        error=member.error or archives.nested(member),
    )


def _of_member(given: str, sensors: Sensors) -> Iterator[FoundFile]:
    """The files that a path inside an archive stands for: one member, or all below a folder."""
    if not (within := archives.split(given)) or not (status := status_of(within[0])):
        return
    size, mtime = status
    archive = Entry(path=within[0], shown=within[0], size=size, mtime=mtime)
    for file in _expanded(archive, sensors):
        if file.path == given:
            yield replace(file, skip_reason=None) if isinstance(file.skip_reason, OtherLog) else file
        elif file.path.startswith(f"{given.rstrip('/')}/"):
            yield file


def _found(entry: Entry, sensors: Sensors, twins: tuple[str, ...] = ()) -> FoundFile:
    sensor, (start, end) = sensors.of(entry.shown)
    return FoundFile(
        path=entry.path,
        size=entry.size,
        mtime=entry.mtime,
        sensor=sensor,
        window_start=start,
        window_end=end,
        skip_reason=entry.error,
        twins=twins,
    )

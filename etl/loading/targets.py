"""What ``unload`` is given, and the files of the ledger that it means: runs, paths, folders, archives, patterns.

The ledger decides, not the disk: a folder whose logs were rotated away can still be taken back.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import PurePosixPath
from typing import Any

from sqlalchemy.engine import Connection

from etl.database.statements import execute
from etl.errors import Misuse
from etl.models import IN_ARCHIVE

_WILD = re.compile(r"[*?]|\[[^]/]+\]")


@dataclass(frozen=True, kw_only=True, slots=True)
class LoadedFile:
    """The ledger's row of a file that has something to take back."""

    etl_file_id: int
    path: str
    size: int
    mtime: datetime
    state: str
    batch_id: int | None
    digest: bytes | None
    rows_loaded: int
    min_timestamp: datetime | None
    max_timestamp: datetime | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Chosen:
    """The files that targets mean, in the ledger's order."""

    files: list[LoadedFile]
    named: bool
    """Whether each file was named itself, or by its run."""


def resolve(connection: Connection, targets: Mapping[str, str]) -> Chosen:
    """The files of these targets (each as given, with its name in the ledger).

    A target is a run, else a path, else a folder or an archive, else a pattern. One that the ledger has, but with
    nothing loaded (a skipped file among those that a shell wrote out), is passed over beside others.

    Raises:
        Misuse: nothing is loaded from any of them, or one is unknown to the ledger.
    """
    runs = {row.run_id for row in execute(connection, "undo.runs", names=list(targets))}
    found: dict[int, LoadedFile] = {}
    empty, named = [], True
    for target, path in targets.items():
        where = {"paths": [], "runs": [target]} if target in runs else {"paths": [path], "runs": []}
        rows = rows_of(execute(connection, "undo.loaded_from", **where).mappings())
        if not rows and target not in runs:
            rows = rows_of(execute(connection, "undo.loaded_below", **_below(path)).mappings())
            named = named and not rows
        if not rows:
            empty.append(target)
        found |= {row.etl_file_id: row for row in rows}
    for target in empty:
        if not found or not (target in runs or _seen(connection, targets[target])):
            hint = "give a path or a folder as `conn-etl status` shows it, or a run"
            raise Misuse(f"{target}: nothing is loaded from it", hint=hint)
    return Chosen(files=[found[i] for i in sorted(found)], named=named)


def _seen(connection: Connection, path: str) -> bool:
    """Whether the ledger has the path, files below it or files that fit it, in whatever state."""
    return bool(execute(connection, "undo.seen", path=path, **_below(path)).scalar_one())


def rows_of(mappings: Iterable[Mapping[Any, Any]]) -> list[LoadedFile]:
    """Rows as the statements of undo have them; the driver hands out bytea as a memoryview."""
    return [LoadedFile(**{**row, "digest": row["digest"] and bytes(row["digest"])}) for row in mappings]


def _below(path: str) -> dict[str, object]:
    """Beginnings of the paths below a folder or an archive, and the pattern as a regular expression (or None)."""
    top = path.rstrip("/")
    tops = [top]
    if PurePosixPath(path).is_absolute():  # names of other bytes stand in the ledger as a URI
        tops.append(PurePosixPath(top or "/").as_uri().rstrip("/"))
    folders = [f"{name}{mark}" for name in tops for mark in ("/", IN_ARCHIVE)]
    return {"folders": folders, "pattern": _expression(path) if _WILD.search(path) else None}


def _expression(pattern: str) -> str:
    """A shell's pattern as PostgreSQL takes it: ``*`` and ``?`` stop at a slash, ``**`` does not."""
    parts: Sequence[str] = re.split(r"(\*\*|\*|\?|\[[^]/]+\])", pattern.rstrip("/"))
    return f"^{''.join(map(_part, parts))}({IN_ARCHIVE}|/|$)"


def _part(part: str) -> str:
    if part in _SIGNS:
        return _SIGNS[part]
    if part.startswith("[") and part.endswith("]"):
        inside = part[1:-1].replace("\\", "\\\\")
        found = f"[^{inside[1:]}]" if inside.startswith("!") else f"[{inside}]"
        with suppress(re.error):  # a set that is none stands for itself
            re.compile(found)
            return found
    return re.escape(part)


_SIGNS = {"**": ".*", "*": "[^/]*", "?": "[^/]"}

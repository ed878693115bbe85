"""The frozen values that cross the stages: reader → loading → quality → pipeline → command, DAGs and reports."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Literal, Protocol

if TYPE_CHECKING:
    import polars as pl

    from etl.errors import FileError

MIB = 1 << 20


class FileState(StrEnum):
    """State of a file in the ledger; ``sql/functions/file_states.sql`` has the same two properties."""

    FOUND = "found"
    STAGED = "staged"
    PUBLISHED = "published"
    KNOWN = "known"
    """The same bytes were loaded as another file."""
    INCOMPLETE = "incomplete"
    """Published, and its end is missing."""
    REFUSED = "refused"
    """Its content is not accepted."""
    FAILED = "failed"
    """It cannot be read."""
    SKIPPED = "skipped"
    """It is not a log for us."""
    SUPERSEDED = "superseded"
    """Published, and a newer version of its path is too."""
    UNLOADED = "unloaded"
    """Its rows were taken back."""

    @property
    def is_open(self) -> bool:
        """Whether the next run goes on with the file; all other states are final for its path, size and mtime."""
        return self in {FileState.FOUND, FileState.STAGED}

    @property
    def has_rows(self) -> bool:
        """Whether the file has rows in the table; then its counts add up."""
        return self in {FileState.PUBLISHED, FileState.INCOMPLETE, FileState.SUPERSEDED}


@dataclass(frozen=True, kw_only=True, slots=True)
class ReadOptions:
    """What the reader is to find, and its bounds, all of them settings."""

    block_rows: int = 25_000
    """Rows of a block at most, of the first one ten times as many; memory follows this number, not the file's size."""
    block_bytes: int = 8 * MIB
    """Decompressed bytes of a block at most (one longer line makes a separate block)."""
    max_line_bytes: int = 256 * MIB
    """A longer line refuses the file: nothing that Zeek writes comes near."""
    max_raw_bytes: int = MIB
    """A rejected line is kept up to this length, and marked as cut beyond it."""
    max_file_bytes: int = 1 << 40
    """Decompressed size at which a file is refused as a bomb."""
    aliases: Mapping[str, str] = field(default_factory=dict)
    """Further source column → zeek field name, beside the built-in ones."""
    conn_streams: tuple[str, ...] = ()
    """Further Zeek streams (``#path``, ``_path``) whose rows are connections, beside conn."""
    alias_sets: tuple[str, ...] = ()
    """Names of sets of further aliases (``etl.mapping.alias_sets``)."""
    keep_wrapper: bool = False
    """Whether the other keys of what a row is wrapped in go to extra, as its member ``wrapper``."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Format:
    """How a line was read. A TSV line means nothing without it, so it is stored beside each quarantined line."""

    kind: Literal["tsv", "json"]
    separator: str | None = None
    set_separator: str | None = None
    empty_field: str | None = None
    unset_field: str | None = None
    path: str | None = None
    fields: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    wrapping: tuple[str, ...] = ()
    """What has to be taken off a line before it is a row, from outside in (``etl.reader.wrapping``)."""

    def as_json(self) -> dict[str, object]:
        """The set attributes, for ``etl.quarantine.format``."""
        return {name: value for name, value in asdict(self).items() if value not in (None, ())}


@dataclass(frozen=True, kw_only=True, slots=True)
class Reject:
    """One line that could not be read or cast."""

    line: int
    """1-based line of the decompressed bytes."""
    raw: bytes
    cut: bool
    """``raw`` was longer than ``max_raw_bytes`` and ends there: the line cannot be replayed."""
    field: str | None
    """The Zeek field at fault; None when the line as a whole is."""
    reason: str
    rule: str
    """The gate's rule that it breaks: ``row.shape`` or ``type.<standard name>``."""
    format: Format


@dataclass(frozen=True, kw_only=True, slots=True)
class Block:
    """A stretch of one file: ``frame`` has ``mapping.frame_schema`` (the standard columns, etl_line, extra)."""

    frame: pl.DataFrame
    rejects: tuple[Reject, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Scan:
    """What is known of a file once its last block was read."""

    digest: bytes
    """SHA-256 of the decompressed bytes: the file's identity."""
    rows_read: int
    """Lines neither blank nor header, counted by the reader on its own."""
    bytes_read: int
    incomplete: str | None
    """Why the end is missing, for example a truncated gzip member; None for a whole file."""
    compression: str
    formats: tuple[Format, ...]
    extra: Mapping[str, str]
    """Column beyond the dictionary → its Zeek or JSON type."""
    note: str | None = None
    """What a reader of the ledger has to know of a file that was read whole, such as a hole in it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Joined:
    """Small logs that were mapped together, without a reject; ``frame`` as in ``Block``, one log after the other."""

    frame: pl.DataFrame
    rows: Sequence[int]
    """Of each log."""
    scans: Sequence[Scan]
    """Of each log."""


class SmallLog(Protocol):
    """A log that is in memory and not parsed yet, to be mapped together with others."""

    @property
    def kind(self) -> bytes:
        """Equal for logs that can be mapped together."""
        ...

    @property
    def size(self) -> int:
        """Bytes of its rows."""
        ...

    def joined(self, others: Sequence[Any]) -> Joined | None:
        """Map it and others of its kind; None, or a FileError, where each has to be read alone."""
        ...


IN_ARCHIVE = "!/"
"""Stands in a path between an archive and its member."""


@dataclass(frozen=True, kw_only=True, slots=True)
class FoundFile:
    """A log as the source lists it."""

    path: str
    size: int
    mtime: datetime
    sensor: str = ""
    window_start: datetime | None = None
    """UTC, from the file's name; None where the name does not tell."""
    window_end: datetime | None = None
    twins: tuple[str, ...] = ()
    """Paths beside it of the same log, packed or plain."""
    skip_reason: FileError | None = None
    """Set where the listing alone decides: another log by its name, a folder that may not be read."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RawLine:
    """One line as it stands in its file, with the format that gives it meaning."""

    raw: bytes
    cut: bool
    format: Format


class Reader(Protocol):
    """One file being read: blocks in order, then what is known of the whole."""

    def small(self) -> SmallLog | None:
        """Return the log for ``SmallLog.joined``, if it is a small one without oddities; asked before iteration."""
        ...

    def __iter__(self) -> Iterator[Block]:
        """Yield the blocks; raises FileError where the file as a whole cannot be read."""
        ...

    def scan(self) -> Scan:
        """Return what is known once the blocks are exhausted."""
        ...

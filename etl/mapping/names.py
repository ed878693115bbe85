"""Which field a source column is: dotted names, any other scope separator, and columns that were renamed.

``LogAscii``'s scope separator and ``Log::default_field_name_map`` are settings of a sensor, so the same field comes as
``id.orig_h``, ``id_orig_h``, ``id::orig_h``, ``src`` or ``src_ip``. The more exact name wins; the loser is a
column like any other beyond the dictionary.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from etl.errors import Misuse
from etl.fields import BY_ZEEK, LOG, OWN_COLUMNS
from etl.mapping import streams
from etl.mapping.alias_sets import merged
from etl.mapping.other_logs import FOREIGN_COLUMNS

if TYPE_CHECKING:
    from etl.models import ReadOptions

_REMEMBERED = 10_000
"""A log with a new key in every line must not fill the memory."""
_SCOPED = re.compile(r"id[^a-z0-9]{1,3}((?:orig|resp)_[hp])")
ALIASES: dict[str, str] = {
    "@timestamp": "ts",
    "timestamp": "ts",
    "protocol": "proto",
    **dict.fromkeys(("src", "src_ip", "src_addr", "source_ip", "orig_h"), "id.orig_h"),
    **dict.fromkeys(("src_port", "source_port", "orig_p"), "id.orig_p"),
    **dict.fromkeys(("dst", "dst_ip", "dst_addr", "dest", "dest_ip", "resp_h"), "id.resp_h"),
    **dict.fromkeys(("dst_port", "dest_port", "resp_p"), "id.resp_p"),
}
"""Columns that sensors are known to rename these to. The settings can add more."""

STREAM_COLUMNS = ("_path", "@stream", "_stream", "stream")
"""Columns that name a row's stream, in JSON logs that several streams share. A row does not keep a name of a stream.

``_path`` is Zeek's own: whatever it says is a stream. The others are ordinary columns unless they name one of Zeek's.
"""


_CONTAINER_STREAMS = frozenset({"stdout", "stderr"})
"""What Docker and Kubernetes write into ``stream``, although Zeek has logs of these names."""


class Names:
    """Resolves source columns to Zeek fields, and remembers the answers; files may share one."""

    def __init__(
        self,
        aliases: Mapping[str, str],
        *,
        alias_sets: Iterable[str] = (),
        conn_streams: Collection[str] = (),
    ) -> None:
        """``aliases`` (source column → Zeek field) are consulted before the built-in ones.

        ``alias_sets`` names sets of further aliases, and ``conn_streams`` further streams whose rows are connections.

        Raises:
            Misuse: an alias for a field that does not exist.
        """
        if unknown := sorted(set(aliases.values()) - set(BY_ZEEK)):
            raise Misuse(
                f"alias for an unknown field: {', '.join(unknown)}",
                hint="name Zeek's fields, such as id.orig_h",
            )
        aliases = merged(alias_sets, aliases)
        self.foreign = FOREIGN_COLUMNS - aliases.keys() - ALIASES.keys()
        """Columns by which rows of other logs are known."""
        self.roots = frozenset({"id", *(column.partition(".")[0] for column in aliases if "." in column)})
        """Keys of nested objects whose members are columns: ``{"id": {"orig_h": …}}`` is ``id.orig_h``."""
        self.streams = {LOG, *(stream.lower() for stream in conn_streams)}
        self._aliases = dict(aliases)
        self._known: dict[str, tuple[str | None, int]] = {}

    def find(self, column: str) -> tuple[str | None, int]:
        """Return the field, None for a column beyond the dictionary, and how far-fetched that is (0 is exact)."""
        if (found := self._known.get(column)) is None:
            found = self._find(column)
            if len(self._known) < _REMEMBERED:
                self._known[column] = found
        return found

    def _find(self, column: str) -> tuple[str | None, int]:
        if column in BY_ZEEK:
            return column, 0
        if column in self._aliases:
            return self._aliases[column], 1
        if (scoped := _SCOPED.fullmatch(column)) and (field := f"id.{scoped[1]}") in BY_ZEEK:
            return field, 2
        return ALIASES.get(column), 3

    def resolve(self, columns: Iterable[str]) -> dict[str, str]:
        """Return column → field for the winners alone; of two equally good columns the first wins."""
        best: dict[str, tuple[int, str]] = {}
        for column in columns:
            field, rank = self.find(column)
            if field is not None and (field not in best or rank < best[field][0]):
                best[field] = rank, column
        return {column: field for field, (_, column) in best.items()}

    # --- which log a row is of ---------------------------------------------------------------------------------

    def is_own(self, stream: str) -> bool:
        """Whether the rows of a stream are of this log."""
        return stream.lower() in self.streams

    def is_stream_name(self, column: str, value: str) -> bool:
        """Whether a value of one of ``STREAM_COLUMNS`` names a stream."""
        if column == "_path" or self.is_own(value):
            return True
        return value not in _CONTAINER_STREAMS and streams.is_stream(value.lower())

    def stream_of(self, members: Mapping[str, Any]) -> str | None:
        """Return the stream that a row names itself; None where it names none."""
        for column in STREAM_COLUMNS:
            value = members.get(column)
            if value is not None and self.is_stream_name(column, str(value)):
                return str(value)
        return None

    def is_other(self, stream: str | None, columns: Collection[str]) -> bool:
        """Whether a row is of another log: by the stream that it names, else by its columns with a value."""
        if stream is not None:
            return not self.is_own(stream)
        return not OWN_COLUMNS.intersection(self._fields_of(columns)) and not self.foreign.isdisjoint(columns)

    def _fields_of(self, columns: Collection[str]) -> Sequence[str]:
        return [field for column in columns if (field := self.find(column)[0])]


def names_of(options: ReadOptions) -> Names:
    """Return the names that logs are read with; files that are read alike share them."""
    return _names_of(tuple(options.aliases.items()), options.alias_sets, options.conn_streams)


@lru_cache(maxsize=8)
def _names_of(
    aliases: tuple[tuple[str, str], ...], alias_sets: tuple[str, ...], conn_streams: tuple[str, ...]
) -> Names:
    """To make them costs more than to read a small file."""
    return Names(dict(aliases), alias_sets=alias_sets, conn_streams=conn_streams)

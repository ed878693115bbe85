"""Which field a source column is: dotted names, any other scope separator, and columns that were renamed.

``LogAscii``'s scope separator and ``Log::default_field_name_map`` are settings of a sensor, so the same field comes as
``id.orig_h``, ``id_orig_h``, ``id::orig_h``, ``src`` or ``src_ip``. The more exact name wins; the loser is a
column like any other beyond the dictionary.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping

from etl.errors import Misuse
from etl.fields import BY_ZEEK, OWN_COLUMNS

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

LOG_COLUMN = "_path"
"""The stream's name, in JSON logs that several streams share. It says which log a row is of, so a row keeps it not."""
FOREIGN_COLUMNS = frozenset(
    {
        "query",
        "qtype",
        "rcode",
        "trans_id",
        "trans_depth",
        "method",
        "uri",
        "user_agent",
        "cipher",
        "server_name",
    }
    | {
        "fuid",
        "fuids",
        "note",
        "peer",
        "auth_success",
        "analyzer",
        "failure_reason",
        "mailfrom",
        "cookie",
        "key_type",
    }
)
"""Columns by which Zeek's logs other than conn are known (dns, http, ssl, files, notice, weird, ssh, smtp, …)."""


class Names:
    """Resolves source columns to Zeek fields; one per file, since it remembers."""

    def __init__(self, aliases: Mapping[str, str]) -> None:
        """``aliases`` (source column → Zeek field) are consulted before the built-in ones.

        Raises:
            Misuse: an alias for a field that does not exist.
        """
        if unknown := sorted(set(aliases.values()) - set(BY_ZEEK)):
            raise Misuse(
                f"alias for an unknown field: {', '.join(unknown)}",
                hint="name Zeek's fields, such as id.orig_h",
            )
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


def is_other_log(columns: Collection[str]) -> bool:
    """Judge by columns, where no path names the log: none that only conn has, and one that another is known by.

    A log cut down to the required columns, or with a vendor's own, is taken for what it was given as.
    """
    return not OWN_COLUMNS.intersection(columns) and bool(FOREIGN_COLUMNS.intersection(columns))

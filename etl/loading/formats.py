"""How rejected lines were read: each format is kept once, under its digest, and not beside each of its lines."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from sqlalchemy.engine import Connection

from etl.database.statements import execute
from etl.models import Format

FORMAT = ("digest", "format")
"""Columns of the table of formats, in the order of its CSV."""
_AT_HAND = 16
"""Formats that are kept while lines are gone through: lines of one file, which have few, stand together."""


def digest_of(format_: Format) -> bytes:
    """SHA-256 of the format as PostgreSQL writes it: keys by length, then by bytes."""
    members = sorted(format_.as_json().items(), key=lambda item: (len(item[0]), item[0]))
    return hashlib.sha256(_text(dict(members), ascii_=False).encode("utf-8", "surrogatepass")).digest()


def _text(value: Mapping[str, object], *, ascii_: bool = True) -> str:
    return json.dumps(value, ensure_ascii=ascii_)


@dataclass(slots=True)
class Digests:
    """Digests of the formats of a stretch of lines; next to each other these have the same one nearly always."""

    formats: dict[bytes, Format] = field(default_factory=dict)
    """By digest, all that were asked about."""
    _last: Format | None = None
    _digest: bytes = b""

    def of(self, format_: Format) -> bytes:
        """The digest of one."""
        if format_ is not self._last:
            self._last, self._digest = format_, digest_of(format_)
            self.formats[self._digest] = format_
        return self._digest


def as_csv(formats: Mapping[bytes, Format]) -> bytes:
    """Formats by digest, for COPY."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows((rf"\x{digest.hex()}", _text(one.as_json())) for digest, one in formats.items())
    return text.getvalue().encode()


class StoredFormats:
    """Formats of quarantine by digest, read as lines need them; the last ones stay at hand."""

    def __init__(self, connection: Connection) -> None:
        """``connection`` is in a transaction whenever one is asked for."""
        self._connection = connection
        self._read = lru_cache(_AT_HAND)(self._read_again)

    def get(self, digest: bytes | memoryview | None) -> Mapping[str, Any] | None:
        """The format as ``Format.as_json`` wrote it; None for a line without one."""
        return None if digest is None else self._read(bytes(digest))

    def _read_again(self, digest: bytes) -> Mapping[str, Any]:
        stored: Mapping[str, Any] = execute(self._connection, "quarantine.format", digest=digest).scalar_one()
        return stored


def beside(rows: Iterable[Mapping[Any, Any]], formats: StoredFormats) -> Iterable[dict[str, Any]]:
    """The rows, each with its ``format`` in the place of ``format_digest``."""
    for row in rows:
        line = dict(row)
        line["format"] = formats.get(line.pop("format_digest"))
        yield line

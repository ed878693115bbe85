"""What a log's columns say: which standard field each of them feeds and why, and how new their Zeek is."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from etl import source
from etl.fields import BY_ZEEK
from etl.mapping import names
from etl.models import Format
from etl.reader import json_exact
from etl.reader.compression import Decompressed
from etl.reader.formats import Unwrap, unwrapper
from etl.reader.json_schema import objects
from etl.settings import Settings

LOOKED_AT = 1_000
"""Lines of a JSON log whose keys count as its columns."""
HEAD = 1 << 22
HOW = ("exact name", "alias of the settings", "scope separator", "known alias")

VERSIONS: tuple[tuple[str, str], ...] = (
    ("id.ctx.vlan", "8.0 or later"),
    ("id.ctx.inner_vlan", "8.0 or later"),
    ("pppoe_session_id", "8.0 or later"),
    ("failed_service", "8.0 or later"),
    ("ip_proto", "7.1 or later"),
    ("speculative_service", "4.0 or later"),
    ("local_resp", "2.2 or later"),
    ("tunnel_parents", "2.1 or later"),
)
"""Columns by the version whose scripts brought them, newest first."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Column:
    """A column of the log: the standard field that it feeds (None: it goes to extra), and why."""

    name: str
    type: str | None
    field: str | None
    why: str


def columns_of(
    path: str, formats: Sequence[Format], extra: Mapping[str, str], settings: Settings
) -> list[Column]:
    """The log's columns in its order: of the header, or of the first lines of a JSON log."""
    options = settings.read_options()
    known = names.names_of(options)
    types = {name: t for f in formats for name, t in zip(f.fields, f.types, strict=False)} | dict(extra)
    nested: set[str] = set()
    written: dict[str, None] = {}
    if formats[0].kind == "tsv":
        written = dict.fromkeys(name for f in formats for name in f.fields)
    else:
        unwrap = unwrapper(formats[0], known)
        lines = _head(path, settings)
        for members in objects(list(_rows(lines, unwrap)) if unwrap else lines):
            keys = json_exact.flat_keys(members, known.roots)
            written |= dict.fromkeys(keys)
            nested |= {key for key in keys if key not in members}
    winners = known.resolve(written)
    return [_column(name, known, winners, nested, types.get(name)) for name in written]


def _head(path: str, settings: Settings) -> list[bytes]:
    data = b""
    with source.opened(path) as stream:
        for chunk in Decompressed(stream, max_bytes=settings.max_file_bytes):
            data += chunk
            if len(data) > HEAD:
                break
    return data.split(b"\n", LOOKED_AT)[:LOOKED_AT]


def _rows(lines: Sequence[bytes], unwrap: Unwrap) -> Iterator[bytes]:
    for line in lines:
        try:
            yield unwrap.inner(line)
        except json_exact.Bad:
            continue


def _column(
    name: str, known: names.Names, winners: Mapping[str, str], nested: Collection[str], kind: str | None
) -> Column:
    found, rank = known.find(name)
    if name in names.STREAM_COLUMNS and kind is None:
        return Column(name=name, type=kind, field=None, why="names the log; not kept")
    if found is None:
        return Column(name=name, type=kind, field=None, why="not in the dictionary: kept in extra")
    if name not in winners:
        return Column(name=name, type=kind, field=None, why=f"another column is {found}: kept in extra")
    why = "nested" if name in nested else HOW[rank]
    field = BY_ZEEK[found]
    return Column(name=name, type=kind or field.zeek_type, field=field.standard, why=why)


def version(columns: Sequence[Column], formats: Sequence[Format]) -> str:
    """A guess: a column says that a version is not older, its absence says nothing."""
    written = {column.name for column in columns}
    if any("table[string]" in f.types for f in formats):
        return "2.x (tunnel_parents has the type table[string])"
    for column, version in VERSIONS:
        if column in written:
            return f"{version} (it has {column})"
    return "unknown (none of its columns tells)"

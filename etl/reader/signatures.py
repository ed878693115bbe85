"""What a file is that is no conn log, told by its bytes, and the command that helps.

What may hold a log in another form is refused, so that nothing is passed over in silence; what can hold none (a
capture, a database, a list of checksums) is ``NotALog``, which a folder is full of.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any

from etl.errors import Binary, NotAConnLog, NotALog
from etl.mapping.names import Names
from etl.reader.wrapping import is_row

_NO_LOGS: tuple[tuple[bytes, str, str | None], ...] = (
    (b"\xd4\xc3\xb2\xa1", "a capture (pcap)", "zeek -r FILE makes its logs"),
    (b"\xa1\xb2\xc3\xd4", "a capture (pcap)", "zeek -r FILE makes its logs"),
    (b"\x4d\x3c\xb2\xa1", "a capture (pcap, nanoseconds)", "zeek -r FILE makes its logs"),
    (b"\xa1\xb2\x3c\x4d", "a capture (pcap, nanoseconds)", "zeek -r FILE makes its logs"),
    (b"\x0a\x0d\x0d\x0a", "a capture (pcapng)", "zeek -r FILE makes its logs"),
    (b"SQLite format 3\0", "an SQLite database", None),
    (b"\x7fELF", "a program", None),
    (b"%PDF-", "a PDF", None),
    (b"\x89PNG\r\n", "a picture", None),
    (b"\xff\xd8\xff", "a picture", None),
    (b"GIF8", "a picture", None),
    (b"<!DOCTYPE", "a web page", None),
    (b"<!doctype", "a web page", None),
    (b"<html", "a web page", None),
    (b"-----BEGIN ", "a key or a certificate", None),
    (b"#!", "a script", None),
    (b"MZ\x90\0", "a program", None),
    (b"\xca\xfe\xba\xbe", "a program", None),
    (b"\xcf\xfa\xed\xfe", "a program", None),
    (b"RIFF", "a picture, or sound", None),
    (b"II*\0", "a picture", None),
    (b"MM\0*", "a picture", None),
    (b"\0\0\x01\0", "a picture", None),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "a document", None),
    (b"{\\rtf", "a document", None),
    (b"%!PS", "a document", None),
    (b"\x89HDF\r\n", "HDF5", None),
    (b"\x93NUMPY", "an array of numpy", None),
)
_OTHER_FORMS: tuple[tuple[bytes, str, str], ...] = (
    (b"PAR1", "Parquet", "write it as JSON lines first: duckdb -c \"COPY (FROM 'FILE') TO 'conn.json'\""),
    (b"ARROW1", "Arrow", "write it as JSON lines first, one object on each line"),
    (b"ORC", "ORC", "write it as JSON lines first, one object on each line"),
    (b"Obj\x01", "Avro", "write it as JSON lines first: avro cat FILE"),
    (b"PK\x03\x04", "a zip archive", "unpack it, or: unzip -p FILE conn.log | conn-etl ingest -"),
    (b"PK\x05\x06", "an empty zip archive", "unpack what it was made of again"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive", "unpack it: 7z x FILE"),
    (b"Rar!\x1a\x07", "a rar archive", "unpack it: unrar x FILE"),
    (b"\x04\x22\x4d\x18", "packed with lz4", "lz4 -dc FILE | conn-etl ingest -"),
    (b"\xff\x06\x00\x00sNaPpY", "packed with snappy", "unpack it, or pack it with zstd"),
    (b"\x1f\x9d", "packed with compress (.Z)", "zcat FILE | conn-etl ingest -"),
    (b"\x89LZO", "packed with lzop", "lzop -dc FILE | conn-etl ingest -"),
    (b"LZIP", "packed with lzip", "lzip -dc FILE | conn-etl ingest -"),
    (b"\x1f\x8b", "packed twice", "zcat FILE | conn-etl ingest -"),
    (b"\x28\xb5\x2f\xfd", "packed twice", "zstdcat FILE | conn-etl ingest -"),
    (b"\xfd7zXZ\x00", "packed twice", "xzcat FILE | conn-etl ingest -"),
    (b"\xff\xfe\0\0", "UTF-32", "iconv -f UTF-32 -t UTF-8 FILE | conn-etl ingest -"),
    (b"\0\0\xfe\xff", "UTF-32", "iconv -f UTF-32 -t UTF-8 FILE | conn-etl ingest -"),
    (b"\xff\xfe", "UTF-16", "iconv -f UTF-16 -t UTF-8 FILE | conn-etl ingest -"),
    (b"\xfe\xff", "UTF-16", "iconv -f UTF-16 -t UTF-8 FILE | conn-etl ingest -"),
    (b"LPKSHHRH", "a journal of systemd", "journalctl --file FILE -o cat | conn-etl ingest -"),
)
_CHECKSUM = re.compile(
    rb"(?:[0-9a-fA-F]{32}|[0-9a-fA-F]{40}|[0-9a-fA-F]{56}|[0-9a-fA-F]{64}|[0-9a-fA-F]{96}|[0-9a-fA-F]{128})"
    rb"(?:[ \t]+\*?\S.*)?\r?"
    rb"|(?:MD5|SHA\d+|BLAKE2b|SHA3-\d+) ?\(.+\) ?= ?[0-9a-fA-F]{32,128}\r?"
)
_TAR_MARK = slice(257, 262)
_SEARCHED = 1 << 16
_WIDE_ENOUGH = 8
_LISTS_DEPTH = 3
_FEWEST_ACTIONS = 2
_PREFIXED_LINES = 20
_ARRAY = re.compile(rb"\[\s*(?:$|[{\[\"\],]|-?\d+(?:\.\d+)?\s*(?:[,\]]|$))(?![^{]*\]\W+\{)")
"""The beginning of an array; ``[2026-03-01] {`` is a prefix, and ``[zeek]`` the section of a settings file."""
_UNPACK_ARRAY = "jq -c '.[]' FILE | conn-etl ingest -"


def refuse(data: bytes) -> None:
    """Refuse a file by its first bytes; says nothing of a text that may be a log.

    Raises:
        NotALog: it can hold none.
        NotAConnLog: it may hold one, in a form that has to be changed first.
    """
    for magic, what, hint in _NO_LOGS:
        if data.startswith(magic):
            raise NotALog(what, hint=hint)
    for magic, what, hint in _OTHER_FORMS:
        if data.startswith(magic):
            raise NotAConnLog(what, hint=hint)
    if data[_TAR_MARK] == b"ustar":
        raise NotAConnLog("a tar archive", hint="unpack it, or: tar -xOf FILE NAME | conn-etl ingest -")
    if form := _wide(data[:64]):
        raise NotAConnLog(
            f"{form} without a byte-order mark", hint=f"iconv -f {form} -t UTF-8 FILE | conn-etl ingest -"
        )
    text = data.strip(b"\r\n")
    if b"\r" in text and b"\n" not in text:
        raise NotAConnLog(
            "lines that end in a carriage return alone", hint="tr '\\r' '\\n' < FILE | conn-etl ingest -"
        )
    lines = [line for line in data[:_SEARCHED].split(b"\n")[:100] if line.strip()]
    if lines and all(map(_CHECKSUM.fullmatch, lines[:-1] or lines)) and not b"".join(lines).isdigit():
        raise NotALog("a list of checksums")


def unknown(data: bytes) -> NotAConnLog:
    """Return the error for a text without a header and without JSON."""
    if data.lstrip().startswith((b"<?xml", b"<")):
        return NotAConnLog("XML", hint="write it as JSON lines first, one object on each line")
    if b"\0" in data[:_SEARCHED]:
        return Binary("binary data")
    if _has_prefixes(data[:_SEARCHED].split(b"\n")[:_PREFIXED_LINES]):
        return NotAConnLog(
            "JSON after a prefix that is not known on each line",
            hint="grep -o '{\".*}' FILE | conn-etl ingest -",
        )
    return NotAConnLog(
        "neither Zeek TSV (no header), nor CSV with Zeek's names in its first line, nor JSON lines"
    )


def joined_objects() -> NotAConnLog:
    """Return the error for objects without a newline between them."""
    return NotAConnLog(
        "several JSON objects on a line, without a newline between them",
        hint="jq -c . FILE | conn-etl ingest -",
    )


def refuse_json_shape(sample: Sequence[bytes], found: Sequence[dict[str, Any]], names: Names) -> None:
    """Refuse JSON that is not one row on each line.

    Args:
        sample: lines of the file, the first ones among them.
        found: those of them that are objects.
        names: which columns make a row.

    Raises:
        NotAConnLog: with the command that makes JSON lines of it.
    """
    filled = [line.strip() for line in sample if line.strip()]
    first = filled[0] if filled else b""
    if 2 * len(found) >= len(filled):
        if len(found) == 1 and (way := next(_lists(found[0], names, "", _LISTS_DEPTH), None)):
            raise NotAConnLog(
                f"one object with the rows in its list {way}",
                hint=f"jq -c '{way}[]' FILE | conn-etl ingest -",
            )
        if sum(_is_bulk_action(members) for members in found) >= _FEWEST_ACTIONS:
            raise NotAConnLog(
                "requests for Elasticsearch's bulk interface, where a line before each row says what to do with it",
                hint="jq -c 'select((.index // .create) | not)' FILE | conn-etl ingest -",
            )
        return
    if _ARRAY.match(first):
        raise NotAConnLog(
            "a JSON array, or pretty-printed JSON: a conn log has one object on each line", hint=_UNPACK_ARRAY
        )
    if first == b"{" or (first.startswith(b"{") and _is_open(first)):
        raise NotAConnLog(
            "pretty-printed JSON: a conn log has one object on each line",
            hint="jq -c . FILE | conn-etl ingest -",
        )
    if _begins_with_several(first):
        raise joined_objects()
    if all(line.endswith(b"},") for line in filled[:-1] or filled):
        raise NotAConnLog(
            "JSON objects with a comma after each", hint="sed 's/,$//' FILE | conn-etl ingest -"
        )
    if first.startswith(b"\x1e"):
        raise NotAConnLog("a JSON text sequence (RFC 7464)", hint="tr -d '\\036' < FILE | conn-etl ingest -")
    if not found and not first.startswith((b'{"', b"{ ", b"[\0")):
        raise unknown(b"\n".join(filled))


def _is_bulk_action(members: dict[str, Any]) -> bool:
    """``{"index":{"_index":"zeek"}}``."""
    return len(members) == 1 and any(isinstance(members.get(key), dict) for key in ("index", "create"))


def _has_prefixes(lines: Sequence[bytes]) -> bool:
    """Whether most lines hold an object after something else."""
    filled = [line for line in lines if line.strip()]
    starts = [line.find(b'{"') for line in filled]
    held = sum(at > 0 and _is_object(line[at:]) for line, at in zip(filled, starts, strict=True))
    return 2 * held > len(filled)


def _is_object(text: bytes) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except (ValueError, RecursionError):
        return False


def _lists(members: dict[str, Any], names: Names, way: str, depth: int) -> Iterator[str]:
    """Ways to lists of rows within an object, as jq writes them."""
    for key, value in members.items():
        here = f"{way}.{key}" if key.isidentifier() else f'{way}["{key}"]'
        if isinstance(value, list) and value and isinstance(value[0], dict):
            if is_row(value[0], names):
                yield here
            else:
                inner = value[0].get("_source")
                if isinstance(inner, dict) and is_row(inner, names):
                    yield here
        elif isinstance(value, dict) and depth > 1:
            yield from _lists(value, names, here, depth - 1)


def _is_open(line: bytes) -> bool:
    """Whether a line is the beginning of an object that goes on: ``{"ts": 1,`` or ``{ "ts":``."""
    try:
        json.loads(line + b'"x":0}' if line.rstrip().endswith(b",") else line + b"0}")
    except (ValueError, RecursionError):
        return line == b"{"
    return True


def _begins_with_several(line: bytes) -> bool:
    try:
        text = line.decode()
        _, end = json.JSONDecoder().raw_decode(text)
    except (ValueError, RecursionError):
        return False
    return text[end:].lstrip(" ,\x1e").startswith("{")


def _wide(head: bytes) -> str | None:
    """UTF-16 without a mark: every second byte of a text in ASCII is NUL."""
    for form, text, zeros in (("UTF-16LE", head[::2], head[1::2]), ("UTF-16BE", head[1::2], head[::2])):
        if len(text) >= _WIDE_ENOUGH and text.isascii() and b"\0" not in text and not zeros.strip(b"\0"):
            return form
    return None

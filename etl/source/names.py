"""What a log's name says: whether it is another log, and how it is packed.

A name only excludes: the name of another Zeek stream is enough to skip a file, and any other file is judged by its
content.
"""

from __future__ import annotations

import re
from collections.abc import Collection

from etl.mapping import streams

NEVER = frozenset({"current"})
"""Folders with logs that are still being written; dot files are never taken either."""

PACKED = (".gz", ".zst", ".bz2", ".xz")
"""Endings that packers add."""

_DOCUMENTS = (
    *(
        ".md",
        ".rst",
        ".adoc",
        ".html",
        ".htm",
        ".css",
        ".js",
        ".py",
        ".sh",
        ".bat",
        ".ps1",
        ".zeek",
        ".bro",
        ".sql",
    ),
    *(
        ".yml",
        ".yaml",
        ".toml",
        ".ini",
        ".cfg",
        ".conf",
        ".service",
        ".timer",
        ".sha256",
        ".sha1",
        ".md5",
        ".asc",
    ),
    *(".sig", ".pem", ".crt", ".rb", ".c", ".h", ".cc", ".java", ".pl", ".rules", ".bpf"),
    *(".pid", ".lock", ".swp"),
)

_TEXTS = re.compile(
    r"(?:readme|licen[cs]e|copying|changelog|authors|makefile|dockerfile)(?:\.txt)?|thumbs\.db"
)
"""Texts that people put beside logs, by their whole names."""
_STEM = re.compile(r"[a-z][a-z0-9]*(?:[_-][a-z0-9]+)*")
"""The words before the first dot."""
_MAKER = re.compile(r"(?:zeek|bro|corelight)[._-](?=[a-z])")
"""A program's name before that of the stream: ``zeek_dns.log`` is ``dns.log``."""
_CONN_WITHIN = re.compile(r"[_-]conns?(?:[_-]|$)")


def stream_of(name: str) -> str | None:
    """The Zeek stream that a file name begins with, in lower case; None for any other name.

    The longest name counts: ``smb_files.log`` is not ``smb``, and ``conn-long.log`` is ``conn_long``.
    """
    written = name.lower()
    return _longest(written) or _longest(_MAKER.sub("", written, count=1) if _MAKER.match(written) else "")


def _longest(name: str) -> str | None:
    found = _STEM.match(name)
    words = found[0].replace("-", "_").split("_") if found else []
    candidates = ("_".join(words[:count]) for count in range(len(words), 0, -1))
    return next((candidate for candidate in candidates if streams.is_stream(candidate)), None)


def is_other(name: str, further: Collection[str] = ()) -> bool:
    """Whether a file's name says that it is another log than conn.

    Args:
        name: the file's name, without its folders.
        further: streams that a setting admits as conn.
    """
    if name.lower().startswith(".shadow."):
        return True
    stream = stream_of(name)
    if stream is None or streams.is_conn(stream, further):
        return False
    return not _names_conn_too(name.lower(), stream)


def _names_conn_too(name: str, stream: str) -> bool:
    """Whether conn follows another stream's name (``files_of_conn.json``): the content has to decide."""
    rest = name.replace("-", "_").partition(stream)[2].partition(".")[0]
    return _CONN_WITHIN.search(rest) is not None


def is_document(name: str) -> bool:
    """Whether a file's name is one of documents, programs and their settings alone, whose text has no signature."""
    written = name.lower()
    return written.endswith(_DOCUMENTS) or _TEXTS.fullmatch(written) is not None


def base(name: str) -> str:
    """A name without the ending of its packing: ``conn.log`` and ``conn.log.gz`` are one log."""
    return next((name.removesuffix(ending) for ending in PACKED if name.endswith(ending)), name)

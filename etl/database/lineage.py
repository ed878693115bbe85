"""How logs and the table are called in Airflow's asset graph and by lineage tools: names without any secret."""

from __future__ import annotations

from pathlib import PurePath
from urllib.parse import quote, urlsplit

from sqlalchemy.engine import make_url


def logs(path: str) -> str:
    """The name of a folder, file or URL that logs come from: ``file:///…``, ``s3://bucket/prefix``."""
    if "://" not in path:
        return f"file://{quote(PurePath(path).as_posix())}"
    parts = urlsplit(path)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}".rstrip("/")


def table(url: str) -> str:
    """The name of ``zeek.conn`` in the database of a libpq URI; a server on a socket is localhost."""
    parts = make_url(url)
    host = parts.host or "localhost"
    return f"postgres://{host}:{parts.port or 5432}/{parts.database or parts.username}/zeek/conn"

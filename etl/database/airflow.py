"""An Airflow connection as a libpq URI, and back, and the names of logs and table in Airflow's graph of assets.

It takes any object with a connection's parts, so it needs no Airflow.

The Postgres hook's own URL will not do: it drops the host of a connection by Unix socket and names another
driver. All ways to write one connection (JSON, URI, ``?host=``, an encoded socket folder) end in one URI here.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import timedelta
from pathlib import PurePath
from typing import Any, Protocol
from urllib.parse import quote, urlsplit

from sqlalchemy.engine import URL, make_url

from etl.database.store import Store
from etl.errors import EnvironmentProblem
from etl.settings import Settings


class Parts(Protocol):
    """What ``airflow.sdk.Connection`` has; ``schema`` is the database."""

    @property
    def login(self) -> str | None: ...  # noqa: D102
    @property
    def password(self) -> str | None: ...  # noqa: D102
    @property
    def host(self) -> str | None: ...  # noqa: D102
    @property
    def port(self) -> int | None: ...  # noqa: D102
    @property
    def schema(self) -> str | None: ...  # noqa: D102
    @property
    def extra_dejson(self) -> Mapping[str, Any]: ...  # noqa: D102


_OF_THE_HOOK = {
    "aws_conn_id", "azure_conn_id", "azure_oauth_scope", "cluster-identifier", "cursor", "enable_log_db_messages",
    "iam", "log_server_messages", "redshift", "redshift-serverless", "region_name", "sqlalchemy_query",
    "sqlalchemy_scheme", "workgroup-name",
}  # fmt: skip
"""Extras that Airflow's Postgres hook keeps for itself, as of its provider 6: libpq does not know them."""
_TOKENS = ("iam", "redshift", "redshift-serverless", "azure_conn_id")
"""Extras for which the hook would fetch a token or talk to another kind of server."""


def url_of(parts: Parts) -> str:
    """The libpq URI of a connection; texts and numbers of its extra become libpq parameters.

    Raises:
        EnvironmentProblem: it asks for what only Airflow's own hook can do.
    """
    extra = parts.extra_dejson
    for name in _TOKENS:
        if str(extra.get(name) or "false").lower() not in {"false", "0", "no"}:
            raise EnvironmentProblem(
                f"the connection's extra {name} asks for a token that lasts minutes, which conn-etl does not fetch",
                hint="give it a login with a password, and leave that extra out",
            )
    query = {
        key: str(value)
        for key, value in extra.items()
        if key not in _OF_THE_HOOK and type(value) in {str, int}
    }
    host = parts.host or None
    if host and host.startswith("/"):
        query["host"], host = host, None
    url = URL.create(
        "postgresql",
        username=parts.login or None,
        password=parts.password or None,
        host=host
        or "localhost",  # libpq is content without, Great Expectations is not; ?host= is what counts
        port=parts.port,
        database=parts.schema or None,
        query=query,
    )
    return url.render_as_string(hide_password=False)


def store_of(parts: Parts, statement_limit: timedelta | None = None) -> Store:
    """The database behind a connection, with the settings of this process; the limit as ``Store.open`` has it."""
    return Store.open(url_of(parts), Settings(), statement_limit)


def storage_of(parts: Parts) -> dict[str, Any]:
    """The options of fsspec's S3 driver that a connection of type ``aws`` stands for; its extra as Airflow has it."""
    extra = dict(parts.extra_dejson)
    client = {"region_name": extra.get("region_name"), "endpoint_url": extra.get("endpoint_url")}
    found = {
        "key": parts.login or extra.get("aws_access_key_id"),
        "secret": parts.password or extra.get("aws_secret_access_key"),
        "token": extra.get("aws_session_token"),
        "profile": extra.get("profile_name"),
        "client_kwargs": {name: value for name, value in client.items() if value},
    }
    return {name: value for name, value in found.items() if value}


def as_json(url: str) -> str:
    """A libpq URI as the JSON form of a connection, for ``AIRFLOW_CONN_CONN_POSTGRES``."""
    parsed = make_url(url)
    extra = {key: value for key, value in parsed.query.items() if isinstance(value, str)}
    host = extra.pop("host", parsed.host)
    parts = {
        "conn_type": "postgres",
        "host": host,
        "port": parsed.port,
        "login": parsed.username,
        "password": parsed.password,
        "schema": parsed.database,
        "extra": extra,
    }
    return json.dumps({key: value for key, value in parts.items() if value})


def asset_of_logs(path: str) -> str:
    """The name of a folder, file or URL that logs come from: ``file:///…``, ``s3://bucket/prefix``; no secret in it."""
    if "://" not in path:
        return f"file://{quote(PurePath(path).as_posix())}"
    parts = urlsplit(path)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}".rstrip("/")


def asset_of_table(url: str) -> str:
    """The name of ``zeek.conn`` in the database of a libpq URI; a server on a socket is localhost."""
    parts = make_url(url)
    host = parts.host or "localhost"
    return f"postgres://{host}:{parts.port or 5432}/{parts.database or parts.username}/zeek/conn"

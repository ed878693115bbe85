"""A database's URL: what is refused, and that nothing of a password is ever said."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy.engine import make_url

from etl.database.airflow import url_of
from etl.database.engine import address_of, parse_url
from etl.errors import EnvironmentProblem
from etl.settings import Settings

SECRET = "S3cr3t"

BARE = [
    f"postgresql://user:pa@{SECRET}@host:5432/db",
    f"postgresql://user:pa@{SECRET}@host/db?sslmode=require",
    f"postgresql://user:@{SECRET}@host/db",
    f"postgresql://user:pa@{SECRET}:x@host:5432/db",
    f"postgresql://user:pa@{SECRET}/x@host:5432/db",
    f"postgresql://user:pa@x?{SECRET}@host/db",
    f"postgresql://user:pa@x?{SECRET}@host/db?sslmode=require",
    f"postgres://user:a@b@{SECRET}@/db?host=/run/postgresql",
    f" postgresql+psycopg2://user:pa@{SECRET}@[::1]:5432/db\n",
]


@pytest.mark.parametrize("url", BARE)
def test_a_bare_at_in_the_password_is_named_and_nothing_after_it_shown(url: str) -> None:
    with pytest.raises(EnvironmentProblem) as caught:
        parse_url(url)
    assert SECRET not in str(caught.value)
    assert "%40" in str(caught.value)


GOOD = [
    ("postgresql://user:pa%40ss@host:5432/db", "host", "pa@ss"),
    ("postgresql://user@server:pass@server.database.azure.com/db", "server.database.azure.com", "pass"),
    ("postgresql://user@/db?host=/run/postgresql&application_name=me@here", None, None),
    ("postgresql://host/db", "host", None),
    ("postgresql:///db?user=me@there&password=a@b", None, None),
    ("postgresql://user:p/a?s#s@host/db", "host", "p/a?s#s"),
]  # fmt: skip


@pytest.mark.parametrize(("url", "host", "password"), GOOD)
def test_a_url_that_can_be_read_is_taken(url: str, host: str | None, password: str | None) -> None:
    parsed = parse_url(url)
    assert (parsed.host, parsed.password) == (host, password)


def test_what_the_url_says_of_timeouts_goes_first_but_not_of_the_encoding() -> None:
    url = parse_url("postgresql://me@host/db?connect_timeout=3&client_encoding=LATIN1")
    arguments = address_of(url, Settings()).connect_args()
    assert (arguments["connect_timeout"], arguments["client_encoding"]) == ("3", "UTF8")


def _connection(**extra: Any) -> Any:
    parts = {"login": "me", "password": "p@ss", "host": "db", "port": 5432, "schema": "flows"}
    return SimpleNamespace(**parts, extra_dejson=extra)


def test_extras_of_airflows_hook_are_not_handed_to_libpq() -> None:
    own = {
        "cursor": "dictcursor", "aws_conn_id": "aws_default", "iam": False, "redshift": False, "sqlalchemy_scheme": "x",
        "sqlalchemy_query": {"a": "b"}, "cluster-identifier": "c", "workgroup-name": "w", "region_name": "eu",
        "azure_conn_id": "", "log_server_messages": 1,
    }  # fmt: skip
    url = make_url(url_of(_connection(**own, sslmode="require", connect_timeout=5)))
    assert dict(url.query) == {"sslmode": "require", "connect_timeout": "5"}


@pytest.mark.parametrize(
    "extra",
    [
        {"iam": True},
        {"iam": "true"},
        {"redshift": True},
        {"azure_conn_id": "azure"},
        {"redshift-serverless": 1},
    ],
)
def test_tokens_that_a_hook_would_fetch_are_refused_aloud(extra: dict[str, Any]) -> None:
    with pytest.raises(EnvironmentProblem, match="login with a password"):
        url_of(_connection(**extra))


def test_a_misspelt_parameter_is_not_dropped_in_silence() -> None:
    assert "sslmod=require" in url_of(_connection(sslmod="require"))

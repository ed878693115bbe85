"""Credentials in URLs are hidden and refused; the paths that a DAG may read are a setting."""

from __future__ import annotations

import pytest

from etl import source
from etl.errors import Misuse
from etl.settings import Settings

SECRETS = {
    "s3://AKIAEXAMPLE:sesame@bucket/logs": "s3://***@bucket/logs",
    "s3a://AKIAEXAMPLE:se%2Fsame@bucket/logs": "s3a://***@bucket/logs",
    "https://ann:sesame@example.org/conn.log": "https://***@example.org/conn.log",
    "https://ann:ses@me@example.org/conn.log": "https://***@example.org/conn.log",
    "ftp://ann:sesame@example.org:21/conn.log": "ftp://***@example.org:21/conn.log",
    "https://example.org/conn.log?X-Amz-Credential=sesame&X-Amz-Date=1&X-Amz-Signature=sesame": (
        "https://example.org/conn.log?X-Amz-Credential=***&X-Amz-Date=***&X-Amz-Signature=***"
    ),
    "https://example.org/conn.log?AWSAccessKeyId=sesame&Expires=1&Signature=sesame": (
        "https://example.org/conn.log?AWSAccessKeyId=***&Expires=1&Signature=***"
    ),
    "https://x.blob.core.windows.net/c/conn.log?sv=2024&sig=sesame": (
        "https://x.blob.core.windows.net/c/conn.log?sv=2024&sig=***"
    ),
    "https://storage.googleapis.com/b/conn.log?X-Goog-Signature=sesame#x": (
        "https://storage.googleapis.com/b/conn.log?X-Goog-Signature=***#x"
    ),
    "https://example.org/conn.log?access_token=sesame": "https://example.org/conn.log?access_token=***",
    "https://example.org/conn.log?a=1;api_key=sesame": "https://example.org/conn.log?a=1;api_key=***",
    "https://example.org/conn.log?PASSWORD=sesame": "https://example.org/conn.log?PASSWORD=***",
}
HARMLESS = [
    "s3://bucket/logs/conn.2026-03-01T09:00:00Z.log",
    "s3://bucket/a@b/conn.log",
    "s3://bucket/p/a b#c?d=%20&versionId=1*.log",
    "s3://bucket/x?versionId=abc",
    "abfs://container@account.dfs.core.windows.net/logs",
    "sftp://ann@example.org/logs",
    "github://org:repository@main/logs",
    "https://example.org:8443/conn.log?page=2",
    "/data/ann:sesame@x/conn.log",
    "/data/conn.log?token=1",
    "",
    "conn.log",
]


@pytest.mark.parametrize("url", sorted(SECRETS))
def test_a_url_with_credentials_is_refused_without_showing_them(url: str) -> None:
    assert source.masked(url) == SECRETS[url]
    for call in (lambda: list(source.listed([url])), lambda: source.named(url)):
        with pytest.raises(Misuse) as raised:
            call()
        assert "sesame" not in str(raised.value)
        assert SECRETS[url] in str(raised.value)


@pytest.mark.parametrize("path", HARMLESS)
def test_other_paths_stay_as_they_are(path: str) -> None:
    assert source.masked(path) == path


ALLOWED: list[tuple[str, tuple[str, ...], bool]] = [
    ("/data/logs", ("/",), True),
    ("/data/logs", ("/data",), True),
    ("/data", ("/data/",), True),
    ("/data2/logs", ("/data",), False),
    ("/data/../etc", ("/data",), False),
    ("file:///data/logs", ("/data",), True),
    ("file:///data/%2e%2e/etc", ("/data",), False),
    ("s3://bucket/logs", ("s3://",), True),
    ("s3://bucket/logs", ("s3://bucket/logs",), True),
    ("s3://bucket/logs2", ("s3://bucket/logs",), False),
    ("s3://other/logs", ("s3://bucket",), False),
    ("https://example.org/conn.log", ("/", "s3://"), False),
    ("simplecache::s3://bucket/logs", ("/", "s3://"), False),
    ("memory://logs", ("/", "s3://"), False),
    ("local:///etc", ("/", "s3://"), False),
    ("/data", (), False),
]


@pytest.mark.parametrize(("path", "beginnings", "allowed"), ALLOWED)
def test_the_paths_that_a_dag_may_read(path: str, beginnings: tuple[str, ...], allowed: bool) -> None:
    if allowed:
        source.require_allowed(path, beginnings)
        return
    with pytest.raises(Misuse, match="CONN_ETL_ALLOWED_PATHS"):
        source.require_allowed(path, beginnings)


def test_folders_and_s3_are_allowed_unless_the_settings_say_otherwise() -> None:
    source.require_allowed("relative/logs", Settings().allowed_paths)
    with pytest.raises(Misuse) as raised:
        source.require_allowed("https://ann:sesame@example.org/x", Settings().allowed_paths)
    assert "sesame" not in str(raised.value)

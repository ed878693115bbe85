"""An S3 endpoint on loopback: the command and the DAG's steps read from it as they do from a folder."""

from __future__ import annotations

import gzip
import io
import json
import os
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

import boto3
import pytest
import sqlalchemy as sa
from moto.server import ThreadedMotoServer

from etl import pipeline, source
from etl.database.store import Store
from etl.errors import EnvironmentProblem, Misuse, StorageAway, Unreadable
from etl.settings import Settings
from tests.dags.conftest import Airflow
from tests.dags.conftest import airflow as airflow  # noqa: PLC0414  a fixture of another folder
from tests.logs import flow, flows, json_lines, tsv

pytestmark = [
    pytest.mark.system,
    # the server's and the drivers' own
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

Put = Callable[[str, bytes], str]
DAY = "north/2026-03-01"


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    """URL of a server that lives as long as this file's tests."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def put(endpoint: str, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Put:
    """Puts an object into a bucket of the test's own, and returns its URL; credentials are in the environment."""
    for name, value in {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": "somebody",
        "AWS_SECRET_ACCESS_KEY": "sesame",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
    }.items():
        monkeypatch.setenv(name, value)
    bucket = f"b{abs(hash(request.node.name))}"
    client = boto3.client("s3")
    client.create_bucket(Bucket=bucket)

    def put_object(key: str, content: bytes) -> str:
        client.put_object(Bucket=bucket, Key=key, Body=content)
        return f"s3://{bucket}/{key}"

    return put_object


@pytest.fixture
def store(database_url: str) -> Store:
    return Store.open(database_url, Settings(attempts=1, path_patterns=("{sensor}/{date}",)))


def root(url: str) -> str:
    return f"s3://{urlparse(url).netloc}"


def count(store: Store) -> int:
    with store.engine.connect() as connection:
        return int(connection.scalar(sa.text("SELECT count(*) FROM zeek.conn")) or 0)


def ledger(store: Store) -> list[tuple[Any, ...]]:
    with store.engine.connect() as connection:
        query = (
            "SELECT split_part(path, '/', 6), sensor, state, kind, rows_loaded FROM etl.file ORDER BY path"
        )
        return [tuple(row) for row in connection.execute(sa.text(query))]


def test_a_prefix_is_loaded_once_with_sensor_window_size_and_time_from_the_listing(
    put: Put, store: Store
) -> None:
    for hour in (8, 9):
        content = gzip.compress(tsv(flows(50, hour * 100)))
        url = put(f"{DAY}/conn.{hour:02}:00:00-{hour + 1:02}:00:00.log.gz", content)
    put(f"{DAY}/dns.10:00:00-11:00:00.log.gz", b"")
    put("north/current/conn.log", tsv(flows(5)))
    assert pipeline.ingest(store, [root(url)]).total("rows_loaded") == 100
    assert ledger(store) == [
        ("conn.08:00:00-09:00:00.log.gz", "north", "published", None, 50),
        ("conn.09:00:00-10:00:00.log.gz", "north", "published", None, 50),
        ("dns.10:00:00-11:00:00.log.gz", "north", "skipped", "other_log", None),
    ]
    again = pipeline.ingest(store, [f"{root(url)}/north"])
    assert (again.total("rows_read"), len(again.results)) == (0, 3)
    put(f"{DAY}/conn.09:00:00-10:00:00.log.gz", gzip.compress(tsv(flows(60, 900))))
    assert pipeline.ingest(store, [url.replace("dns.10", "conn.09")]).total("rows_read") == 60


def test_archives_are_read_in_place(put: Put, store: Store) -> None:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for number in range(3):
            content = tsv([*flows(20, number * 100), flow(number * 100 + 50, conn_state="REG")])
            info = tarfile.TarInfo(f"conn.{number}.log")
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    url = put(f"{DAY}/logs.tar.gz", packed.getvalue())
    zipped = io.BytesIO()
    with zipfile.ZipFile(zipped, "w", zipfile.ZIP_DEFLATED) as other:
        other.writestr("2026-03-02/conn.08:00:00-09:00:00.log", tsv(flows(5, 1_000)))
        other.writestr("2026-03-02/dns.08:00:00-09:00:00.log", b"")
    put(f"{DAY}/logs.zip", zipped.getvalue())
    summary = pipeline.ingest(store, [root(url)])
    assert (summary.total("rows_loaded"), summary.total("rows_quarantined")) == (65, 3)
    assert {result.state for result in summary.results} == {"published", "skipped"}
    with store.engine.connect() as connection:
        raws = connection.execute(sa.text("SELECT raw FROM etl.quarantine ORDER BY quarantine_id")).scalars()
        assert all(b"REG" in bytes(raw) for raw in raws)
    assert [file.path for file in source.listed([f"{url}!/conn.1.log"])] == [f"{url}!/conn.1.log"]
    again = pipeline.ingest(store, [root(url)])
    assert (again.total("rows_read"), len(again.results)) == (0, 5)


def test_the_scheduled_scan_takes_windows_that_have_ended_and_logs_with_their_end(
    put: Put, store: Store
) -> None:
    url = put(f"{DAY}/conn.08:00:00-09:00:00.log.gz", gzip.compress(json_lines(flows(5))))
    put("north/conn.log", tsv(flows(5, 10)))
    put("north/open.log", json_lines(flows(5, 20)))
    pipeline.begin(store, "run", "dag", {})
    (batch,) = pipeline.discover(store, "run", [root(url)])
    pipeline.stage(store, batch)
    pipeline.validate(store, batch)
    assert pipeline.publish(store, batch)["rows_loaded"] == 10


def test_a_large_object_is_streamed_and_a_bad_line_is_read_again(
    put: Put, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("etl.source.remote.READ_AHEAD", 1 << 16)
    content = tsv(flows(20_000)).replace(b"\tSF\t", b"\tREG\t", 1)
    url = put("conn.log", content)
    summary = pipeline.ingest(store, [url])
    assert (summary.total("rows_loaded"), summary.total("rows_quarantined")) == (19_999, 1)
    with store.engine.connect() as connection:
        raw = connection.scalar(sa.text("SELECT raw FROM etl.quarantine"))
    assert bytes(raw) == content.split(b"\n")[8]


def test_a_cut_object_is_incomplete_and_one_that_vanished_failed(put: Put, store: Store) -> None:
    url = put("cut.log.gz", gzip.compress(tsv(flows(5_000)))[:-500])
    (result,) = pipeline.ingest(store, [url]).results
    assert result.state == "incomplete"
    with pytest.raises(Unreadable, match="gone since it was listed"):
        source.opened(f"{root(url)}/nowhere.log")


ODD_KEYS: dict[str, str | None] = {
    # what s3fs or fsspec read more in than a name; the reason where it cannot be read
    "p/x.log": None,
    "p/a::b.log": None,
    "p/dir::s3/c.log": None,
    "p/s3://d.log": None,
    "p/a b#c?d=%20&versionId=1*.log": None,
    "p//y.log": None,
    "p//y.log/z.log": None,
    "p//sub/y.log": None,
    "p///y.log": None,
    "p/sub//z.log": None,
    "p/q?versionId=x.log": "?versionId= in it cannot be asked for",
    "p/f?versionId=1/x.log": "?versionId= in it cannot be asked for",
    "p/full/": "ends in / cannot be asked for",
}


def test_an_odd_key_is_loaded_or_has_its_reason_and_stops_nothing(put: Put, store: Store) -> None:
    keys = {key: put(key, tsv(flows(2, number * 10))) for number, key in enumerate(ODD_KEYS)}
    put("p/", b"")
    put("p//", b"")
    put("p//current/conn.log", b"")
    top = f"{root(keys['p/x.log'])}/p"
    found = {file.path: file.skip_reason for file in source.listed([top])}
    keys["p/f?versionId=1/x.log"] = f"{top}/f?versionId=1"  # the folder stands for what is in it
    assert set(found) == set(keys.values())
    for key, why in ODD_KEYS.items():
        error = found[keys[key]]
        assert (why in str(error) and isinstance(error, Unreadable)) if why else error is None, key
    good = sum(why is None for why in ODD_KEYS.values())
    assert pipeline.ingest(store, [f"{top}/"]).total("rows_loaded") == 2 * good
    again = pipeline.ingest(store, [top])
    assert (again.total("rows_read"), len(again.results)) == (0, len(ODD_KEYS))


@pytest.mark.parametrize("key", ["a::b.log", "p//y.log", "current//y.log", "/y.log"])
def test_an_odd_key_can_be_given_itself_and_its_folder_too(put: Put, key: str) -> None:
    url = put(key, tsv(flows(1)))
    folder = f"{root(url)}/{key.partition('/')[0]}" if key.rpartition("/")[0] else root(url)
    for given in (url, folder, f"{folder}/" if folder != url else url):
        assert [file.path for file in source.listed([given])] == [url]
    with source.opened(url) as stream:
        assert stream.read() == tsv(flows(1))


def test_an_s3fs_that_cannot_list_a_folder_without_a_name_turns_it_down(
    put: Put, monkeypatch: pytest.MonkeyPatch
) -> None:
    import s3fs

    def find(*_: object, **__: object) -> None:
        raise ValueError("Can not specify 'prefix' option alongside 'maxdepth'.")

    put("p//y.log", tsv(flows(1)))
    url = put("p/x.log", tsv(flows(1)))
    monkeypatch.setattr(s3fs.S3FileSystem, "find", find)
    (file, nameless) = source.listed([f"{root(url)}/p"])
    assert (file.path, file.skip_reason) == (url, None)
    assert (nameless.path, type(nameless.skip_reason)) == (f"{root(url)}/p/", Unreadable)


def test_a_version_of_an_object_can_be_given_and_one_that_is_not_there_is_a_misuse(put: Put) -> None:
    url = put("v.log", b"")
    client = boto3.client("s3")
    bucket = urlparse(url).netloc
    client.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    version = client.put_object(Bucket=bucket, Key="v.log", Body=b"first")["VersionId"]
    client.put_object(Bucket=bucket, Key="v.log", Body=b"second")
    given = f"{url}?versionId={version}"
    assert [(file.path, file.size) for file in source.listed([given])] == [(given, 5)]
    with source.opened(given) as stream:
        assert stream.read() == b"first"
    put("folder/x.log", b"")
    for nothing in (f"{url}?versionId=x.log", f"{root(url)}/folder?versionId=1"):
        with pytest.raises(Misuse):
            list(source.listed([nothing]))


@pytest.mark.parametrize(
    ("address", "error"),
    [("s3://no-such-bucket-here/x", Misuse), ("nosuch://x/y", EnvironmentProblem)],
)
@pytest.mark.usefixtures("put")
def test_what_cannot_be_listed_is_named(address: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        list(source.listed([address]))


@pytest.mark.usefixtures("put")
def test_an_endpoint_that_is_away_is_worth_another_try(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    import s3fs

    monkeypatch.setattr(s3fs.S3FileSystem, "retries", 1)
    s3fs.S3FileSystem.clear_instance_cache()
    with pytest.raises(StorageAway):
        list(source.listed(["s3://some-bucket/x"]))
    s3fs.S3FileSystem.clear_instance_cache()


def test_the_command_takes_a_url_and_shows_no_secret(put: Put, database_url: str, tmp_path: Path) -> None:
    url = put("conn.log", tsv(flows(10)))
    command = [str(Path(sys.executable).with_name("conn-etl")), "ingest", url, "--json"]
    env = os.environ | {"CONN_ETL_DATABASE_URL": database_url}
    done = subprocess.run(
        command, capture_output=True, text=True, env=env, cwd=tmp_path, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert '"rows_loaded": 10' in done.stdout
    assert "sesame" not in done.stdout + done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_connection_of_airflow_stands_for_the_drivers_options(
    endpoint: str, put: Put, monkeypatch: pytest.MonkeyPatch
) -> None:
    from fsspec.config import conf

    from etl.database.airflow import storage_of

    url = put("conn.log", tsv(flows(1)))
    for name in ("AWS_ENDPOINT_URL", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)

    class Parts:
        login, password, host, port, schema = "somebody", "sesame", None, None, None
        extra_dejson = {"endpoint_url": endpoint, "region_name": "us-east-1"}  # noqa: RUF012

    monkeypatch.setitem(conf, "s3", {})
    source.use("s3", storage_of(Parts()))
    assert [file.path for file in source.listed([url])] == [url]


def test_the_dag_reads_a_bucket_with_the_connection_conn_logs(
    endpoint: str, put: Put, database_url: str, airflow: Airflow, store: Store
) -> None:
    url = put(f"{DAY}/conn.08:00:00-09:00:00.log.gz", gzip.compress(json_lines(flows(25))))
    extra = {"endpoint_url": endpoint, "region_name": "us-east-1"}
    logs = {"conn_type": "aws", "login": "somebody", "password": "sesame", "extra": extra}
    run = airflow.run(
        database_url, conf={"path": root(url)}, env={"AIRFLOW_CONN_CONN_LOGS": json.dumps(logs)}
    )
    assert (run.state, run.failures) == ("success", [])
    assert count(store) == 25

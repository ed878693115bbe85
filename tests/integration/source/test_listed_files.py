"""From a listing to rows: archives, folders of all streams, mounts in trouble, paths and names that are too much."""

from __future__ import annotations

import errno
import gzip
import io
import os
import tarfile
import time
import zipfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, BinaryIO, cast

import pytest

from etl import pipeline
from etl.database.store import Store
from etl.errors import Misuse
from etl.monitoring import windows
from etl.pipeline.explain import explain
from etl.report import facts
from etl.source import local
from tests.integration.conftest import Ask, Command
from tests.logs import flow, flows, json_lines, tsv, write

STATES = "SELECT split_part(path, '/', -1), state, kind, rows_loaded FROM etl.file ORDER BY path"


def tar_gz(path: Path, members: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path


def test_members_of_archives_are_files_of_the_ledger(store: Store, ask: Ask, tmp_path: Path) -> None:
    bad = tsv([*flows(6), flow(7, conn_state="REG"), flow(8, ts="x")])
    members = {
        "2026-03-01/conn.09:00:00-10:00:00.log": bad,
        "2026-03-01/conn.10:00:00-11:00:00.log.gz": gzip.compress(json_lines(flows(4, 100))),
        "2026-03-01/dns.10:00:00-11:00:00.log": b"",
    }
    archive = tar_gz(tmp_path / "logs.tar.gz", members)
    summary = pipeline.ingest(store, [str(tmp_path)])
    assert [summary.total(term) for term in pipeline.TERMS] == [12, 10, 0, 2]
    assert ask(
        "SELECT path, state, window_start IS NOT NULL, digest IS NOT NULL FROM etl.file ORDER BY path"
    ) == [
        (f"{archive}!/2026-03-01/conn.09:00:00-10:00:00.log", "published", True, True),
        (f"{archive}!/2026-03-01/conn.10:00:00-11:00:00.log.gz", "published", True, True),
        (f"{archive}!/2026-03-01/dns.10:00:00-11:00:00.log", "skipped", True, False),
    ]
    # a line that the gate refused is read again from the archive
    raws = ask("SELECT etl_line, raw FROM etl.quarantine ORDER BY etl_line")
    assert [bytes(raw) for _, raw in raws] == [bad.splitlines()[line - 1] for line, _ in raws]
    assert pipeline.ingest(store, [str(tmp_path)]).total("rows_read") == 0
    # the same log outside the archive, and in another one, is known by its bytes
    write(tmp_path / "copy.log", bad)
    with zipfile.ZipFile(tmp_path / "logs.zip", "w") as packed:
        packed.writestr("conn.log", bad)
    again = pipeline.ingest(store, [str(tmp_path)])
    assert (again.total("rows_loaded"), ask("SELECT count(*) FROM etl.file WHERE state = 'known'")) == (
        0,
        [(2,)],
    )


def test_an_archive_that_is_still_uploaded_waits_and_one_that_stays_cut_fails(
    store: Store, tmp_path: Path
) -> None:
    hour = "2026-03-01/conn.09:00:00-10:00:00.log"
    whole = tar_gz(tmp_path / "logs.tar.gz", {hour: tsv(flows(2_000))}).read_bytes()
    archive = tmp_path / "logs.tar.gz"
    archive.write_bytes(whole[: len(whole) // 2])
    pipeline.begin(store, "first", "dag", {})
    assert pipeline.discover(store, "first", [str(tmp_path)]) == []
    (failed,) = pipeline.ingest(store, [str(tmp_path)]).results
    assert (failed.path, failed.state, failed.kind) == (str(archive), "failed", "unreadable")
    archive.write_bytes(whole)
    pipeline.begin(store, "second", "dag", {})
    (batch,) = pipeline.discover(store, "second", [str(tmp_path)])
    assert pipeline.publish(store, batch)["rows_loaded"] == 2_000


class _Stale(local._File):
    """A file whose mount goes away after its first bytes."""

    def readinto(self, buffer: bytearray | memoryview) -> int | None:  # type: ignore[override]
        if self.tell():
            raise local.failure("it cannot be read", OSError(errno.ESTALE, os.strerror(errno.ESTALE)))
        return super().readinto(memoryview(buffer)[:1_000])


def test_a_stale_handle_is_tried_again_by_the_next_run(
    store: Store, ask: Ask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(3):
        write(tmp_path / f"conn.{number}.log", tsv(flows(50, number * 100)))
    real = local.opened

    def opened(path: Path) -> BinaryIO:
        return cast("BinaryIO", io.BufferedReader(_Stale(path))) if path.name == "conn.1.log" else real(path)

    monkeypatch.setattr(local, "opened", opened)
    summary = pipeline.ingest(store, [str(tmp_path)])
    assert summary.total("rows_loaded") == 100
    assert [(Path(result.path).name, result.state, result.kind) for result in summary.became_bad] == [
        ("conn.1.log", "failed", "file_away")
    ]
    monkeypatch.setattr(local, "opened", real)
    assert pipeline.ingest(store, [str(tmp_path)]).total("rows_loaded") == 50
    assert {state for _, state, _, _ in ask(STATES)} == {"published"}


def test_an_hour_of_all_streams_loads_conn_alone_and_is_green(
    command: Command, ask: Ask, tmp_path: Path
) -> None:
    folder = tmp_path / "logs" / "2026-03-01"
    for stream in (
        "dns",
        "http",
        "wireguard",
        "login",
        "config",
        "smb_files",
        "conn_long",
        "known_hosts",
        "x509",
    ):
        write(
            folder / f"{stream}.09:00:00-10:00:00.log",
            b'{"ts":1772355600.1,"uid":"C1","id.orig_h":"192.0.2.1"}\n',
        )
    done = command("ingest", tmp_path / "logs")
    assert done.returncode == 0, done.stderr
    assert {(state, kind) for _, state, kind, _ in ask(STATES)} == {("skipped", "other_log")}
    assert ask("SELECT count(*) FROM zeek.conn") == [(0,)]


def test_a_path_that_is_too_long_for_the_ledger_stops_nothing(store: Store, ask: Ask, tmp_path: Path) -> None:
    folder = tmp_path
    for letter in "abcdefghijkl":
        folder = folder / (letter * 220)
    write(folder / "conn.log", tsv(flows(1)))
    write(tmp_path / "conn.log", tsv(flows(2)))
    write(tmp_path / os.fsdecode(b"conn.\xff.log"), tsv(flows(3, 10)))
    for _ in range(2):
        results: list[Any] = pipeline.ingest(store, [str(tmp_path)]).results
        assert sorted(result.state for result in results) == ["failed", "published", "published"]
    assert ask("SELECT state, kind FROM etl.file WHERE rows_loaded IS NULL") == [("failed", "path_too_long")]


def test_names_that_state_decades_make_no_billion_windows(store: Store, ask: Ask, tmp_path: Path) -> None:
    """One-second windows, and one of long ago: 1.7 billion windows are missing, and it takes no time to say so."""
    first = datetime(2026, 3, 1, tzinfo=UTC)
    for number in range(50):
        start, end = (f"{first + timedelta(seconds=number + n):%Y-%m-%d-%H-%M-%S}" for n in (0, 1))
        write(tmp_path / f"conn__{start}__{end}__.log", tsv(flows(1, number)))
    write(tmp_path / "conn__1971-01-01-00-00-00__1971-01-01-00-00-01__.log", tsv([]))
    write(tmp_path / "conn__1971-01-01-00-00-00__2026-01-01-00-00-01__.log", tsv([]))
    pipeline.ingest(store, [str(tmp_path)])
    begun = time.monotonic()
    with store.session() as connection:
        (gap,) = windows.gaps(connection, store.settings)
        assert windows.remarks(connection, store.settings) == []
    assert gap.windows == (first - datetime(1971, 1, 1, 0, 0, 1, tzinfo=UTC)).total_seconds()
    assert str(gap) == (
        "no logs from 1971-01-01 00:00 to 2026-03-01 00:00 UTC, 20,147 days (1,740,787,199 windows)"
    )
    assert ask("SELECT count(*), sum(windows) FROM etl.completeness WHERE state = 'missing'") == [
        (1, gap.windows)
    ]
    with store.session() as connection:
        assert facts.gather(connection, None, None)["missing_windows"] == gap.windows
        always = store.settings.model_copy(update={"quiet_hours": tuple(range(24))})
        assert windows.gaps(connection, always) == []
    assert time.monotonic() - begun < 5


def test_credentials_in_a_url_are_neither_stored_nor_shown(command: Command, ask: Ask) -> None:
    for url in ("s3://key:sesame@bucket/conn.log", "https://example.org/conn.log?X-Amz-Signature=sesame"):
        for arguments in (("ingest", url), ("ingest", "--dry-run", url), ("explain", url), ("unload", url)):
            done = command(*arguments)
            assert done.returncode == 2, arguments
            assert "sesame" not in done.stdout + done.stderr
    done = command("settings", CONN_ETL_LOG_DIR="s3://key:sesame@bucket/logs")
    assert "s3://***@bucket/logs" in done.stdout
    assert "sesame" not in done.stdout
    assert ask("SELECT count(*) FROM etl.run WHERE arguments::text LIKE '%sesame%'") == [(0,)]


def test_a_run_keeps_no_credentials_of_its_arguments(store: Store, ask: Ask) -> None:
    pipeline.begin(
        store, "run", "dag", {"path": "s3://key:sesame@bucket/x", "paths": ["https://a:sesame@b/x"]}
    )
    assert ask("SELECT arguments FROM etl.run") == [
        ({"path": "s3://***@bucket/x", "paths": ["https://***@b/x"]},)
    ]


def test_explain_takes_a_member_and_an_archive_of_one(store: Store, tmp_path: Path) -> None:
    one = tar_gz(tmp_path / "one.tar.gz", {"conn.log": tsv(flows(2))})
    assert explain(str(one), store.settings, store).path == f"{one}!/conn.log"
    two = tar_gz(tmp_path / "two.tar.gz", {"conn.1.log": tsv(flows(2)), "conn.2.log": tsv(flows(3))})
    assert explain(f"{two}!/conn.2.log", store.settings, store).rows == 3
    with pytest.raises(
        Misuse, match=r"an archive of several files; name one of them: .*two\.tar\.gz!/conn\.1\.log"
    ):
        explain(str(two), store.settings, store)


def test_gaps_are_the_same_in_any_time_zone_of_the_session(store: Store, tmp_path: Path) -> None:
    for first, last in (("03-27", "03-28"), ("03-31", "04-01"), ("10-23", "10-24"), ("10-27", "10-28")):
        write(tmp_path / f"conn__2026-{first}-00-00-00__2026-{last}-00-00-00__.log", tsv([]))
    pipeline.ingest(store, [str(tmp_path)])
    query = "SELECT extract(EPOCH FROM window_start), extract(EPOCH FROM window_end), windows FROM etl.completeness"
    with store.engine.begin() as connection:
        found = []
        for zone in ("UTC", "Europe/Berlin", "America/New_York"):
            connection.exec_driver_sql(f"SET LOCAL timezone = '{zone}'")
            found.append(
                sorted(tuple(row) for row in connection.exec_driver_sql(f"{query} WHERE state = 'missing'"))
            )
    assert [windows for _, _, windows in found[0]] == [1, 1, 1, 205, 1, 1, 1]
    assert found[0] == found[1] == found[2]

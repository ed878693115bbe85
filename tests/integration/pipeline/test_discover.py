"""What a run takes: settled files only, nothing twice; sensors and windows in the ledger; zones in doctor.

Long since all that is decided about a file before its rows are is here: evidence, spans, sensors, windows, explain.
"""

from __future__ import annotations

import gzip
import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from etl import pipeline
from etl.database.store import Store
from etl.monitoring import alerts, doctor, windows
from etl.pipeline import explain
from etl.pipeline.discover import ScanResult
from etl.pipeline.discover import scan as real
from etl.settings import Settings
from tests.integration.conftest import Ask, Command
from tests.logs import START, flow, flows, json_lines, tsv, write

DAY = "2026-03-01"


def aged(path: Path, minutes: float = 10) -> Path:
    """A file that nobody touched for a while."""
    then = time.time() - minutes * 60
    os.utime(path, (then, then))
    return path


def scan(store: Store, folder: Path, number: int = 1) -> list[str]:
    """One scheduled scan; returns the names of the files that it claimed."""
    run = f"run-{number}"
    pipeline.begin(store, run, "dag", {})
    batches = pipeline.discover(store, run, [str(folder)])
    for batch in batches:
        pipeline.publish(store, batch)
    pipeline.end(store, run)
    with store.engine.begin() as connection:
        rows = connection.exec_driver_sql("SELECT path FROM etl.file WHERE run_id = %s ORDER BY path", (run,))
        return [Path(row.path).name for row in rows]


def first_look_was_long_ago(ask: Ask) -> None:
    ask("UPDATE etl.file SET first_seen = first_seen - interval '1 hour'")


def test_a_file_without_evidence_is_taken_at_the_second_look_of_the_same_size(
    store: Store, ask: Ask, tmp_path: Path
) -> None:
    path = aged(write(tmp_path / "conn.json", json_lines(flows(3))))
    assert scan(store, tmp_path, 1) == []
    assert ask("SELECT state, batch_id FROM etl.file") == [("found", None)]
    first_look_was_long_ago(ask)
    aged(write(path, json_lines(flows(5))))  # it grew: that look counts for nothing
    assert scan(store, tmp_path, 2) == []
    assert ask("SELECT count(*), min(size) FROM etl.file") == [(1, path.stat().st_size)]
    assert scan(store, tmp_path, 3) == []  # the second look came a moment after the first
    first_look_was_long_ago(ask)
    assert scan(store, tmp_path, 4) == ["conn.json"]
    assert ask("SELECT state, rows_loaded FROM etl.file") == [("published", 5)]
    assert scan(store, tmp_path, 5) == []


def test_evidence_comes_before_age(store: Store, tmp_path: Path) -> None:
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).date().isoformat()
    write(tmp_path / "closed.log", tsv(flows(2)))
    write(tmp_path / "open.log", tsv(flows(2, 10)).partition(b"#close")[0])
    write(tmp_path / "whole.json.gz", json_lines(flows(2, 20)))
    (tmp_path / "cut.json.gz").write_bytes(gzip.compress(json_lines(flows(99, 100)))[:-9])
    write(tmp_path / DAY / "conn.09:00:00-10:00:00.log", json_lines(flows(2, 30)))
    write(tmp_path / tomorrow / "conn.09:00:00-10:00:00.log", json_lines(flows(2, 40)))
    assert sorted(scan(store, tmp_path)) == ["closed.log", "conn.09:00:00-10:00:00.log", "whole.json.gz"]


def test_a_log_that_is_there_plain_and_packed_is_loaded_once_and_never_half(
    store: Store, ask: Ask, tmp_path: Path
) -> None:
    rows = json_lines(flows(60))
    plain = write(tmp_path / DAY / "conn.08:00:00-09:00:00.log", rows)
    packed = plain.with_name(f"{plain.name}.gz")
    packed.write_bytes(gzip.compress(rows)[:-200])
    assert scan(store, tmp_path, 1) == []  # one of them is being written, and neither is old
    write(packed, rows)
    assert scan(store, tmp_path, 2) == [packed.name]
    first_look_was_long_ago(ask)
    aged(plain)
    ask("UPDATE etl.file SET first_seen = first_seen - interval '1 hour'")
    assert scan(store, tmp_path, 3) == []
    first_look_was_long_ago(ask)
    assert scan(store, tmp_path, 4) == [plain.name]
    assert ask("SELECT state FROM etl.file ORDER BY state") == [("known",), ("published",)]
    assert ask("SELECT count(*) FROM zeek.conn") == [(60,)]


def test_the_command_leaves_the_half_written_one_of_two_with_its_reason(store: Store, tmp_path: Path) -> None:
    rows = json_lines(flows(60))
    plain = write(tmp_path / "conn.log", rows)
    (tmp_path / "conn.log.gz").write_bytes(gzip.compress(rows)[:-200])
    results = {Path(r.path).name: r for r in pipeline.ingest(store, [str(tmp_path)]).results}
    assert (results["conn.log"].state, results["conn.log"].rows_loaded) == ("published", 60)
    assert (results["conn.log.gz"].state, results["conn.log.gz"].kind) == ("skipped", "half_written")
    assert str(plain) in (results["conn.log.gz"].reason or "")
    write(tmp_path / "conn.log.gz", rows)
    again = {Path(r.path).name: r.state for r in pipeline.ingest(store, [str(tmp_path)]).results}
    assert again == {"conn.log": "published", "conn.log.gz": "known"}


def test_a_file_that_vanishes_between_listing_and_reading(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = write(tmp_path / "a.json", json_lines(flows(2)))
    packed = write(tmp_path / "b.json", json_lines(flows(2, 10)))
    write(tmp_path / "c.json", json_lines(flows(2, 20)))

    def scanned(*given: Any, **options: Any) -> ScanResult:
        found = real(*given, **options)
        gone.unlink(missing_ok=True)
        packed.rename(tmp_path / "b.json.gz")
        return found

    monkeypatch.setattr(sys.modules["etl.pipeline.ingest"], "scan", scanned)
    summary = pipeline.ingest(store, [str(tmp_path)])
    assert [(Path(r.path).name, r.state, r.kind) for r in summary.results] == [
        ("a.json", "failed", "unreadable"),
        ("b.json", "skipped", "gone"),
        ("c.json", "published", None),
    ]
    assert "gone since it was listed" in (summary.results[0].reason or "")


def test_strange_names_and_entries_end_in_the_ledger(store: Store, ask: Ask, tmp_path: Path) -> None:
    names = [
        "conn.'a'.log",
        'conn."b".log',
        "conn.\n.log",
        "conn.\udcff\udcfe.log",
        "conn'); DROP TABLE etl.file;--.log",
    ]
    for number, name in enumerate(names):
        write(tmp_path / name, tsv(flows(2, 10 * number)))
    os.mkfifo(tmp_path / "pipe.log")
    (tmp_path / "loop").symlink_to(tmp_path, target_is_directory=True)
    summary = pipeline.ingest(store, [str(tmp_path)])
    assert summary.total("rows_loaded") == 2 * len(names)
    assert summary.became_bad == []
    assert ask("SELECT path FROM etl.file WHERE state = 'skipped' ORDER BY path") == [
        (str(tmp_path / "loop"),),
        (str(tmp_path / "pipe.log"),),
    ]
    assert pipeline.ingest(store, [str(tmp_path)]).total("rows_read") == 0


@pytest.mark.parametrize("pack", [gzip.compress, lambda data: gzip.compress(gzip.compress(data))])
def test_a_bomb_is_refused_at_the_bound_of_the_settings(
    database_url: str, ask: Ask, tmp_path: Path, pack: Callable[[bytes], bytes]
) -> None:
    store = Store.open(database_url, Settings(max_file_bytes=1 << 20))
    (tmp_path / "bomb.log.gz").write_bytes(pack(tsv(flows(1)) + b"\n" * (8 << 20)))
    (result,) = pipeline.ingest(store, [str(tmp_path)]).results
    assert result.state == "refused"
    assert result.kind in {
        "too_large",
        "not_a_conn_log",
    }  # what is packed twice is binary, and is not unpacked further
    assert ask("SELECT count(*) FROM zeek.conn") == [(0,)]


def test_rehash_finds_other_bytes_under_the_same_name_size_and_time(
    store: Store, ask: Ask, faults: Callable[[], list[object]], tmp_path: Path
) -> None:
    path = aged(write(tmp_path / "conn.log", tsv(flows(20))))
    same = aged(write(tmp_path / "same.log", tsv(flows(20, 100))))
    status = path.stat()
    pipeline.ingest(store, [str(tmp_path)])
    write(path, tsv(flows(20)).replace(b"ShADadFf", b"ShADadfF"))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert path.stat().st_size == status.st_size
    assert pipeline.ingest(store, [str(tmp_path)]).total("rows_read") == 0
    summary = pipeline.ingest(store, [str(tmp_path)], rehash=True)
    assert [(r.path, r.rows_loaded) for r in summary.results if r.recorded is None] == [(str(path), 20)]
    assert [r.path for r in summary.results if r.recorded is not None] == [str(same)]
    assert ask("SELECT network_connection_history, count(*) FROM zeek.conn GROUP BY 1 ORDER BY 1") == [
        ("ShADadFf", 20),
        ("ShADadfF", 20),
    ]
    assert faults() == []


def test_since_and_until_choose_by_window_and_a_file_without_one_is_always_in(
    store: Store, tmp_path: Path
) -> None:
    for hour in range(3):
        write(tmp_path / DAY / f"conn.{hour:02}:00:00-{hour + 1:02}:00:00.log", tsv(flows(1, hour)))
    write(tmp_path / "conn.log", tsv(flows(1, 50)))
    since, until = datetime(2026, 3, 1, 1, tzinfo=UTC), datetime(2026, 3, 1, 2, tzinfo=UTC)
    results = pipeline.ingest(store, [str(tmp_path)], since=since, until=until).results
    assert [Path(r.path).name for r in results] == ["conn.log", "conn.01:00:00-02:00:00.log"]


# --- sensors ---------------------------------------------------------------------------------------------------------


def hourly(folder: Path, offset: int, hours: Sequence[int] = range(8, 12)) -> None:
    """Logs named by a clock that is ``offset`` hours off UTC, with connections that end just before the rotation."""
    for hour in hours:
        local = (hour + offset) % 24
        rows = [
            flow(
                n,
                ts=f"{START - 8 * 3600 + hour * 3600 + 3400 + n}.000000",
                uid=f"C{hour}x{n}{folder.parent.name}",
                duration="150.000000",
            )
            for n in range(40)
        ]
        write(folder / f"conn.{local:02}:00:00-{local + 1:02}:00:00.log", tsv(rows))


def zones(store: Store) -> list[str]:
    with store.session() as connection:
        return [finding.what for finding in doctor._zones(connection, store.settings)]


def test_sensor_and_window_stand_in_utc_and_follow_the_settings_and_doctor_sees_a_wrong_zone(
    database_url: str, ask: Ask, tmp_path: Path
) -> None:
    hourly(tmp_path / "north" / DAY, 1)
    hourly(tmp_path / "south" / DAY, 0)
    said: dict[str, Any] = {"path_patterns": ("{sensor}/{date}",)}
    wrong = Store.open(database_url, Settings(**said))
    pipeline.ingest(wrong, [str(tmp_path)])
    (finding,) = zones(wrong)
    assert "sensor north end 1 hours before their files' windows (4 of 4 windows)" in finding

    right = Store.open(database_url, Settings(sensors={"north": {"zone": "Europe/Berlin"}}, **said))
    assert pipeline.ingest(right, [str(tmp_path)]).total("rows_read") == 0
    assert zones(right) == []
    windows = ask("SELECT sensor, min(window_start), max(window_end) FROM etl.file GROUP BY 1 ORDER BY 1")
    span = datetime(2026, 3, 1, 8, tzinfo=UTC), datetime(2026, 3, 1, 12, tzinfo=UTC)
    assert windows == [("north", *span), ("south", *span)]


def test_gaps_heed_quiet_hours_and_intervals_of_a_sensor(database_url: str, tmp_path: Path) -> None:
    for sensor in ("north", "south"):
        hourly(tmp_path / sensor / DAY, 0, [8, 9, 12])
    base: dict[str, Any] = {"path_patterns": ("{sensor}/{date}",)}
    store = Store.open(database_url, Settings(**base))
    pipeline.ingest(store, [str(tmp_path)])

    def gaps(**own: Any) -> list[tuple[str, int, int]]:
        with store.session() as connection:
            found = windows.gaps(connection, Settings(sensors=own, **base))
        return [(h.sensor, h.window_start.hour * 60 + h.window_start.minute, len(found)) for h in found]

    assert gaps() == [(s, m, 4) for s in ("north", "south") for m in (600, 660)]
    assert gaps(north={"quiet_hours": [10, 11]}) == [("south", 600, 2), ("south", 660, 2)]
    assert [m for s, m, _ in gaps(north={"interval": "PT30M"}) if s == "north"] == [600, 630, 660, 690]


def test_problems_follow_them_too(database_url: str, tmp_path: Path) -> None:
    for sensor in ("north", "south"):
        hourly(tmp_path / sensor / DAY, 0, [8, 9, 12])
    base: dict[str, Any] = {"path_patterns": ("{sensor}/{date}",)}
    store = Store.open(database_url, Settings(**base))
    pipeline.ingest(store, [str(tmp_path)])
    own = {"north": {"interval": "PT30M"}, "south": {"quiet_hours": [10]}}
    with store.session() as connection:
        pending = alerts.collect(
            connection, Settings(sensors=own, **base), datetime(2026, 3, 1, 10, 40, tzinfo=UTC)
        )
    # the gap of north that ended at half past ten belongs to an earlier call
    assert [problem.problem.removeprefix("gap:") for problem in pending] == [
        f"north@{DAY} 10:30", f"north@{DAY} 11:00", f"north@{DAY} 11:30", f"south@{DAY} 11:00"
    ]  # fmt: skip


def test_a_sensor_is_late_by_its_own_interval_and_not_while_it_is_silent(
    database_url: str, ask: Ask, tmp_path: Path
) -> None:
    now = datetime.now(UTC)
    hourly(tmp_path / "north" / DAY, 0, [8])
    hourly(tmp_path / "south" / DAY, 0, [8])
    base: dict[str, Any] = {"path_patterns": ("{sensor}/{date}",), "max_lag": timedelta(hours=3)}
    store = Store.open(database_url, Settings(**base))
    pipeline.ingest(store, [str(tmp_path)])

    def late(behind: timedelta, length: timedelta, **own: Any) -> list[str]:
        ask(
            "UPDATE etl.file SET window_end = now() - :behind, window_start = now() - :behind - :length"
            " WHERE sensor = 'north'",
            behind=behind,
            length=length,
        )
        with store.session() as connection:
            return [lag.sensor for lag in windows.lagging(connection, Settings(sensors=own, **base))]

    hour, day = timedelta(hours=1), timedelta(days=1)
    assert late(3.5 * hour, hour) == []
    assert late(4.5 * hour, hour) == ["north"]
    assert late(26 * hour, day) == []
    assert late(28 * hour, day) == ["north"]
    assert late(4.5 * hour, hour, north={"interval": "P1D"}) == []
    silent = [(now - behind * hour).hour for behind in range(5)]
    assert late(4.5 * hour, hour, north={"quiet_hours": silent}) == []
    assert late(4.5 * hour, hour, south={"quiet_hours": silent}) == ["north"]


# --- explain and drift -----------------------------------------------------------------------------------------------


def test_explain_says_what_ingest_will_do_and_asks_the_ledger(store: Store, tmp_path: Path) -> None:
    path = str(write(tmp_path / "conn.log", tsv([*flows(3), flow(4, id_orig_h="8.8.8.999")])))
    before = explain.explain(path, store.settings, store)
    assert before.would.startswith("ingest would load 3 of its 4 rows and put 1 lines into quarantine")
    (column,) = [c for c in before.columns if c.name == "id.orig_h"]
    assert (column.field, column.why, column.type) == ("src_ip_addr", "exact name", "addr")
    assert [c.field for c in before.columns if c.name == "ip_proto"] == [None]
    assert (before.zeek or "").startswith("7.1 or later")
    assert [(r["line"], r["reason"]) for r in before.first_rejects] == [(12, "not_an_ip")]
    assert (before.first, before.rows) == (datetime(2026, 3, 1, 8, tzinfo=UTC), 4)
    pipeline.ingest(store, [path])
    assert "the file is published" in explain.explain(path, store.settings, store).would
    copy = str(write(tmp_path / "copy.log.gz", Path(path).read_bytes()))
    assert f"the same bytes were loaded as {path}" in explain.explain(copy, store.settings, store).would


def test_a_column_never_seen_before_is_noted_with_the_first_file_that_had_it(
    store: Store, ask: Ask, tmp_path: Path
) -> None:
    first = write(tmp_path / "a.json", json_lines([flow(1, vendor="x"), flow(2)]))
    write(tmp_path / "b.json", json_lines([flow(3, vendor="y", risk=5)]))
    pipeline.ingest(store, [str(first)])
    pipeline.ingest(store, [str(tmp_path)])
    noted = ask(
        "SELECT name, type, path FROM etl.unknown_column JOIN etl.file USING (etl_file_id) ORDER BY name"
    )
    assert [(name, kind, Path(path).name) for name, kind, path in noted] == [
        ("ip_proto", "number", "a.json"),
        ("risk", "number", "b.json"),
        ("vendor", "string", "a.json"),
    ]


def test_status_shows_columns_never_seen_before_with_their_first_file(
    command: Command, tmp_path: Path
) -> None:
    write(tmp_path / "logs" / "a.json", json_lines([flow(1, vendor="x")]))
    command("ingest", tmp_path / "logs")
    write(tmp_path / "logs" / "b.json", json_lines([flow(3, vendor="y", risk=5)]))
    command("ingest", tmp_path / "logs")
    shown = json.loads(command("status", "--json").stdout)["unknown_columns"]
    assert [(c["name"], c["type"], Path(c["path"]).name) for c in shown] == [
        ("ip_proto", "number", "a.json"),
        ("risk", "number", "b.json"),
        ("vendor", "string", "a.json"),
    ]
    assert all(datetime.fromisoformat(c["first_seen"]) for c in shown)
    text = command("status", COLUMNS="300").stdout
    lines = text[text.index("Columns beyond the dictionary") :].splitlines()
    assert [line.split() for line in lines if line.startswith("risk ")] == [
        ["risk", "number", str(tmp_path / "logs" / "b.json")]
    ]

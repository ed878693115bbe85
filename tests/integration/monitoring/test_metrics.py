"""What `conn-etl metrics` says is what was loaded, in a form that Prometheus takes."""

from __future__ import annotations

import json
import urllib.request
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from etl import pipeline
from etl.database import schema
from etl.database.store import Store
from etl.monitoring import metrics
from etl.settings import Settings
from tests.integration.conftest import Ask, Command
from tests.logs import flow, flows, tsv, write

Key = tuple[str, frozenset[tuple[str, str]]]


def parsed(text: str) -> dict[Key, float]:
    samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    found = {(s.name.removeprefix("conn_etl_"), frozenset(s.labels.items())): s.value for s in samples}
    assert len(found) == len(samples)
    return found


def value(found: dict[Key, float], name: str, **labels: str) -> float:
    return found[name, frozenset(labels.items())]


def test_an_empty_database_has_zeroes_and_not_nothing(command: Command) -> None:
    found = parsed(command("metrics").stdout)
    assert value(found, "files", state="refused") == 0
    assert value(found, "processed_rows_total", term="loaded") == 0
    assert value(found, "problems", severity="critical") == 0


def test_what_was_loaded_is_counted(command: Command, store: Store, ask: Ask, tmp_path: Path) -> None:
    start = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(hours=6)

    def log(hour: int, rows: int, *bad: dict[str, object]) -> Path:
        begin = start + timedelta(hours=hour)
        name = f"conn.{begin:%H}:00:00-{begin + timedelta(hours=1):%H}:00:00.log.gz"
        stamp = {"ts": f"{begin.timestamp():.0f}.5"}
        lines = [{**flow(hour * 1_000 + i), **stamp} for i in range(rows)]
        return write(tmp_path / f"{begin:%Y-%m-%d}" / name, tsv([*lines, *({**b, **stamp} for b in bad)]))

    logs = [log(0, 40), log(1, 40, flow(1_900, orig_pkts="many")), log(3, 40)]  # hour 2 is missing
    refused = write(tmp_path / "refused.log", tsv([flow(i, conn_state="REG") for i in range(30)]))
    pipeline.ingest(store, [str(path) for path in (*logs, refused)])
    copy = write(
        tmp_path / "copy.log",
        tsv([{**flow(3_000), "ts": f"{(start + timedelta(hours=3)).timestamp():.0f}.5"}]),
    )
    pipeline.ingest(store, [str(copy)])

    found = parsed(command("metrics").stdout)
    assert value(found, "files", state="published") == 4
    assert value(found, "files", state="refused") == 1
    for term in ("read", "loaded", "duplicate", "quarantined"):
        recorded = ask(f"SELECT sum(rows_{term}) FROM etl.file")[0][0]
        assert value(found, "rows", term=term) == recorded > 0, term
        assert value(found, "processed_rows_total", term=term) == recorded, term
    assert value(found, "processed_files_total") == 5
    assert value(found, "quarantine_lines", rule="type.src_packets", state="open") == 1
    assert value(found, "quarantine_lines", rule="enum.network_connection_state", state="open") == 30
    assert value(found, "missing_windows", sensor="") == 1
    assert 2 * 3_600 <= value(found, "lag_seconds", sensor="") <= 3 * 3_600
    assert (
        value(found, "newest_row_timestamp_seconds", sensor="")
        == (start + timedelta(hours=3)).timestamp() + 0.5
    )
    assert value(found, "waiting_files") == 0
    packed = sum(path.stat().st_size for path in (*logs, refused, copy))
    assert value(found, "read_bytes_total", form="packed") == packed
    assert (
        value(found, "read_bytes_total", form="unpacked") == ask("SELECT sum(bytes_read) FROM etl.file")[0][0]
    )
    assert value(found, "last_run_rows", kind="command") == 0  # the copy's one row was there
    assert value(found, "last_run_bytes_per_second", kind="command") > 0
    assert value(found, "table_bytes", table="zeek.conn") > 0
    assert value(found, "disk_free_bytes") > 0


def test_a_file_for_the_node_exporter_and_json(command: Command, store: Store, tmp_path: Path) -> None:
    pipeline.ingest(store, [str(write(tmp_path / "conn.log", tsv(flows(20))))])
    file = tmp_path / "conn_etl.prom"
    assert command("metrics", "--out", file).stdout == ""
    assert value(parsed(file.read_text()), "rows", term="loaded") == 20
    samples = json.loads(command("metrics", "--json").stdout)["metrics"]
    assert {"name": "conn_etl_files", "labels": {"state": "published"}, "value": 1} in samples
    assert command("metrics", "--out", tmp_path / "nowhere" / "x.prom").returncode == 2
    assert not list(tmp_path.glob("*.prom.*"))


def test_a_sensor_s_name_cannot_break_the_format(store: Store, tmp_path: Path) -> None:
    named = store.settings.model_copy(update={"path_patterns": ("{sensor}/…",)})
    folder = tmp_path / 'a "quoted"\\ name\nof two lines'
    pipeline.ingest(
        Store(url=store.url, engine=store.engine, settings=named),
        [str(write(folder / "conn.08:00:00-09:00:00.log", tsv(flows(5))))],
    )
    with store.session() as connection:
        found = parsed(metrics.text(metrics.collect(connection, Settings())))
    assert value(found, "lag_seconds", sensor=folder.name) > 0


def test_an_unload_lowers_the_gauge_and_no_counter(command: Command, store: Store, tmp_path: Path) -> None:
    log = write(tmp_path / "conn.log", tsv(flows(20)))
    pipeline.ingest(store, [str(log)])
    before = parsed(command("metrics").stdout)
    pipeline.unload(store, [str(log)])
    after = parsed(command("metrics").stdout)
    assert (value(before, "rows", term="loaded"), value(after, "rows", term="loaded")) == (20, 0)
    counters = {key for key in before if key[0].endswith("_total")}
    assert counters
    assert all(after[key] >= before[key] for key in counters)
    assert value(after, "processed_rows_total", term="loaded") == 20
    assert value(after, "last_run_timestamp_seconds") >= value(before, "last_run_timestamp_seconds")
    assert {dict(labels)["schema"] for name, labels in after if name == "build_info"} == {
        schema.newest_version()
    }


def test_scrapes_are_answered_over_http_each_with_the_state_of_its_moment(
    store: Store, tmp_path: Path
) -> None:
    port = metrics.serve(store, "127.0.0.1", 0)

    def scrape() -> dict[Key, float]:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=60) as answer:
            return parsed(answer.read().decode())

    assert value(scrape(), "rows", term="loaded") == 0
    pipeline.ingest(store, [str(write(tmp_path / "conn.log", tsv(flows(20))))])
    assert value(scrape(), "rows", term="loaded") == 20


@pytest.mark.parametrize("address", ["9100", "127.0.0.1:", "127.0.0.1:http"])
def test_an_address_that_is_none_is_refused(command: Command, address: str) -> None:
    done = command("metrics", "--listen", address)
    assert (done.returncode, "is not an address" in done.stderr) == (2, True)

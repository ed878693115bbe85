"""What a run tells while it goes on and afterwards: how far it is, files by state, bad lines, the busiest services."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from etl import pipeline, report, source
from etl.database.store import Store
from etl.monitoring import run_summary, windows
from etl.resources import samples_dir
from tests.integration.conftest import Ask
from tests.logs import START, flow, flows, tsv, write


def progress(store: Store, run: str) -> str:
    with store.session() as connection:
        return run_summary.progress(connection, run)


def test_how_far_a_run_is_how_fast_and_how_long_it_takes(store: Store, tmp_path: Path) -> None:
    assert progress(store, "nobody") == "nothing to do"
    paths = [write(tmp_path / f"conn.{name}.log", tsv(flows(500, 500 * i))) for i, name in enumerate("ab")]
    size = sum(path.stat().st_size for path in paths) >> 10
    settings = store.settings.model_copy(update={"batch_files": 1})
    slow = Store(url=store.url, engine=store.engine, settings=settings)
    pipeline.begin(slow, "run", "dag", {})
    first, second = pipeline.discover(slow, "run", [str(tmp_path)])
    assert (
        progress(store, "run") == f"0 of 2 files, 0 of {size} KiB, 0 rows loaded; 0 KiB/s, time left unknown"
    )
    pipeline.publish(slow, first)
    half = re.fullmatch(
        r"1 of 2 files, (\d+) of (\d+) KiB, 500 rows loaded; (\d+) KiB/s, time left 0:\d\d:\d\d",
        progress(store, "run"),
    )
    assert half is not None
    assert int(half[2]) == size
    assert 0 < int(half[1]) < size
    pipeline.publish(slow, second)
    done = progress(store, "run")
    assert done.startswith(f"2 of 2 files, {size} of {size} KiB, 1,000 rows loaded; ")
    assert done.endswith("time left 0:00:00")


def test_the_busiest_services_are_those_of_the_newest_day_with_sql_to_paste(
    store: Store, ask: Ask, tmp_path: Path
) -> None:
    with store.session() as connection:
        assert run_summary.busiest_services(connection, ["/nowhere/conn.log"]) == ("", [])

    def of_day(number: int, **changes: object) -> dict[str, object]:
        return flow(number, ts=f"{START + 86_400 + number}.5", **changes)

    rows = [
        flow(1, service="ftp", orig_ip_bytes=10**9),  # of the day before
        *(of_day(i, service="dns", orig_ip_bytes=10, resp_ip_bytes=0) for i in (2, 3, 4)),
        *(of_day(i, service="ssl", orig_ip_bytes=500, resp_ip_bytes=1) for i in (5, 6)),
        of_day(7, service=None),
        of_day(8, service="ssh", orig_ip_bytes=5, resp_ip_bytes=None),
        of_day(9, service="rdp", orig_bytes=10**9, orig_ip_bytes=None, resp_ip_bytes=None),  # a wild RST
    ]
    path = str(write(tmp_path / "conn.log", tsv(rows)))
    pipeline.ingest(store, [path])
    with store.session() as connection:
        text, found = run_summary.busiest_services(connection, [path])
    assert [tuple(row.values()) for row in found] == [
        ("ssl", 2, 1000, 2),
        ("dns", 3, 30, 0),
        ("ssh", 1, 5, None),
        ("rdp", 1, None, None),
    ]
    assert ask(text) == [tuple(row.values()) for row in found]
    assert "'2026-03-02 00:00:00+00'" in text


def test_files_bad_lines_and_verdicts_of_the_paths_of_a_run(store: Store, tmp_path: Path) -> None:
    good = write(tmp_path / "a.log", tsv([*flows(3), flow(3, id_orig_h="x"), flow(4, conn_state="REG")]))
    refused = write(tmp_path / "b.log", tsv([flow(9, id_orig_h="x")]))
    other = write(tmp_path / "c.log", tsv(flows(2, 20)))
    pipeline.ingest(store, [str(other)])
    paths = [str(path) for path in (good, refused, other)]
    run = pipeline.ingest(store, paths).run_id
    with store.session() as connection:
        files = run_summary.files(connection, paths, run)
        bad = run_summary.quarantined(connection, [str(good)])
        suites = {row["suite"]: row for row in run_summary.suites(connection, [str(good)])}
        assert run_summary.quarantined(connection, [str(other)]) == []
    assert {(row["state"], row["kind"], row["mine"], row["files"]) for row in files} == {
        ("published", None, True, 1),
        ("refused", "over_budget", True, 1),
        ("published", None, False, 1),
    }
    assert {(row["rule"], row["lines"], row["example"]) for row in bad} == {
        ("type.src_ip_addr", 1, f"{good}:12"),
        ("enum.network_connection_state", 1, f"{good}:13"),
    }
    assert suites["conn_types"]["rules_broken"] == 1
    # a verdict is a batch's, so the line of the refused file counts too
    assert sum(row["rows_critical"] for row in suites.values()) == 3


@pytest.mark.parametrize("day", [-3, 0, 3], ids=["older", "of the same day", "newer"])
def test_samples_are_a_sensor_of_their_own_and_stay_out_of_the_answers_about_other_logs(
    store: Store, ask: Ask, tmp_path: Path, day: int
) -> None:
    moment, samples = START + day * 86_400, str(samples_dir())
    mine = tmp_path / "logs" / "conn.08:00:00-09:00:00.log"
    rows = [flow(i, ts=f"{moment + i}.5", service="ssl", orig_ip_bytes=1, resp_ip_bytes=2) for i in range(3)]
    pipeline.ingest(store, [samples])
    pipeline.ingest(store, [str(write(mine, tsv(rows)))])
    assert ask("SELECT DISTINCT sensor FROM etl.file ORDER BY 1") == [("",), ("samples",)]
    with store.session() as connection:
        text, found = run_summary.busiest_services(connection, [str(mine)])
        of_samples = [file.path for file in source.listed([samples])]
        question, answer = run_summary.busiest_services(connection, of_samples)
    assert [tuple(row.values()) for row in found] == [("ssl", 3, 3, 6)] == ask(text)
    assert sum(row["connections"] for row in answer) > 200
    assert [tuple(row.values()) for row in answer] == ask(question)


def test_samples_make_no_gap_in_other_logs(store: Store, tmp_path: Path) -> None:
    name, later = "conn.08:00:00-09:00:00.log", f"{START + 30 * 86_400}.5"
    pipeline.ingest(store, [str(samples_dir())])
    pipeline.ingest(store, [str(write(tmp_path / "2026-03-31" / name, tsv([flow(1, ts=later)])))])
    with store.session() as connection:
        assert windows.gaps(connection, store.settings) == []
        facts = report.build(connection).facts
    assert facts["missing_windows"] == 0
    assert {(hour["sensor"], hour["state"]) for hour in facts["completeness"]} == {
        ("", "loaded"),
        ("samples", "loaded"),
    }

"""The whole path in one process: what is loaded, what is known, what goes to quarantine, and that the books balance."""

from __future__ import annotations

import gzip
import lzma
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from etl import fields, pipeline
from etl.database.store import Store
from etl.settings import Settings
from tests.integration.conftest import Ask
from tests.logs import flow, flows, json_lines, tsv, write

COLUMNS = ", ".join(f'"{name}"' for name in fields.STANDARD_NAMES)


def counts(summary: pipeline.Summary) -> tuple[int, int, int, int]:
    read, loaded, duplicate, quarantined = (summary.total(term) for term in pipeline.TERMS)
    return read, loaded, duplicate, quarantined


def test_a_folder_is_loaded_once_and_the_second_time_nothing_changes(
    store: Store, ask: Ask, faults: Callable[[], list[object]], tmp_path: Path
) -> None:
    write(tmp_path / "2026-03-01" / "conn.08:00:00-09:00:00.log.gz", tsv(flows(500)))
    write(tmp_path / "2026-03-01" / "conn.09:00:00-10:00:00.log.gz", json_lines(flows(300, 500)))
    assert counts(pipeline.ingest(store, [str(tmp_path)])) == (800, 800, 0, 0)
    rows = ask(f"SELECT {COLUMNS}, extra FROM zeek.conn ORDER BY 1, event_uid")
    again = pipeline.ingest(store, [str(tmp_path)])
    assert counts(again) == (0, 0, 0, 0)
    assert [(r.state, r.recorded and r.recorded["rows_loaded"]) for r in again.results] == [
        ("published", 500),
        ("published", 300),
    ]
    assert ask(f"SELECT {COLUMNS}, extra FROM zeek.conn ORDER BY 1, event_uid") == rows
    assert faults() == []


def test_values_arrive_exactly(store: Store, ask: Ask, tmp_path: Path) -> None:
    row = flow(
        1,
        ts="1772352000.000001",
        vlan=None,
        duration="0.120338",
        tunnel_parents=["CA", "CB"],
        service="ssl,http",
    )
    pipeline.ingest(store, [str(write(tmp_path / "conn.log", tsv([row])))])
    assert ask(
        'SELECT "@timestamp", host(src_ip_addr), src_port, event_duration, zeek_connection_tunnel_parents,'
        " network_application, zeek_connection_local_src, network_outer_vlan_id, extra FROM zeek.conn"
    ) == [
        (
            datetime(2026, 3, 1, 8, 0, 0, 1, tzinfo=UTC),
            "10.0.0.2",
            1025,
            0.120338,
            '["CA","CB"]',
            "ssl,http",
            True,
            None,
            {"ip_proto": 6},
        )
    ]


def test_tsv_and_json_of_the_same_flows_are_equal_rows_and_the_second_format_adds_none(
    store: Store, ask: Ask, tmp_path: Path
) -> None:
    rows = flows(200)
    assert counts(pipeline.ingest(store, [str(write(tmp_path / "conn.log", tsv(rows)))])) == (200, 200, 0, 0)
    first = ask(f"SELECT {COLUMNS}, extra FROM zeek.conn ORDER BY event_uid")
    assert counts(pipeline.ingest(store, [str(write(tmp_path / "conn.json", json_lines(rows)))])) == (
        200,
        0,
        200,
        0,
    )
    ask("TRUNCATE zeek.conn, etl.file CASCADE")
    pipeline.ingest(store, [str(tmp_path / "conn.json")])
    assert ask(f"SELECT {COLUMNS}, extra FROM zeek.conn ORDER BY event_uid") == first


@pytest.mark.parametrize(
    ("name", "pack"), [("moved.log", bytes), ("other.log.gz", gzip.compress), ("c.xz", lzma.compress)]
)
def test_the_same_bytes_elsewhere_are_known(
    store: Store, ask: Ask, tmp_path: Path, name: str, pack: Callable[[bytes], bytes]
) -> None:
    pipeline.ingest(store, [str(write(tmp_path / "a" / "conn.log", tsv(flows(50))))])
    copy = tmp_path / "b" / name
    copy.parent.mkdir()
    copy.write_bytes(pack(tsv(flows(50))))
    summary = pipeline.ingest(store, [str(copy)])
    assert [(r.state, r.rows_loaded, r.rows_duplicate) for r in summary.results] == [("known", 0, 0)]
    assert ask("SELECT known_file_id IS NOT NULL FROM etl.file WHERE state = 'known'") == [(True,)]
    assert ask("SELECT count(*) FROM zeek.conn") == [(50,)]


def test_of_two_equal_files_in_one_batch_the_first_brings_the_rows(store: Store, tmp_path: Path) -> None:
    paths = [str(write(tmp_path / name, tsv(flows(20)))) for name in ("b.log", "a.log")]
    summary = pipeline.ingest(store, paths)
    assert [(Path(r.path).name, r.state, r.rows_loaded) for r in summary.results] == [
        ("b.log", "published", 20),
        ("a.log", "known", 0),
    ]


def test_a_grown_file_adds_its_new_rows_and_supersedes_its_older_state(
    store: Store, ask: Ask, faults: Callable[[], list[object]], tmp_path: Path
) -> None:
    path = write(tmp_path / "conn.log", tsv(flows(100)))
    pipeline.ingest(store, [str(path)])
    write(path, tsv(flows(200)))
    assert counts(pipeline.ingest(store, [str(path)])) == (200, 100, 100, 0)
    assert ask("SELECT state, rows_loaded, rows_duplicate FROM etl.file ORDER BY etl_file_id") == [
        ("superseded", 100, 0),
        ("published", 100, 100),
    ]
    assert faults() == []


def test_overlapping_files_of_one_batch_leave_each_row_once(
    store: Store, ask: Ask, faults: Callable[[], list[object]], tmp_path: Path
) -> None:
    write(tmp_path / "a.log", tsv(flows(100)))
    write(tmp_path / "b.log", tsv(flows(100, 50)))
    assert counts(pipeline.ingest(store, [str(tmp_path)])) == (200, 150, 50, 0)
    assert ask("SELECT count(*), count(DISTINCT event_uid) FROM zeek.conn") == [(150, 150)]
    assert faults() == []


@pytest.mark.parametrize(
    ("changes", "conflict"),
    [
        ({"orig_bytes": 424_242}, True),
        ({"service": None}, True),
        ({"id_resp_p": 8443}, True),
        ({"duration": "1.250001"}, True),
        ({"ip_proto": 17}, False),  # extra is no part of the row's identity
    ],
)
def test_the_same_identity_with_another_value_is_kept_aside_with_both_versions(
    store: Store, ask: Ask, tmp_path: Path, changes: dict[str, object], conflict: bool
) -> None:
    pipeline.ingest(store, [str(write(tmp_path / "a.log", tsv(flows(10))))])
    changed = [flow(1, **changes), *flows(8, 2)]
    summary = pipeline.ingest(store, [str(write(tmp_path / "b.log", tsv(changed)))])
    assert counts(summary) == (9, 0, 8 if conflict else 9, 1 if conflict else 0)
    held = ask(
        "SELECT reason, mapped <> existing, mapped ->> 'event_uid', raw IS NOT NULL FROM etl.quarantine"
    )
    assert held == ([("identity_conflict", True, flow(1)["uid"], True)] if conflict else [])
    assert ask("SELECT count(*) FROM zeek.conn") == [(10,)]


BROKEN = {
    "bad_address": (flow(1, id_orig_h="8.8.8.999"), "type.src_ip_addr"),
    "text_in_a_counter": (flow(1, orig_bytes="many"), "type.src_bytes"),
    "counter_past_63_bits": (flow(1, resp_bytes=2**64 - 5), "type.dst_bytes"),
    "state_outside_the_set": (flow(1, conn_state="REG"), "enum.network_connection_state"),
    "unknown_protocol": (flow(1, proto="sctpx"), "enum.network_protocol"),
    "strange_history": (flow(1, history="Sz"), "enum.network_connection_history"),
    "no_uid": (flow(1, uid=None), "required.event_uid"),
    "before_1990": (flow(1, ts="5.000000"), "time_out_of_range"),
    "next_year": (flow(1, ts="4000000000.000000"), "time_out_of_range"),
}


@pytest.mark.parametrize("case", sorted(BROKEN))
def test_a_bad_row_goes_to_quarantine_with_its_rule_and_the_others_load(
    store: Store, ask: Ask, faults: Callable[[], list[object]], tmp_path: Path, case: str
) -> None:
    row, rule = BROKEN[case]
    path = write(tmp_path / "conn.log", tsv([flow(0), row, *flows(30, 2)]))
    assert counts(pipeline.ingest(store, [str(path)])) == (32, 31, 0, 1)
    ((line, found, raw),) = ask("SELECT etl_line, rule, raw FROM etl.quarantine")
    assert (line, found) == (10, rule)
    assert bytes(raw) == path.read_bytes().split(b"\n")[9]
    assert ask(
        "SELECT failed FROM etl.expectation_result WHERE rule = :rule AND etl_file_id IS NULL", rule=rule
    ) == [(1,)]
    assert faults() == []


def test_rows_with_json_null_in_a_required_field_are_quarantined(
    store: Store, ask: Ask, tmp_path: Path
) -> None:
    lines = json_lines([flow(0), flow(1)]).replace(b'"proto":"tcp"', b'"proto":null', 1)
    pipeline.ingest(store, [str(write(tmp_path / "conn.json", lines))])
    assert ask("SELECT rule, etl_line FROM etl.quarantine") == [("required.network_protocol", 1)]


def test_a_file_over_its_budget_is_refused_its_neighbours_load_and_acceptance_is_on_record(
    store: Store, ask: Ask, faults: Callable[[], list[object]], tmp_path: Path
) -> None:
    bad = write(tmp_path / "bad.log", tsv(flows(150, conn_state="REG") + flows(50, 150)))
    write(tmp_path / "good.log", tsv(flows(50, 1_000)))
    summary = pipeline.ingest(store, [str(tmp_path)])
    assert [(Path(r.path).name, r.state, r.kind) for r in summary.results] == [
        ("bad.log", "refused", "over_budget"),
        ("good.log", "published", None),
    ]
    assert [Path(r.path).name for r in summary.became_bad] == ["bad.log"]
    assert ask("SELECT count(*) FROM zeek.conn") == [(50,)]
    assert ask("SELECT count(*) FROM etl.quarantine") == [(150,)]
    assert counts(pipeline.ingest(store, [str(bad)])) == (0, 0, 0, 0)  # final: not judged again unasked
    assert counts(pipeline.ingest(store, [str(bad)], accepted_by="somebody")) == (200, 50, 0, 150)
    assert ask("SELECT accepted_by FROM etl.file WHERE path LIKE '%bad.log'") == [("somebody",)]
    assert faults() == []


def test_a_refused_file_leaves_its_first_thousand_bad_lines(store: Store, ask: Ask, tmp_path: Path) -> None:
    path = write(tmp_path / "conn.log", tsv(flows(1_500, conn_state="REG")))
    (result,) = pipeline.ingest(store, [str(path)]).results
    assert (result.state, result.kind) == ("refused", "over_budget")
    assert "not one of its 1,500 rows is good" in (result.reason or "")
    assert ask("SELECT count(*), max(etl_line) FROM etl.quarantine") == [(1_000, 1_008)]


def test_a_broken_clock_does_not_make_thousands_of_partitions(store: Store, ask: Ask, tmp_path: Path) -> None:
    rows = [flow(i, ts=f"{1_000_000_000 + i * 86_400}.000000") for i in range(401)]
    (result,) = pipeline.ingest(store, [str(write(tmp_path / "conn.log", tsv(rows)))]).results
    assert (result.state, result.kind) == ("refused", "too_many_days")
    assert ask("SELECT count(*) FROM pg_inherits WHERE inhparent = 'zeek.conn'::regclass") == [(0,)]


@pytest.mark.parametrize("content", [b"", tsv([])])
def test_quiet_hours_are_published_with_no_rows_and_each_is_its_own(
    store: Store, tmp_path: Path, content: bytes
) -> None:
    paths = [str(write(tmp_path / f"conn.{hour}.log", content)) for hour in "ab"]
    assert [(r.state, r.rows_read) for r in pipeline.ingest(store, paths).results] == [("published", 0)] * 2


def test_other_files_of_a_folder_are_skipped_with_their_reason(store: Store, tmp_path: Path) -> None:
    write(tmp_path / "conn.log", tsv(flows(3)))
    write(tmp_path / "dns.log", tsv(flows(3)))
    write(tmp_path / "strange.log", tsv(flows(3)).replace(b"#path\tconn", b"#path\tssl"))
    write(tmp_path / ".conn.log", tsv(flows(3, 10)))
    write(tmp_path / "current" / "conn.log", tsv(flows(3, 10)))
    summary = pipeline.ingest(store, [str(tmp_path)])
    assert {Path(r.path).name: (r.state, r.kind) for r in summary.results} == {
        "conn.log": ("published", None),
        "dns.log": ("skipped", "other_log"),
        "strange.log": ("skipped", "other_log"),
    }
    assert summary.became_bad == []


def test_a_truncated_file_is_incomplete_and_its_whole_version_supersedes_it(
    store: Store, ask: Ask, faults: Callable[[], list[object]], tmp_path: Path
) -> None:
    rows = flows(5_000)
    whole = gzip.compress(tsv(rows), mtime=0)
    path = tmp_path / "conn.log.gz"
    path.write_bytes(whole[: len(whole) * 2 // 3])
    (result,) = pipeline.ingest(store, [str(path)]).results
    assert result.state == "incomplete"
    assert 0 < result.rows_loaded < 5_000
    path.write_bytes(whole)
    (again,) = pipeline.ingest(store, [str(path)]).results
    assert (again.state, again.rows_loaded + again.rows_duplicate, again.rows_quarantined) == (
        "published",
        5_000,
        0,
    )
    assert ask("SELECT state FROM etl.file ORDER BY etl_file_id") == [("superseded",), ("published",)]
    assert ask("SELECT count(*) FROM etl.quarantine WHERE state = 'open'") == [(0,)]
    assert faults() == []


def test_columns_beyond_the_dictionary_are_noted_with_their_first_file(
    store: Store, ask: Ask, tmp_path: Path
) -> None:
    pipeline.ingest(store, [str(write(tmp_path / "conn.log", tsv(flows(3))))])
    assert ask("SELECT name, type FROM etl.unknown_column") == [("ip_proto", "count")]


def test_many_small_batches_load_what_one_large_one_does(database_url: str, tmp_path: Path) -> None:
    small = Store.open(database_url, Settings(batch_files=1, block_rows=7))
    write(tmp_path / "a.log", tsv(flows(100)))
    write(tmp_path / "b.json", json_lines(flows(100, 60)))
    assert counts(pipeline.ingest(small, [str(tmp_path)])) == (200, 160, 40, 0)

"""``conn-etl verify`` finds each fault that is planted behind its back, and nothing where all is well."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from etl import pipeline
from etl.database.store import Store
from etl.models import ReadOptions
from etl.monitoring import verify
from tests.logs import flow, flows, tsv, write

Ask = Callable[..., list[tuple[Any, ...]]]
Faults = Callable[[], list[verify.Disagreement]]

ROW = "SELECT * FROM zeek.conn WHERE event_uid = 'C00000000000000003'"
PLANTED = {
    "row deleted": ("DELETE FROM zeek.conn WHERE event_uid = 'C00000000000000003'", "zeek.conn holds 9"),
    "row added": (
        """INSERT INTO zeek.conn SELECT "@timestamp", network_protocol, src_ip_addr, src_port, dst_ip_addr, dst_port,
           network_outer_vlan_id, network_inner_vlan_id, zeek_connection_tunnel_parents, 'planted', src_bytes,
           src_ip_bytes, src_mac, src_packets, zeek_connection_local_src, zeek_connection_local_dst, event_duration,
           network_connection_history, network_connection_state, network_missed_bytes, network_application, dst_bytes,
           dst_ip_bytes, dst_mac, dst_packets, etl_file_id, 999, extra
           FROM zeek.conn WHERE event_uid = 'C00000000000000003'""",
        "zeek.conn holds 11",
    ),
    "row of an unknown file": (
        "UPDATE zeek.conn SET etl_file_id = 4711 WHERE event_uid = 'C00000000000000003'",
        "of a file that the ledger does not know",
    ),
    "row of another file": (
        (
            "UPDATE zeek.conn SET etl_file_id = (SELECT etl_file_id FROM etl.file WHERE path LIKE '%%empty.log') "
            "WHERE event_uid = 'C00000000000000003'"
        ),
        "zeek.conn holds 1",
    ),
    "count changed": (
        "UPDATE etl.file SET rows_loaded = 9, rows_read = 11 WHERE path LIKE '%%conn.log'",
        "the ledger says 9 rows loaded",
    ),
    "quarantine row deleted": (
        "DELETE FROM etl.quarantine WHERE rule = 'type.dst_ip_addr'",
        "etl.quarantine holds 0",
    ),
    "quarantine row added": (
        (
            "INSERT INTO etl.quarantine (etl_file_id, etl_line, reason, rule) "
            "SELECT etl_file_id, 777, 'x', 'x' FROM etl.file WHERE path LIKE '%%conn.log'"
        ),
        "etl.quarantine holds 2",
    ),
    "first time off": (
        "UPDATE etl.file SET min_timestamp = min_timestamp - INTERVAL '1 second' WHERE path LIKE '%%conn.log'",
        "first or last @timestamp",
    ),
    "last time off": (
        "UPDATE etl.file SET max_timestamp = NULL WHERE path LIKE '%%conn.log'",
        "first or last @timestamp",
    ),
    "state off": ("UPDATE etl.file SET state = 'refused' WHERE path LIKE '%%conn.log'", "zeek.conn holds 10"),
    "known by nothing": (
        "UPDATE etl.file SET state = 'unloaded', rows_loaded = 0 WHERE path LIKE '%%empty.log'",
        "which has no rows now",
    ),
    "duplicates of nothing": (
        (
            "INSERT INTO etl.duplicate_of SELECT a.etl_file_id, b.etl_file_id, 2 FROM etl.file AS a, etl.file AS b "
            "WHERE a.path LIKE '%%conn.log' AND b.state = 'refused'"
        ),
        "of a file that has none now",
    ),
    "staging left over": (
        "CREATE UNLOGGED TABLE etl.stage_424242 (etl_file_id bigint)",
        "staging of batch 424242",
    ),
}


@pytest.fixture
def loaded(store: Store, ask: Ask, tmp_path: Path) -> None:
    """Ten rows and a quarantined line, rows in another file, an empty, a refused and a known one."""
    write(tmp_path / "conn.log", tsv([*flows(10), flow(10, id_resp_h="8.8.8.999"), flow(3)]))
    write(tmp_path / "empty.log", tsv([]))
    write(tmp_path / "refused.log", tsv([flow(500, id_resp_h="8.8.8.999")]))
    write(tmp_path / "other.log.gz", tsv(flows(3, 200)))
    pipeline.ingest(store, [str(tmp_path)])
    ask(
        "INSERT INTO etl.file (path, size, mtime, state, known_file_id) "
        "SELECT '/copy', 1, now(), 'known', etl_file_id FROM etl.file WHERE path LIKE '%%empty.log'"
    )


@pytest.mark.usefixtures("loaded")
def test_all_planted_faults_are_found(store: Store, faults: Faults) -> None:
    assert faults() == []
    for name, (statement, said) in PLANTED.items():
        with store.session() as connection:
            trial = connection.begin()
            connection.exec_driver_sql(statement)
            assert any(said in fault.what for fault in _seen_by(connection)), name
            trial.rollback()
    assert faults() == []


def _seen_by(connection: Any) -> list[verify.Disagreement]:
    """What verify finds inside the transaction in which the fault was planted."""
    return list(verify.disagreements(connection, ReadOptions()))

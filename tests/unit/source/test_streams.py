"""The stream that a file name states: other Zeek logs are skipped, conn and what is no stream's name is read."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from etl import pipeline, source
from etl.mapping.streams import STREAMS, is_conn, is_stream
from etl.settings import Settings
from etl.source.names import is_other, stream_of
from tests.logs import flows, json_lines, tsv, write

OTHERS = """
dns.log DNS.log dns.log.gz dns.09:00:00-10:00:00.log.gz http.2026-03-01-09-00-00.json http_20260301_09:00:00.log
wireguard.json login.json login.09:00:00-10:00:00.log config.json ssl-logger-1.09:00:00-10:00:00.log smb_files.log
smb_mapping_20260301.json known_hosts.log known_certs.json known_conns.log known-services.log open_conn.log
conn_long.log conn-long.log conn-summary.09:00:00-10:00:00.log conn_summary.log conn_red.log conn_agg.json
.shadow.conn.log weird_stats.log s7comm.log s7comm_upload_download.json mqtt_publish.log opcua_binary_types.log
kerberos.json x509.json dce_rpc.log notice_alarm.log zeek_dns.log bro.http.log corelight_metrics_system.log
files.log files.2026.ndjson software.json quic.log ldap_search.json telemetry_histogram.log dnp3_objects.log
""".split()  # noqa: SIM905  a table of names

CONN = """
conn.log CONN.LOG conn.log.gz conn.json.log conn.09:00:00-10:00:00.log.gz conn-logger-1.09:00:00.log conn_20260301.log
conn__2024-04-19-09-00-00__2024-04-19-10-00-00__.log conn-2024.log conn zeek_conn.log zeek.conn.log conn_internal.log
conn-eth0.json conn.dns.log connections.json combined_zeek.log export.csv flows.json 2026-03-01.json records.ndjson
sensor1_dns.log dnsmasq.log https.json sshd.log loginserver.log files_of_conn.json http_proxy_conn.log app.ndjson
stderrx.log my-dns.log x.log
""".split()  # noqa: SIM905  a table of names


@pytest.mark.parametrize("name", OTHERS)
def test_the_name_of_another_stream_skips_a_file(name: str) -> None:
    assert is_other(name)


@pytest.mark.parametrize("name", CONN)
def test_conn_and_names_of_no_stream_are_read(name: str) -> None:
    assert not is_other(name)


def test_a_setting_admits_further_streams() -> None:
    assert not is_other("conn_red.09:00:00-10:00:00.log", ("conn_red",))
    assert not is_other("conn-red.json", ("conn_red",))
    assert is_other("conn_red.json", ("conn_agg",))
    assert is_other("dns_red.json", ("conn_red",))


def test_the_longest_name_counts() -> None:
    names = (
        "smb_files.log",
        "conn_20260301_09.log",
        "known_hosts.x.log",
        "conn-red.log",
        "a.log",
        "1.log",
        "",
    )
    assert [stream_of(name) for name in names] == [
        "smb_files", "conn", "known_hosts", "conn_red", None, None, None,
    ]  # fmt: skip


def test_conn_is_a_stream_and_holds_connections() -> None:
    assert is_stream("conn")
    assert is_conn("conn")
    assert not is_conn("conn_red")
    assert is_conn("conn_red", ["conn_red"])


def test_an_hour_of_all_streams_has_one_conn_log(tmp_path: Path) -> None:
    """A folder of JSON logs, whose rows do not name their stream: the names are enough."""
    for stream in STREAMS:
        (tmp_path / f"{stream}.09:00:00-10:00:00.log").write_text('{"ts":1772355600.1,"uid":"C1"}\n')
    found = {Path(file.path).name: file.skip_reason for file in source.listed([str(tmp_path)])}
    assert len(found) == len(STREAMS)
    read = [name for name, error in found.items() if error is None]
    assert read == ["conn.09:00:00-10:00:00.log"]
    assert {error.kind for error in found.values() if error} == {"other_log"}
    (given,) = source.listed([str(tmp_path / "dns.09:00:00-10:00:00.log")])
    assert given.skip_reason is None  # a path given itself is read


@pytest.mark.parametrize("name", ["conn_red.09:00:00-10:00:00.log", "export.log"])
@pytest.mark.parametrize("as_json", [True, False])
def test_admitted_streams_load_by_name_and_by_content(tmp_path: Path, name: str, as_json: bool) -> None:
    rows = flows(3)
    content = (
        json_lines([{"_path": "conn_red", **row} for row in rows])
        if as_json
        else tsv(rows).replace(b"#path\tconn", b"#path\tconn_red")
    )
    write(tmp_path / name, content)
    (skipped,) = pipeline.try_out([str(tmp_path)], Settings())
    assert (skipped.state, skipped.kind) == ("skipped", "other_log")
    (read,) = pipeline.try_out([str(tmp_path)], Settings(conn_streams=("conn_red",)))
    assert (read.state, read.rows_read, read.rows_quarantined) == ("readable", 3, 0)
    (other,) = pipeline.try_out([str(tmp_path)], Settings(conn_streams=("conn_agg",)))
    assert other.state == "skipped"


@pytest.mark.parametrize("name", ["conn", "Conn_Red", "", "a b", "x" * 101])
def test_a_stream_is_named_as_zeek_names_it(name: str) -> None:
    if name == "conn":
        assert Settings(conn_streams=(name,)).conn_streams == ("conn",)
        return
    with pytest.raises(ValidationError):
        Settings(conn_streams=(name,))

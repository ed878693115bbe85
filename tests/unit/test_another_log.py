"""What reads, maps and loads takes the log as a value: a second one is a table of fields, and nothing of conn's."""

from __future__ import annotations

import io

import pytest

from etl.database.statements import statement
from etl.errors import MissingColumn, OtherLog
from etl.fields import CONN, Field, Log
from etl.models import ReadOptions
from etl.reader.files import ConnReader
from etl.source.names import is_other

NTP = Log(
    name="ntp",
    fields=(
        Field(
            zeek="ts",
            zeek_type="time",
            standard="@timestamp",
            standard_type="date_time",
            pg_type="timestamptz",
            required=True,
            key=True,
            doc="When the message was seen.",
        ),
        Field(
            zeek="uid",
            zeek_type="string",
            standard="event_uid",
            standard_type="string",
            pg_type="text",
            required=True,
            key=True,
            doc="Identifier of the connection.",
        ),
        Field(
            zeek="stratum",
            zeek_type="count",
            standard="ntp_stratum",
            standard_type="integer",
            pg_type="integer",
            doc="How far from a reference clock.",
        ),
        Field(
            zeek="root_delay",
            zeek_type="interval",
            standard="ntp_root_delay",
            standard_type="float",
            pg_type="double precision",
            doc="Round trip to the reference clock.",
        ),
    ),
    own_columns=frozenset({"stratum", "root_delay"}),
)
TSV = (
    b"#separator \\x09\n#path\tntp\n#fields\tts\tuid\tstratum\troot_delay\tref_id\n"
    b"#types\ttime\tstring\tcount\tinterval\tstring\n"
    b"1.5\tC1\t2\t0.25\tGPS\n2.5\tC2\tlow\t-\t-\n"
)
JSON = (
    b'{"_path":"ntp","ts":1.5,"uid":"C1","stratum":2,"root_delay":0.25,"ref_id":"GPS"}\n'
    b'{"_path":"ntp","ts":2.5,"uid":"C2","stratum":"low"}\n'
    b'{"_path":"conn","ts":2.5,"uid":"C3"}\n'
)


def read(data: bytes, log: Log) -> tuple[list[tuple[object, ...]], list[tuple[int, str, str]]]:
    blocks = list(ConnReader(io.BytesIO(data), options=ReadOptions(log=log)))
    return [row for b in blocks for row in b.frame.rows()], [
        (reject.line, reject.reason, reject.rule) for b in blocks for reject in b.rejects
    ]


@pytest.mark.parametrize("data", [TSV, JSON], ids=["tsv", "json"])
def test_its_rows_and_rejects_are_by_its_fields(data: bytes) -> None:
    rows, rejects = read(data, NTP)
    assert [row[1:4] + row[-1:] for row in rows] == [("C1", 2, 0.25, '{"ref_id":"GPS"}')]
    bad = (6 if data is TSV else 2, "not_an_integer", "type.ntp_stratum")
    assert rejects == ([bad] if data is TSV else [bad, (3, "other_log", "row.shape")])


@pytest.mark.parametrize("data", [TSV, JSON.rpartition(b'{"_path":"conn"')[0]], ids=["tsv", "json"])
def test_it_is_another_log_to_conn(data: bytes) -> None:
    with pytest.raises(OtherLog, match="a log of ntp, not of conn"):
        read(data, CONN)


def test_a_column_of_its_own_is_missed_where_conn_would_not() -> None:
    with pytest.raises(MissingColumn, match="uid"):
        read(b'{"ts":1.5,"stratum":2}\n', NTP)


def test_names_of_files_are_seen_from_the_log() -> None:
    assert [is_other(name, "conn") for name in ("conn.log", "ntp.log", "conn-summary.log", "x.log")] == [
        False, True, True, False,
    ]  # fmt: skip
    assert [is_other(name, "ntp") for name in ("CONN.log", "NTP.log", "conn-summary.log", "x.log")] == [
        True, False, True, False,
    ]  # fmt: skip


def test_statements_are_put_for_its_table_key_and_values() -> None:
    leftover = statement("publish.leftover", NTP).text
    assert 'ON (good."@timestamp", good."event_uid") = (there."@timestamp", there."event_uid")' in leftover
    assert 'good."ntp_stratum" IS NOT DISTINCT FROM there."ntp_stratum"' in leftover
    assert 'abs(good."ntp_root_delay" - there."ntp_root_delay") < 0.0000006' in leftover
    assert "zeek.ntp AS there" in leftover
    assert "conn" not in leftover


@pytest.mark.parametrize("file", ["publish", "headstart", "undo", "ledger", "verify", "staging", "replay"])
def test_no_mark_is_left_in_what_is_run(file: str) -> None:
    from etl.database import statements

    for text in statements._statements(file, CONN).values():
        assert "key_of(" not in text.text
        assert "same_values(" not in text.text

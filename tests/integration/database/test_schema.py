"""The table is what the dictionary says, and a second migration changes nothing."""

from __future__ import annotations

from etl import fields
from etl.database import schema
from etl.database.store import Store
from tests.integration.conftest import Ask


def test_columns_types_and_comments_are_those_of_the_dictionary(ask: Ask) -> None:
    columns = ask(
        "SELECT attname, format_type(atttypid, atttypmod), col_description(attrelid, attnum), attnotnull"
        " FROM pg_attribute"
        " WHERE attrelid = 'zeek.conn'::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum"
    )
    assert tuple(name for name, *_ in columns) == fields.CONN.copy_columns
    long_name = {"timestamptz": "timestamp with time zone"}
    for field, (_, pg_type, comment, not_null) in zip(fields.FIELDS, columns, strict=False):
        assert pg_type == long_name.get(field.pg_type, field.pg_type)
        assert comment.startswith(field.zeek)
        assert field.doc in comment
        assert not_null == field.required


def test_lookup_tables_hold_the_enumerations(ask: Ask) -> None:
    assert {code for (code,) in ask("SELECT network_connection_state FROM zeek.conn_state")} == set(
        fields.CONN_STATE_CODES
    )
    assert {flag for (flag,) in ask("SELECT flag FROM zeek.history_flag")} == {
        f.letter for f in fields.HISTORY_FLAGS
    }
    assert {p for (p,) in ask("SELECT network_protocol FROM zeek.transport_protocol")} == set(
        fields.PROTOCOLS
    )


def test_conn_has_no_default_partition_no_trigger_and_no_foreign_key(ask: Ask) -> None:
    assert ask("SELECT partdefid FROM pg_partitioned_table WHERE partrelid = 'zeek.conn'::regclass") == [(0,)]
    assert ask("SELECT count(*) FROM pg_trigger WHERE tgrelid = 'zeek.conn'::regclass") == [(0,)]
    assert ask("SELECT count(*) FROM pg_constraint WHERE confrelid = 'zeek.conn'::regclass") == [(0,)]


def test_migrating_again_changes_nothing(store: Store, ask: Ask) -> None:
    before = ask(
        "SELECT oid, relname, relfilenode FROM pg_class WHERE relkind IN ('r', 'p', 'i', 'S') ORDER BY oid"
    )
    assert schema.migrate(store.engine) == schema.newest_version()
    assert (
        ask(
            "SELECT oid, relname, relfilenode FROM pg_class WHERE relkind IN ('r', 'p', 'i', 'S') ORDER BY oid"
        )
        == before
    )

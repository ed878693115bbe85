"""The table is what the dictionary says, all has a comment, and a second migration changes nothing."""

from __future__ import annotations

import re

import pytest

from etl import fields
from etl.database import schema
from etl.database.store import Store
from etl.models import FileState
from tests.integration.conftest import Ask


def test_columns_types_and_comments_are_those_of_the_dictionary(ask: Ask) -> None:
    columns = ask(
        "SELECT attname, format_type(atttypid, atttypmod), col_description(attrelid, attnum), attnotnull"
        " FROM pg_attribute"
        " WHERE attrelid = 'zeek.conn'::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum"
    )
    assert tuple(name for name, *_ in columns) == fields.COPY_COLUMNS
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


WITHOUT_COMMENT = {
    "schemas": """
        SELECT nspname FROM pg_namespace
        WHERE nspname IN ('zeek', 'etl') AND obj_description(oid, 'pg_namespace') IS NULL
    """,
    "relations": """
        SELECT oid::regclass::text FROM pg_class
        WHERE relnamespace IN ('zeek'::regnamespace, 'etl'::regnamespace) AND relkind IN ('r', 'p', 'v', 'm', 'S')
            AND NOT relispartition AND obj_description(oid, 'pg_class') IS NULL
            AND NOT EXISTS (SELECT FROM pg_depend WHERE objid = pg_class.oid AND deptype = 'i')
    """,
    "columns": """
        SELECT attrelid::regclass || '.' || attname FROM pg_attribute INNER JOIN pg_class ON pg_class.oid = attrelid
        WHERE relnamespace IN ('zeek'::regnamespace, 'etl'::regnamespace) AND relkind IN ('r', 'p', 'v', 'm')
            AND NOT relispartition AND attnum > 0 AND NOT attisdropped AND col_description(attrelid, attnum) IS NULL
    """,
    "functions": """
        SELECT oid::regprocedure::text FROM pg_proc
        WHERE pronamespace IN ('zeek'::regnamespace, 'etl'::regnamespace) AND obj_description(oid, 'pg_proc') IS NULL
    """,
}
"""What has no comment, by kind; the sequence behind an identity column is part of the column."""


@pytest.mark.parametrize("kind", WITHOUT_COMMENT)
def test_nothing_that_people_see_lacks_a_comment(kind: str, ask: Ask) -> None:
    assert ask(WITHOUT_COMMENT[kind]) == []


def test_the_states_of_a_file_are_the_same_in_sql_and_python(ask: Ask) -> None:
    ((check,),) = ask(
        "SELECT pg_get_constraintdef(oid) FROM pg_constraint"
        " WHERE conrelid = 'etl.file'::regclass AND conname = 'file_state_check'"
    )
    assert set(re.findall(r"'(\w+)'::text", check)) == set(FileState)
    asked = "SELECT etl.is_open(:state), etl.has_rows(:state)"
    for state in FileState:
        assert ask(asked, state=state) == [(state.is_open, state.has_rows)]
    ((equation,),) = ask(
        "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = 'file_equation'"
    )
    assert set(re.findall(r"'(\w+)'::text", equation)) == {state for state in FileState if state.has_rows}


EXPLAINED = {
    "SELECT * FROM etl.file WHERE batch_id = 1 AND etl.is_open(state)": "Index Scan using file_open",
    "SELECT * FROM etl.loaded_file WHERE reopened": "file_redone",
    "SELECT * FROM zeek.conn WHERE \"@timestamp\" >= etl.day_start(DATE '2026-03-02')"
    " AND \"@timestamp\" < etl.day_start(DATE '2026-03-02' + 1)": "conn_20260302",
}
"""Queries, and what their plan names."""


@pytest.mark.parametrize("query", EXPLAINED)
def test_functions_do_not_hide_an_index_or_a_partition(query: str, ask: Ask) -> None:
    ask("SELECT etl.ensure_partition(DATE '2026-03-01' + day) FROM generate_series(0, 2) AS day")
    ask(
        "INSERT INTO etl.file (path, size, mtime) SELECT n::text, 1, now() FROM generate_series(1, 2000) AS n"
    )
    ask("ANALYZE etl.file")
    plan = "\n".join(line for (line,) in ask(f"EXPLAIN {query}"))
    assert EXPLAINED[query] in plan
    assert "conn_20260301" not in plan
    assert "etl." not in plan.replace("etl.file", "").replace("zeek.conn", "")

"""From an empty database and from each version, rows in place, ``migrate`` reaches one schema."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from alembic.script import ScriptDirectory

from etl.database import schema
from etl.database.store import Store
from etl.history import maintenance
from etl.loading.formats import digest_of
from etl.models import Format
from etl.monitoring import verify
from etl.resources import resource_dir
from etl.settings import Settings

CATALOG = {
    "relations": """
        SELECT n.nspname, c.relname, c.relkind, pg_get_userbyid(c.relowner), c.relacl::text, c.relpersistence,
            obj_description(c.oid), CASE WHEN c.relkind = 'v' THEN pg_get_viewdef(c.oid) END
        FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
        WHERE n.nspname IN ('zeek', 'etl') AND NOT c.relispartition AND c.relkind <> 'i'""",
    "columns": """
        SELECT n.nspname, c.relname, a.attnum, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull,
            a.attidentity, a.attgenerated, pg_get_expr(d.adbin, d.adrelid), col_description(c.oid, a.attnum)
        FROM pg_attribute AS a JOIN pg_class AS c ON c.oid = a.attrelid JOIN pg_namespace AS n ON n.oid = c.relnamespace
        LEFT JOIN pg_attrdef AS d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
        WHERE n.nspname IN ('zeek', 'etl') AND a.attnum > 0 AND NOT a.attisdropped AND NOT c.relispartition
            AND c.relkind <> 'i'""",
    "constraints": """
        SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint
        WHERE connamespace IN ('zeek'::regnamespace, 'etl'::regnamespace)
            AND conrelid::regclass::text !~ 'conn_[0-9]'""",
    "indexes": """
        SELECT schemaname, tablename, indexname, indexdef FROM pg_indexes
        WHERE schemaname IN ('zeek', 'etl') AND tablename !~ 'conn_[0-9]'""",
    "functions": """
        SELECT p.oid::regprocedure::text, pg_get_functiondef(p.oid), p.proacl::text, pg_get_userbyid(p.proowner)
        FROM pg_proc AS p WHERE p.pronamespace IN ('zeek'::regnamespace, 'etl'::regnamespace)""",
    "lookups": "SELECT network_connection_state, meaning FROM zeek.conn_state",
}

# What an installation of the first version held: a published file with rows on two days, one of them quarantined.
FIRST_ROWS = """
    SET LOCAL ROLE conn_owner;
    CREATE TABLE zeek.conn_20260301 PARTITION OF zeek.conn
    FOR VALUES FROM ('2026-03-01 00:00:00+00') TO ('2026-03-02 00:00:00+00');
    CREATE TABLE zeek.conn_20260302 PARTITION OF zeek.conn
    FOR VALUES FROM ('2026-03-02 00:00:00+00') TO ('2026-03-03 00:00:00+00');
    INSERT INTO etl.run (run_id, kind) VALUES ('old', 'command');
    INSERT INTO etl.file (path, size, mtime, state, digest, rows_read, rows_loaded, rows_duplicate, rows_quarantined,
        min_timestamp, max_timestamp, mapping_version, run_id)
    VALUES ('/logs/conn.log', 1, now(), 'published', '\\x00', 49, 48, 0, 1,
        '2026-03-01 00:30:00+00', '2026-03-02 23:30:00+00', 1, 'old');
    INSERT INTO etl.touched_hour (hour)
    SELECT '2026-03-01 00:00:00+00'::timestamptz + hour * interval '1 hour' FROM generate_series(0, 47) AS hour;
    INSERT INTO zeek.conn ("@timestamp", network_protocol, src_ip_addr, src_port, dst_ip_addr, dst_port, event_uid,
        src_bytes, etl_file_id, etl_line)
    SELECT '2026-03-01 00:30:00+00'::timestamptz + hour * interval '1 hour', 'tcp', '10.0.0.1', 1, '10.0.0.2', 2,
        'C' || hour, hour, 1, hour + 1
    FROM generate_series(0, 47) AS hour;
    INSERT INTO etl.quarantine (etl_file_id, etl_line, raw, reason, rule, format)
    VALUES (1, 49, '\\x00', 'nul_byte', 'row.shape', '{"kind": "tsv", "fields": ["ts", "uid"]}');
    INSERT INTO etl.expectation_result (suite, rule, severity, success, rows, failed)
    VALUES ('conn_types', 'type.src_port', 'critical', true, 49, 0);
"""


def fingerprint(connection: sa.Connection) -> dict[str, list[tuple[Any, ...]]]:
    return {
        name: sorted((tuple(row) for row in connection.execute(sa.text(query))), key=repr)
        for name, query in CATALOG.items()
    }


def test_the_files_are_the_versions_that_alembic_knows() -> None:
    scripts = ScriptDirectory(str(resource_dir("sql") / "migrations")).walk_revisions()
    assert [script.revision for script in scripts][::-1] == schema.versions()


@pytest.fixture
def wanted(store: Store) -> dict[str, list[tuple[Any, ...]]]:
    """The schema of the template, which was migrated from empty."""
    with store.session() as connection:
        return fingerprint(connection)


@pytest.mark.parametrize("version", schema.versions())
def test_each_version_with_rows_reaches_the_same_schema(
    version: str, empty_database_url: str, wanted: dict[str, list[tuple[Any, ...]]]
) -> None:
    store = Store.open(empty_database_url, Settings(seal_after=timedelta(0)))
    schema.migrate(store.engine, version="0001")
    with store.engine.begin() as connection:
        connection.exec_driver_sql(FIRST_ROWS, execution_options={"no_parameters": True})
        rows = connection.execute(sa.text('SELECT * FROM zeek.conn ORDER BY "@timestamp"')).all()
    assert schema.migrate(store.engine, version=version) == version
    assert schema.migrate(store.engine) == schema.newest_version()
    with store.session() as connection:
        assert fingerprint(connection) == wanted
        assert connection.execute(sa.text('SELECT * FROM zeek.conn ORDER BY "@timestamp"')).all() == rows
        ((line_format, digest),) = connection.execute(
            sa.text(
                "SELECT format, format_digest FROM etl.quarantine_line JOIN etl.quarantine USING (quarantine_id)"
            )
        )
        assert line_format == {"kind": "tsv", "fields": ["ts", "uid"]}
        assert bytes(digest) == digest_of(Format(kind="tsv", fields=("ts", "uid")))
    assert maintenance.refresh(store)[0] == 48
    with store.session() as connection:
        assert verify.faults(connection) == []
        assert connection.scalar(sa.text("SELECT sum(connections) FROM zeek.conn_hour")) == 48


def test_an_empty_database_reaches_it_step_by_step(
    empty_database_url: str, wanted: dict[str, list[tuple[Any, ...]]]
) -> None:
    store = Store.open(empty_database_url, Settings())
    for version in [*schema.versions(), "head"]:
        schema.migrate(store.engine, version=version)
    with store.session() as connection:
        assert fingerprint(connection) == wanted

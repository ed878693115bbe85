-- What each role may do; run after every migration, so that it always describes the present schema.
GRANT USAGE ON SCHEMA zeek, etl TO conn_loader, conn_reader;
GRANT CREATE ON SCHEMA etl TO conn_loader;

-- Staging tables belong to the loader and may be there while a migration runs: a grant on ALL TABLES would fail.
-- Days are read through zeek.conn, never one by one.
DO $$
DECLARE
    found regclass;
BEGIN
    FOR found IN
        SELECT relation.oid
        FROM pg_class AS relation
        WHERE
            relation.relnamespace IN ('zeek'::regnamespace, 'etl'::regnamespace)
            AND relation.relkind IN ('r', 'p', 'v', 'm')
            AND NOT relation.relispartition
            AND pg_has_role(current_user, relation.relowner, 'USAGE')
    LOOP
        EXECUTE format('GRANT SELECT ON %s TO conn_loader, conn_reader', found);
    END LOOP;
END
$$;
GRANT INSERT, DELETE ON zeek.conn TO conn_loader;
GRANT INSERT, UPDATE ON etl.file, etl.run, etl.quarantine TO conn_loader;
GRANT INSERT ON etl.unknown_column TO conn_loader;
GRANT INSERT, DELETE ON etl.expectation_result, etl.duplicate_of TO conn_loader;
GRANT DELETE ON etl.quarantine TO conn_loader;
GRANT INSERT, UPDATE, DELETE ON etl.quarantine_format TO conn_loader;
GRANT INSERT ON etl.quarantine_action TO conn_loader;
GRANT UPDATE ON etl.duplicate_of TO conn_loader;
GRANT INSERT, UPDATE, DELETE ON etl.day_measure, etl.report, etl.problem TO conn_loader;
GRANT USAGE ON ALL SEQUENCES IN SCHEMA etl TO conn_loader;
GRANT EXECUTE ON FUNCTION etl.ensure_partition(date), etl.begin_day(date), etl.finish_day(date) TO conn_loader;
-- Rollups: a session that changes rows marks their hours, and every loader may recompute them.
GRANT INSERT, DELETE ON etl.touched_hour, zeek.conn_hour, zeek.top_address, zeek.destination_day TO conn_loader;
GRANT UPDATE ON etl.sealed_day TO conn_loader;
GRANT INSERT, DELETE ON zeek.network TO conn_loader;
GRANT DELETE ON etl.retired_file TO conn_loader;
-- The archive: a loader may export, and keeps the catalog's tables.
GRANT INSERT, UPDATE ON etl.archive_day TO conn_loader;
GRANT INSERT, UPDATE, DELETE ON etl.archive_file TO conn_loader;
GRANT USAGE, CREATE ON SCHEMA iceberg TO conn_loader;
GRANT USAGE ON SCHEMA iceberg TO conn_reader;

-- Every day of the archive with its state: exporting (no export yet), stale (rows changed since), faulty (the last
-- verification found something), archived; and whether its rows are still in zeek.conn.
CREATE OR REPLACE VIEW etl.archived_day AS
SELECT
    archived.day,
    CASE
        WHEN archived.export_id IS NULL THEN 'exporting'
        WHEN archived.changes <> coalesce(archived.exported_changes, -1) THEN 'stale'
        WHEN archived.verified_at IS NULL THEN 'faulty'
        ELSE 'archived'
    END AS state,
    retired.dropped_at IS NOT NULL AS dropped,
    archived.rows,
    archived.bytes,
    archived.export_id,
    archived.snapshot_id,
    archived.exported_at,
    archived.verified_at,
    archived.keep_until,
    archived.fault
FROM etl.archive_day AS archived
LEFT JOIN etl.retired_day AS retired ON archived.day = retired.day;

-- The archive in one line a state: how many days, rows and bytes, and of how many of them the rows are there only.
CREATE OR REPLACE VIEW etl.archive_state AS
SELECT
    state, count(*) AS days, count(*) FILTER (WHERE dropped) AS dropped_days, coalesce(sum(rows), 0)::bigint AS rows,
    coalesce(sum(rows) FILTER (WHERE dropped), 0)::bigint AS dropped_rows, coalesce(sum(bytes), 0)::bigint AS bytes,
    min(day) AS first_day, max(day) AS last_day
FROM etl.archived_day
GROUP BY state;

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

COMMENT ON VIEW etl.archived_day IS 'Every day of the archive with its state.';
SELECT etl.copy_comments('etl.archive_day', 'etl.archived_day');
COMMENT ON COLUMN etl.archived_day.state IS
'exporting: no export yet. stale: rows changed since. faulty: the last verification found something. archived.';
COMMENT ON COLUMN etl.archived_day.dropped IS 'Whether retention dropped the day from zeek.conn.';

-- The archive in one line a state: how many days, rows and bytes, and of how many of them the rows are there only.
CREATE OR REPLACE VIEW etl.archive_state AS
SELECT
    state, count(*) AS days, count(*) FILTER (WHERE dropped) AS dropped_days, coalesce(sum(rows), 0)::bigint AS rows,
    coalesce(sum(rows) FILTER (WHERE dropped), 0)::bigint AS dropped_rows, coalesce(sum(bytes), 0)::bigint AS bytes,
    min(day) AS first_day, max(day) AS last_day
FROM etl.archived_day
GROUP BY state;

COMMENT ON VIEW etl.archive_state IS 'The archive in a line for each state.';
COMMENT ON COLUMN etl.archive_state.state IS 'State of these days, as in etl.archived_day.';
COMMENT ON COLUMN etl.archive_state.days IS 'Number of days.';
COMMENT ON COLUMN etl.archive_state.dropped_days IS 'Of them, days that are only in the archive.';
COMMENT ON COLUMN etl.archive_state.rows IS 'Rows of these days.';
COMMENT ON COLUMN etl.archive_state.dropped_rows IS 'Of them, rows that are only in the archive.';
COMMENT ON COLUMN etl.archive_state.bytes IS 'Size of their files [bytes].';
COMMENT ON COLUMN etl.archive_state.first_day IS 'The first of these days.';
COMMENT ON COLUMN etl.archive_state.last_day IS 'The last of these days.';

-- name: files
-- Files by state, and the sums of their rows as the ledger stands: an unload makes them smaller.
SELECT state, files, rows_read, rows_loaded, rows_duplicate, rows_quarantined FROM etl.files_by_state;

-- name: done
-- Sums over all runs that have ended, and when the newest one did: these never fall.
SELECT
    coalesce(sum(files), 0)::bigint AS files,
    coalesce(sum(rows_read), 0)::bigint AS rows_read,
    coalesce(sum(rows_loaded), 0)::bigint AS rows_loaded,
    coalesce(sum(rows_duplicate), 0)::bigint AS rows_duplicate,
    coalesce(sum(rows_quarantined), 0)::bigint AS rows_quarantined,
    coalesce(sum(bytes_packed), 0)::bigint AS bytes_packed,
    coalesce(sum(bytes_read), 0)::bigint AS bytes_read,
    extract(EPOCH FROM max(ended_at))::double precision AS newest
FROM etl.run;

-- name: last_check
-- When a day was last checked after it was loaded.
SELECT extract(EPOCH FROM max(created_at))::double precision AS newest
FROM etl.expectation_result
WHERE day IS NOT NULL;

-- name: waiting
-- Files that are found or staged, and their size.
SELECT coalesce(sum(files), 0)::bigint AS files, coalesce(sum(bytes), 0)::bigint AS bytes
FROM etl.files_by_state
WHERE etl.is_open(state);

-- name: rejects
-- Lines in quarantine by rule and state.
SELECT rule, state, count(*) AS lines FROM etl.quarantine GROUP BY rule, state;

-- name: lag
-- How far each sensor is behind, in seconds.
SELECT
    sensor, extract(EPOCH FROM behind)::double precision AS behind,
    extract(EPOCH FROM newest_row)::double precision AS newest_row
FROM etl.lag
ORDER BY sensor;

-- name: last_run
-- The newest run that has ended and loaded something: how much, and how fast.
SELECT
    kind, files, rows_loaded, bytes_read, extract(EPOCH FROM ended_at - started_at)::double precision AS seconds,
    extract(EPOCH FROM ended_at)::double precision AS ended_at
FROM etl.run
WHERE ended_at IS NOT NULL AND files > 0
ORDER BY run.ended_at DESC
LIMIT 1;

-- name: sizes
-- Size of quarantine and zeek.conn, and the number of partitions.
SELECT
    pg_total_relation_size('etl.quarantine') AS quarantine,
    coalesce(sum(etl.relation_bytes(pg_inherits.inhrelid)), 0)::bigint AS conn,
    count(pg_inherits.inhrelid) AS days
FROM pg_inherits
WHERE pg_inherits.inhparent = 'zeek.conn'::regclass;

-- name: database_bytes
-- Size of the database.
SELECT pg_database_size(current_database());

-- name: problems
-- Open problems by severity.
SELECT severity, count(*) AS problems FROM etl.problem WHERE gone_at IS NULL GROUP BY severity;

-- name: archive
-- Days of the archive by state.
SELECT state, days, dropped_days, rows, dropped_rows, bytes FROM etl.archive_state ORDER BY state;

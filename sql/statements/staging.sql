-- name: counts
-- What really is in staging, to be held against the ledger: crash recovery empties UNLOGGED tables.
SELECT
    etl_file_id,
    count(*) FILTER (WHERE NOT rejected) AS staged,
    count(*) FILTER (WHERE rejected) AS rejected
FROM (
    SELECT etl_file_id, false AS rejected FROM pg_temp.staged
    UNION ALL
    SELECT etl_file_id, true FROM pg_temp.staged_reject
) AS lines
GROUP BY etl_file_id;

-- name: forget
WITH gone AS (DELETE FROM pg_temp.staged WHERE etl_file_id = :id)
DELETE FROM pg_temp.staged_reject WHERE etl_file_id = :id;

-- name: bad_counts
SELECT etl_file_id, count(DISTINCT etl_line) AS bad
FROM pg_temp.staged_bad
GROUP BY etl_file_id;

-- name: states
SELECT
    state, count(*) AS files, coalesce(sum(rows_read), 0)::bigint AS rows_read,
    coalesce(sum(rows_loaded), 0)::bigint AS rows_loaded, coalesce(sum(rows_duplicate), 0)::bigint AS rows_duplicate,
    coalesce(sum(rows_quarantined), 0)::bigint AS rows_quarantined
FROM etl.file
GROUP BY state
ORDER BY state;

-- name: waiting
-- Files that a scan has listed and no run has taken; ready_at: when the last has settled, if none changes again.
SELECT
    count(*) AS files,
    min(path) AS example,
    max(
        least(
            CASE WHEN window_end > first_seen THEN window_end END,
            greatest(first_seen, mtime) + CAST(:settle_after AS interval)
        )
    ) AS ready_at
FROM etl.file
WHERE state = 'found' AND batch_id IS NULL;

-- name: problems
SELECT etl_file_id, path, state, kind, reason, finished_at
FROM etl.file
WHERE state IN ('refused', 'failed', 'incomplete') OR kind = 'not_replaced'
ORDER BY finished_at DESC, etl_file_id DESC
LIMIT :most;

-- name: quarantine
SELECT rule, reason, state, count(*) AS rows
FROM etl.quarantine
GROUP BY rule, reason, state
ORDER BY count(*) DESC, rule;

-- name: rules
-- The newest verdict of each rule.
SELECT DISTINCT ON (suite, rule) suite, rule, severity, success, rows, failed, created_at
FROM etl.expectation_result
WHERE etl_file_id IS NULL
ORDER BY suite, rule, expectation_result_id DESC;

-- name: unknown_columns
SELECT unknown_column.name, unknown_column.type, file.path, unknown_column.first_seen
FROM etl.unknown_column
INNER JOIN etl.file USING (etl_file_id)
ORDER BY unknown_column.name;

-- name: span
SELECT min(min_timestamp) AS first, max(max_timestamp) AS last FROM etl.file;

-- name: runs
SELECT run_id, kind, started_at, ended_at FROM etl.run ORDER BY started_at DESC LIMIT :most;

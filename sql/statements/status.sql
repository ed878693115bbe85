-- name: states
-- Files by state, with the sums of their counts.
SELECT state, files, rows_read, rows_loaded, rows_duplicate, rows_quarantined
FROM etl.files_by_state
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
-- Files that were not loaded, or not whole, or could not be loaded again; the newest first.
SELECT etl_file_id, path, state, kind, reason, finished_at
FROM etl.file
WHERE state IN ('refused', 'failed', 'incomplete') OR kind = 'not_replaced'
ORDER BY finished_at DESC, etl_file_id DESC
LIMIT :most;

-- name: quarantine
-- Lines in quarantine by rule, reason and state.
SELECT rule, reason, state, count(*) AS rows
FROM etl.quarantine
GROUP BY rule, reason, state
ORDER BY count(*) DESC, rule;

-- name: rules
-- The newest result of each rule.
SELECT suite, rule, severity, success, rows, failed, created_at
FROM etl.rule_state
ORDER BY suite, rule;

-- name: unknown_columns
-- Columns that the data dictionary lacks.
SELECT unknown_column.name, unknown_column.type, file.path, unknown_column.first_seen
FROM etl.unknown_column
INNER JOIN etl.file USING (etl_file_id)
ORDER BY unknown_column.name;

-- name: span
-- First and last row that were loaded.
SELECT first_row AS first, last_row AS last FROM etl.loaded_span;

-- name: runs
-- The newest runs.
SELECT run_id, kind, started_at, ended_at FROM etl.run ORDER BY started_at DESC LIMIT :most;

-- name: archive
-- Days of the archive by state.
SELECT state, days, dropped_days, rows, bytes, first_day, last_day FROM etl.archive_state ORDER BY state;

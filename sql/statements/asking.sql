-- name: loaded
-- First and last row that the ledger knows of.
SELECT min(min_timestamp) AS first, max(max_timestamp) AS last FROM etl.file;

-- name: due
SELECT count(DISTINCT hour) FROM etl.touched_hour
WHERE hour >= CAST(:since AS timestamptz) AND hour < CAST(:until AS timestamptz);

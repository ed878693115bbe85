-- name: loaded
-- First and last row that were loaded.
SELECT first_row AS first, last_row AS last FROM etl.loaded_span;

-- name: due
-- Number of hours of the span whose rollups are not current.
SELECT count(DISTINCT hour) FROM etl.touched_hour
WHERE hour >= CAST(:since AS timestamptz) AND hour < CAST(:until AS timestamptz);

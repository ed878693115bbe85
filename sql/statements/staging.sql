-- Staging: one batch of files as typed rows; rejects, bad rows and their bytes beside it. In statements on one batch
-- the words stage_batch and stage_part stand for the names of its tables, which the program puts in.
--
-- The tables are UNLOGGED: crash recovery empties them, and a step that finds less than the ledger says stages again.

-- name: create
-- Make the tables of a batch, without any constraint: rows, rejected lines, how these were read, the bytes of bad rows,
-- which rows broke a critical rule, and the rows of each file and hour, counted as they were sent.
CREATE UNLOGGED TABLE etl.stage_batch AS SELECT * FROM zeek.conn WITH NO DATA;
CREATE UNLOGGED TABLE etl.stage_batch_reject AS
SELECT etl_file_id, etl_line, raw, raw_cut, format_digest, field, reason, rule FROM etl.quarantine WITH NO DATA;
CREATE UNLOGGED TABLE etl.stage_batch_format AS
SELECT digest, format FROM etl.quarantine_format WITH NO DATA;
CREATE UNLOGGED TABLE etl.stage_batch_raw AS
SELECT etl_file_id, etl_line, raw, raw_cut, format_digest FROM etl.quarantine WITH NO DATA;
CREATE UNLOGGED TABLE etl.stage_batch_bad AS
SELECT etl_file_id, etl_line, reason AS suite, rule FROM etl.quarantine WITH NO DATA;
CREATE UNLOGGED TABLE etl.stage_batch_hour (
    etl_file_id bigint, hour timestamptz, rows bigint, min_timestamp timestamptz, max_timestamp timestamptz
);

-- name: create_part
-- A further table for rows of the batch: a child of the first, so that who reads the first sees all rows.
CREATE UNLOGGED TABLE etl.stage_part () INHERITS (etl.stage_batch);

-- name: there
-- Whether the tables of a batch are there.
SELECT
    to_regclass('etl.stage_batch') IS NOT NULL AND to_regclass('etl.stage_batch_reject') IS NOT NULL
    AND to_regclass('etl.stage_batch_raw') IS NOT NULL AND to_regclass('etl.stage_batch_bad') IS NOT NULL
    AND to_regclass('etl.stage_batch_format') IS NOT NULL AND to_regclass('etl.stage_batch_hour') IS NOT NULL;

-- name: bind
-- Let the statements of this session see the tables of a batch, under names that are always the same. counted_hour has
-- the rows of each file and hour: the counts of staging where they add up to the ledger's, else counted again from the
-- rows. A replay has no file of its own in the ledger, so that its rows are counted.
CREATE OR REPLACE TEMPORARY VIEW staged AS SELECT * FROM etl.stage_batch;
CREATE OR REPLACE TEMPORARY VIEW staged_reject AS SELECT * FROM etl.stage_batch_reject;
CREATE OR REPLACE TEMPORARY VIEW staged_format AS SELECT * FROM etl.stage_batch_format;
CREATE OR REPLACE TEMPORARY VIEW staged_raw AS SELECT * FROM etl.stage_batch_raw;
CREATE OR REPLACE TEMPORARY VIEW staged_bad AS SELECT * FROM etl.stage_batch_bad;
CREATE OR REPLACE TEMPORARY VIEW staged_hour AS SELECT * FROM etl.stage_batch_hour;
CREATE OR REPLACE TEMPORARY VIEW counting AS
SELECT coalesce(bool_and(coalesce(file.rows_staged, 0) = coalesce(counted.rows, 0)), false) AS adds_up
FROM etl.file
LEFT JOIN (
    SELECT etl_file_id, sum(rows) AS rows
    FROM etl.stage_batch_hour
    GROUP BY etl_file_id
) AS counted USING (etl_file_id)
WHERE file.batch_id = CAST(:batch AS bigint) AND file.state = 'staged';
CREATE OR REPLACE TEMPORARY VIEW counted_hour AS
SELECT etl_file_id, hour, rows, min_timestamp, max_timestamp
FROM etl.stage_batch_hour
WHERE (SELECT counting.adds_up FROM pg_temp.counting)
UNION ALL
SELECT etl_file_id, etl.hour_of("@timestamp"), count(*), min("@timestamp"), max("@timestamp")
FROM etl.stage_batch
WHERE NOT (SELECT counting.adds_up FROM pg_temp.counting)
GROUP BY etl_file_id, etl.hour_of("@timestamp");

-- name: forget_views
-- Drop the temporary views of this session that need the tables of a batch.
DROP VIEW IF EXISTS pg_temp.good, pg_temp.target, pg_temp.staged, pg_temp.staged_reject, pg_temp.staged_raw;
DROP VIEW IF EXISTS pg_temp.staged_bad, pg_temp.staged_format;
DROP VIEW IF EXISTS pg_temp.counted_hour, pg_temp.counting, pg_temp.staged_hour;

-- name: drop
-- Drop the tables of a batch, if there are any. CASCADE: temporary views of a session that ended with its server stay
-- in the catalog, and hold the tables.
DROP VIEW IF EXISTS pg_temp.good, pg_temp.target, pg_temp.staged, pg_temp.staged_reject, pg_temp.staged_raw;
DROP VIEW IF EXISTS pg_temp.staged_bad, pg_temp.staged_format;
DROP VIEW IF EXISTS pg_temp.counted_hour, pg_temp.counting, pg_temp.staged_hour;
DROP TABLE IF EXISTS
etl.stage_batch, etl.stage_batch_reject, etl.stage_batch_format, etl.stage_batch_raw, etl.stage_batch_bad,
etl.stage_batch_hour CASCADE;

-- name: hardly_wait
-- Until the transaction ends, give up on a lock that is not free: a reader of staging, such as a dump, may take hours.
SET LOCAL lock_timeout = '100ms';

-- name: counts
-- Lines of each file that are in staging, to be compared with the ledger.
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
-- Forget all lines of a file.
WITH gone AS (DELETE FROM pg_temp.staged WHERE etl_file_id = :id),

uncounted AS (DELETE FROM pg_temp.staged_hour WHERE etl_file_id = :id)

DELETE FROM pg_temp.staged_reject WHERE etl_file_id = :id;

-- name: bad_counts
-- Rows of each file that broke a critical rule.
SELECT etl_file_id, count(DISTINCT etl_line) AS bad
FROM pg_temp.staged_bad
GROUP BY etl_file_id;

-- name: without_raw
-- Bad rows whose bytes were not read again yet, of each file the first ones.
SELECT bad.etl_file_id, bad.etl_line
FROM (
    SELECT etl_file_id, etl_line, row_number() OVER (PARTITION BY etl_file_id ORDER BY etl_line) AS position
    FROM (SELECT DISTINCT etl_file_id, etl_line FROM pg_temp.staged_bad WHERE etl_file_id = ANY(:ids)) AS lines
) AS bad
WHERE
    (bad.position <= :most OR bad.etl_file_id <> all(CAST(:refused AS bigint [])))
    AND NOT EXISTS (
        SELECT FROM pg_temp.staged_raw AS raw
        WHERE raw.etl_file_id = bad.etl_file_id AND raw.etl_line = bad.etl_line
    )
ORDER BY bad.etl_file_id, bad.etl_line;

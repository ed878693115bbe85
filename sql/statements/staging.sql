-- Staging: one batch of files as typed rows, its rejects and its bad rows beside it. In statements on one batch the
-- words stage_batch and stage_part stand for the names of its tables, which the program puts in.
--
-- The tables are UNLOGGED: crash recovery empties them, and a step that finds less than the ledger says stages again.

-- name: create
-- Make the tables of a batch, without any constraint: rows, rejected lines, and rows that broke a critical rule.
CREATE UNLOGGED TABLE etl.stage_batch AS SELECT * FROM zeek.conn WITH NO DATA;
CREATE UNLOGGED TABLE etl.stage_batch_reject AS
SELECT etl_file_id, etl_line, raw, raw_cut, format, field, reason, rule FROM etl.quarantine WITH NO DATA;
CREATE UNLOGGED TABLE etl.stage_batch_bad AS
SELECT etl_file_id, etl_line, reason AS suite, rule FROM etl.quarantine WITH NO DATA;

-- name: create_part
-- A further table for rows of the batch: a child of the first, so that who reads the first sees all rows.
CREATE UNLOGGED TABLE etl.stage_part () INHERITS (etl.stage_batch);

-- name: there
-- Whether the tables of a batch are there.
SELECT
    to_regclass('etl.stage_batch') IS NOT NULL AND to_regclass('etl.stage_batch_reject') IS NOT NULL
    AND to_regclass('etl.stage_batch_bad') IS NOT NULL;

-- name: bind
-- Let the statements of this session see the tables of a batch, under names that are always the same.
CREATE OR REPLACE TEMPORARY VIEW staged AS SELECT * FROM etl.stage_batch;
CREATE OR REPLACE TEMPORARY VIEW staged_reject AS SELECT * FROM etl.stage_batch_reject;
CREATE OR REPLACE TEMPORARY VIEW staged_bad AS SELECT * FROM etl.stage_batch_bad;

-- name: drop
-- Drop the tables of a batch, if there are any. CASCADE: temporary views of a session that ended with its server stay
-- in the catalog, and hold the tables.
DROP VIEW IF EXISTS pg_temp.staged, pg_temp.staged_reject, pg_temp.staged_bad;
DROP TABLE IF EXISTS etl.stage_batch, etl.stage_batch_reject, etl.stage_batch_bad CASCADE;

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
WITH gone AS (DELETE FROM pg_temp.staged WHERE etl_file_id = :id)
DELETE FROM pg_temp.staged_reject WHERE etl_file_id = :id;

-- name: bad_counts
-- Rows of each file that broke a critical rule.
SELECT etl_file_id, count(DISTINCT etl_line) AS bad
FROM pg_temp.staged_bad
GROUP BY etl_file_id;

-- A file that is loaded again keeps its rows until the new ones are published; the ledger keeps what it said of them in
-- etl.file.before. Identity, place, batch and run are always those of now.
CREATE OR REPLACE VIEW etl.loaded_file AS
SELECT
    file.etl_file_id,
    file.path,
    file.size,
    file.mtime,
    old.state,
    old.kind,
    old.reason,
    old.digest,
    old.known_file_id,
    old.compression,
    old.bytes_read,
    old.incomplete,
    old.extra_columns,
    old.rows_read,
    old.rows_staged,
    old.rows_rejected,
    old.rows_failed,
    old.rows_loaded,
    old.rows_duplicate,
    old.rows_quarantined,
    file.rows_pruned,
    old.min_timestamp,
    old.max_timestamp,
    old.mapping_version,
    file.batch_id,
    file.run_id,
    file.state AS state_now,
    file.before IS NOT NULL AS reopened
FROM etl.file
CROSS JOIN LATERAL jsonb_populate_record(file, coalesce(file.before, '{}')) AS old;

COMMENT ON VIEW etl.loaded_file IS
'Each file as it stood before it was opened again to be loaded again; the file itself where it was not.';
SELECT etl.copy_comments('etl.file', 'etl.loaded_file');
COMMENT ON COLUMN etl.loaded_file.state_now IS 'State of the file now.';
COMMENT ON COLUMN etl.loaded_file.reopened IS 'Whether it was opened again and is not published again yet.';

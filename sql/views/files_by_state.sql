CREATE OR REPLACE VIEW etl.files_by_state AS
SELECT
    state,
    count(*) AS files,
    CAST(coalesce(sum(size), 0) AS bigint) AS bytes,
    CAST(coalesce(sum(size) FILTER (WHERE rows_read IS NOT NULL), 0) AS bigint) AS bytes_packed,
    CAST(coalesce(sum(bytes_read), 0) AS bigint) AS bytes_read,
    CAST(coalesce(sum(rows_read), 0) AS bigint) AS rows_read,
    CAST(coalesce(sum(rows_loaded), 0) AS bigint) AS rows_loaded,
    CAST(coalesce(sum(rows_duplicate), 0) AS bigint) AS rows_duplicate,
    CAST(coalesce(sum(rows_quarantined), 0) AS bigint) AS rows_quarantined
FROM etl.file
GROUP BY state;

COMMENT ON VIEW etl.files_by_state IS 'The ledger in a few lines: files by state, with the sums of their counts.';
SELECT etl.copy_comments('etl.file', 'etl.files_by_state');
COMMENT ON COLUMN etl.files_by_state.files IS 'Number of files.';
COMMENT ON COLUMN etl.files_by_state.bytes IS 'Size of all of them on disk [bytes].';
COMMENT ON COLUMN etl.files_by_state.bytes_packed IS 'Size on disk of those that were read [bytes].';

CREATE OR REPLACE VIEW etl.loaded_span AS
SELECT
    min(min_timestamp) AS first_row,
    max(max_timestamp) AS last_row
FROM etl.file;

COMMENT ON VIEW etl.loaded_span IS
'First and last row that were loaded, by the ledger; both NULL where nothing was. Days that were dropped since count.';
COMMENT ON COLUMN etl.loaded_span.first_row IS '"@timestamp" of the first row.';
COMMENT ON COLUMN etl.loaded_span.last_row IS '"@timestamp" of the last row.';

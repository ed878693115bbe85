-- A header is kept once, and not beside each of the lines that were read under it: thousands of names beside thousands
-- of bad lines took gigabytes.
CREATE TABLE etl.quarantine_format (
    digest bytea PRIMARY KEY,
    format jsonb NOT NULL,
    used_at timestamptz NOT NULL DEFAULT now()
);

COMMENT ON TABLE etl.quarantine_format IS
'How lines in quarantine were read: each way once. The view etl.quarantine_line has it beside each line.';
COMMENT ON COLUMN etl.quarantine_format.digest IS 'SHA-256 of the text of format.';
COMMENT ON COLUMN etl.quarantine_format.format IS 'TSV with which separators and columns, or JSON.';
COMMENT ON COLUMN etl.quarantine_format.used_at IS
'When a batch last had such lines, to the hour; a format that no line needs is deleted a day later.';

ALTER TABLE etl.quarantine ADD COLUMN format_digest bytea;
UPDATE etl.quarantine SET format_digest = sha256(convert_to(format::text, 'UTF8')) WHERE format IS NOT NULL;
INSERT INTO etl.quarantine_format (digest, format)
SELECT one.format_digest, one.format
FROM etl.quarantine AS one
WHERE
    one.quarantine_id IN (
        SELECT min(line.quarantine_id)
        FROM etl.quarantine AS line
        WHERE line.format_digest IS NOT NULL
        GROUP BY line.format_digest
    );
ALTER TABLE etl.quarantine DROP COLUMN format;
ALTER TABLE etl.quarantine ADD CONSTRAINT quarantine_format_digest_fkey
FOREIGN KEY (format_digest) REFERENCES etl.quarantine_format (digest);
CREATE INDEX quarantine_format_digest ON etl.quarantine (format_digest);

COMMENT ON COLUMN etl.quarantine.format_digest IS 'How the line was read: etl.quarantine_format.';

-- A ledger of a million files: what is asked every hour finds its rows by an index.
CREATE INDEX file_not_loaded ON etl.file (finished_at DESC, etl_file_id DESC)
WHERE state IN ('refused', 'failed', 'incomplete') OR kind = 'not_replaced';
CREATE INDEX file_first_row ON etl.file (min_timestamp) WHERE min_timestamp IS NOT NULL;
CREATE INDEX file_last_row ON etl.file (max_timestamp) WHERE max_timestamp IS NOT NULL;
CREATE INDEX file_window ON etl.file (sensor, window_start) INCLUDE (window_end, state, rows_loaded, finished_at)
WHERE window_start IS NOT NULL;
CREATE INDEX run_ended ON etl.run (ended_at) WHERE ended_at IS NOT NULL AND files > 0;

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
SELECT first.format_digest, quarantine.format
FROM (
    SELECT format_digest, min(quarantine_id) AS quarantine_id
    FROM etl.quarantine
    WHERE format_digest IS NOT NULL
    GROUP BY format_digest
) AS first
INNER JOIN etl.quarantine USING (quarantine_id);
ALTER TABLE etl.quarantine DROP COLUMN format;
ALTER TABLE etl.quarantine ADD CONSTRAINT quarantine_format_digest_fkey
FOREIGN KEY (format_digest) REFERENCES etl.quarantine_format (digest);
CREATE INDEX quarantine_format_digest ON etl.quarantine (format_digest);

COMMENT ON COLUMN etl.quarantine.format_digest IS 'How the line was read: etl.quarantine_format.';

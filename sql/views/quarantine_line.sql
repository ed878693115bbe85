CREATE OR REPLACE VIEW etl.quarantine_line AS
SELECT
    quarantine.quarantine_id,
    quarantine.etl_file_id,
    quarantine.etl_line,
    quarantine.raw,
    quarantine.raw_cut,
    kept.format,
    quarantine.field,
    quarantine.reason,
    quarantine.rule,
    quarantine.mapped,
    quarantine.existing,
    quarantine.state,
    quarantine.run_id,
    quarantine.created_at,
    quarantine.resolved_at,
    quarantine.resolved_by,
    quarantine.resolution,
    quarantine.exported_uid,
    file.path
FROM etl.quarantine
INNER JOIN etl.file USING (etl_file_id)
LEFT JOIN etl.quarantine_format AS kept ON quarantine.format_digest = kept.digest;

COMMENT ON VIEW etl.quarantine_line IS 'Lines in quarantine with the path of their file and how they were read.';
SELECT etl.copy_comments('etl.quarantine', 'etl.quarantine_line');
COMMENT ON COLUMN etl.quarantine_line.format IS
'How the line was read: TSV with which separators and columns, or JSON.';
COMMENT ON COLUMN etl.quarantine_line.path IS 'Path of its file.';

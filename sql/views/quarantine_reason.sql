CREATE OR REPLACE VIEW etl.quarantine_reason AS
SELECT
    rule,
    reason,
    field,
    state,
    count(*) AS lines,
    count(DISTINCT etl_file_id) AS files,
    min(created_at) AS first_seen,
    max(created_at) AS last_seen,
    min(quarantine_id) AS example_id
FROM etl.quarantine
GROUP BY rule, reason, field, state;

COMMENT ON VIEW etl.quarantine_reason IS
'Lines in quarantine by rule, reason, field and state.';
SELECT etl.copy_comments('etl.quarantine', 'etl.quarantine_reason');
COMMENT ON COLUMN etl.quarantine_reason.lines IS 'Number of lines.';
COMMENT ON COLUMN etl.quarantine_reason.files IS 'Number of files that they are of.';
COMMENT ON COLUMN etl.quarantine_reason.first_seen IS 'When the first of them came.';
COMMENT ON COLUMN etl.quarantine_reason.last_seen IS 'When the last of them came.';
COMMENT ON COLUMN etl.quarantine_reason.example_id IS 'quarantine_id of one of them.';

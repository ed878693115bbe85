-- Files that somebody should look at: not loaded, cut short, or with lines in quarantine.
CREATE OR REPLACE VIEW etl.file_problem AS
SELECT
    file.etl_file_id,
    file.path,
    file.sensor,
    file.window_start,
    file.state,
    file.kind,
    file.reason,
    file.rows_read,
    file.rows_loaded,
    coalesce(held.lines, 0) AS open_lines,
    held.rules,
    file.accepted_by,
    file.finished_at
FROM etl.file
LEFT JOIN (
    SELECT
        quarantine.etl_file_id,
        count(*) AS lines,
        string_agg(DISTINCT quarantine.rule, ', ' ORDER BY quarantine.rule) AS rules
    FROM etl.quarantine
    WHERE quarantine.state = 'open'
    GROUP BY quarantine.etl_file_id
) AS held USING (etl_file_id)
WHERE file.state IN ('refused', 'failed', 'incomplete') OR held.lines > 0;

-- Found by the indexes of files that are not loaded and of open lines: most files of a ledger have no problem.
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
WHERE
    file.etl_file_id IN (
        SELECT not_loaded.etl_file_id FROM etl.file AS not_loaded
        WHERE not_loaded.state IN ('refused', 'failed', 'incomplete')
        UNION
        SELECT line.etl_file_id FROM etl.quarantine AS line
        WHERE line.state = 'open'
    );

COMMENT ON VIEW etl.file_problem IS
'Files that somebody should look at: not loaded, cut short, or with open lines in quarantine.';
SELECT etl.copy_comments('etl.file', 'etl.file_problem');
COMMENT ON COLUMN etl.file_problem.open_lines IS 'Number of its open lines in quarantine.';
COMMENT ON COLUMN etl.file_problem.rules IS 'Names of the rules that these lines broke.';

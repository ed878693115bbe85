-- name: list
-- Lines in quarantine by what is asked for, the oldest first.
SELECT
    quarantine.quarantine_id, file.path, quarantine.etl_line, quarantine.rule, quarantine.reason, quarantine.field,
    quarantine.state, quarantine.created_at
FROM etl.quarantine
INNER JOIN etl.file USING (etl_file_id)
WHERE
    (CAST(:path AS text) IS NULL OR file.path = :path)
    AND (CAST(:rule AS text) IS NULL OR quarantine.rule = :rule)
    AND (CAST(:reason AS text) IS NULL OR quarantine.reason = :reason)
    AND (CAST(:state AS text) IS NULL OR quarantine.state = :state)
    AND (CAST(:since AS timestamptz) IS NULL OR quarantine.created_at >= :since)
    AND (CAST(:until AS timestamptz) IS NULL OR quarantine.created_at < :until)
ORDER BY quarantine.quarantine_id
LIMIT :most;

-- name: show
-- One line in quarantine with all that is known of it.
SELECT quarantine.*, file.path
FROM etl.quarantine
INNER JOIN etl.file USING (etl_file_id)
WHERE quarantine.quarantine_id = :id;

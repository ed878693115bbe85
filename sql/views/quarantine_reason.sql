-- Lines in quarantine by reason, with the first and the last time that it was seen.
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

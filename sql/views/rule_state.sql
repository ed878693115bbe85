-- The names are found by leaps from one to the next in the index: there are a few dozen rules and millions of results.
CREATE OR REPLACE VIEW etl.rule_state AS
WITH RECURSIVE known AS (
    (
        SELECT suite, rule FROM etl.expectation_result
        WHERE etl_file_id IS NULL
        ORDER BY suite, rule
        LIMIT 1
    )
    UNION ALL
    SELECT following.suite, following.rule
    FROM known
    CROSS JOIN LATERAL (
        SELECT result.suite, result.rule
        FROM etl.expectation_result AS result
        WHERE result.etl_file_id IS NULL AND (result.suite, result.rule) > (known.suite, known.rule)
        ORDER BY result.suite, result.rule
        LIMIT 1
    ) AS following
)

SELECT
    newest.suite, newest.rule, newest.severity, newest.success, newest.rows, newest.failed, newest.share,
    newest.sample, newest.batch_id, newest.day, newest.run_id, newest.created_at
FROM known
CROSS JOIN LATERAL (
    SELECT * FROM etl.expectation_result AS result
    WHERE result.etl_file_id IS NULL AND result.suite = known.suite AND result.rule = known.rule
    ORDER BY result.expectation_result_id DESC
    LIMIT 1
) AS newest;

COMMENT ON VIEW etl.rule_state IS
'The newest result of each rule: on a batch for the gate, on a day for the checks after publish.';
SELECT etl.copy_comments('etl.expectation_result', 'etl.rule_state');

CREATE OR REPLACE VIEW etl.rule_state AS
SELECT DISTINCT ON (suite, rule)
    suite, rule, severity, success, rows, failed, share, sample, batch_id, day, run_id, created_at
FROM etl.expectation_result
WHERE etl_file_id IS NULL
ORDER BY suite, rule, expectation_result_id DESC;

COMMENT ON VIEW etl.rule_state IS
'The newest result of each rule: on a batch for the gate, on a day for the checks after publish.';
SELECT etl.copy_comments('etl.expectation_result', 'etl.rule_state');

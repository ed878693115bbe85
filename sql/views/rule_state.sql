-- The newest verdict of each rule: of a batch for the gate, of a day for the suites after publish.
CREATE OR REPLACE VIEW etl.rule_state AS
SELECT DISTINCT ON (suite, rule)
    suite, rule, severity, success, rows, failed, share, sample, batch_id, day, run_id, created_at
FROM etl.expectation_result
WHERE etl_file_id IS NULL
ORDER BY suite, rule, expectation_result_id DESC;

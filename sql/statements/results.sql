-- name: forget_batch
-- Forget what the gate found in a batch.
DELETE FROM etl.expectation_result WHERE batch_id = :batch;

-- name: forget_day
-- Forget what these suites found on a day.
DELETE FROM etl.expectation_result WHERE day = :day AND suite = ANY(:suites);

-- name: record
-- Store what rules found in a batch or on a day: one row per rule, and one per file in which it failed.
INSERT INTO etl.expectation_result (
    run_id, batch_id, day, etl_file_id, suite, rule, severity, success, rows, failed, sample
)
SELECT
    :run, CAST(:batch AS bigint), CAST(:day AS date), result.etl_file_id, result.suite, result.rule, result.severity,
    result.failed = 0, result.rows, result.failed, result.sample
FROM
    unnest(
        CAST(:files AS bigint []), CAST(:suites AS text []), CAST(:rules AS text []), CAST(:severities AS text []),
        CAST(:rows AS bigint []), CAST(:failed AS bigint []), CAST(:samples AS jsonb [])
    ) AS result (etl_file_id, suite, rule, severity, rows, failed, sample);

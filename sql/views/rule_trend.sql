-- Each rule by day: the day on which the gate judged, the day of the rows for the suites after publish.
CREATE OR REPLACE VIEW etl.rule_trend AS
SELECT
    coalesce(day, CAST(created_at AT TIME ZONE 'UTC' AS date)) AS day,
    suite,
    rule,
    min(severity) AS severity,
    count(*) AS verdicts,
    count(*) FILTER (WHERE NOT success) AS verdicts_failed,
    CAST(sum(rows) AS bigint) AS rows,
    CAST(sum(failed) AS bigint) AS failed,
    CASE WHEN sum(rows) = 0 THEN 0 ELSE CAST(sum(failed) AS double precision) / CAST(sum(rows) AS double precision) END
        AS share
FROM etl.expectation_result
WHERE etl_file_id IS NULL
GROUP BY coalesce(day, CAST(created_at AT TIME ZONE 'UTC' AS date)), suite, rule;

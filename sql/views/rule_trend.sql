CREATE OR REPLACE VIEW etl.rule_trend AS
SELECT
    coalesce(day, etl.day_of(created_at)) AS day,
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
GROUP BY coalesce(day, etl.day_of(created_at)), suite, rule;

COMMENT ON VIEW etl.rule_trend IS
'The results of each rule by day: the day on which the gate ran, or the day of the rows for checks after publish.';
COMMENT ON COLUMN etl.rule_trend.day IS 'UTC day.';
COMMENT ON COLUMN etl.rule_trend.suite IS 'Suite of the rule.';
COMMENT ON COLUMN etl.rule_trend.rule IS 'Name of the rule.';
COMMENT ON COLUMN etl.rule_trend.severity IS 'Severity of the rule.';
COMMENT ON COLUMN etl.rule_trend.verdicts IS 'Number of results.';
COMMENT ON COLUMN etl.rule_trend.verdicts_failed IS 'Number of results in which a row broke the rule.';
COMMENT ON COLUMN etl.rule_trend.rows IS 'Rows looked at.';
COMMENT ON COLUMN etl.rule_trend.failed IS 'Rows that broke the rule.';
COMMENT ON COLUMN etl.rule_trend.share IS 'failed divided by rows.';

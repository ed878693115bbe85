-- name: found
-- Problems by the ledger since a moment: files that were refused or failed, rules that failed, a quarantine that grows.
-- A rule of the gate is critical when enough rows failed and they are a large enough share; results whose files were
-- all unloaded do not count. A check after publishing counts days.
SELECT
    'file:' || etl_file_id AS problem,
    'critical' AS severity,
    path || ' ' || state || ': ' || coalesce(reason, '') AS what
FROM etl.file
WHERE state IN ('refused', 'failed') AND finished_at >= CAST(:since AS timestamptz)
UNION ALL
SELECT
    'rule:' || suite || '/' || rule,
    CASE
        WHEN
            min(severity) = 'critical' AND sum(failed) >= CAST(:least_rows AS bigint)
            AND sum(failed) >= CAST(:least_share AS double precision) * sum(rows)
            THEN 'critical'
        ELSE 'warning'
    END,
    suite || '/' || rule || ' failed for ' || sum(failed) || ' of ' || sum(rows) || ' rows'
FROM etl.expectation_result AS result
WHERE
    etl_file_id IS NULL AND day IS NULL AND created_at >= CAST(:since AS timestamptz)
    AND EXISTS (SELECT FROM etl.file WHERE file.batch_id = result.batch_id AND file.state <> 'unloaded')
GROUP BY suite, rule
HAVING sum(failed) > 0
UNION ALL
SELECT
    'rule:' || suite || '/' || rule,
    min(severity),
    suite || '/' || rule || ' failed on ' || count(DISTINCT day) FILTER (WHERE NOT success)
    || ' of ' || count(DISTINCT day) || CASE count(DISTINCT day) WHEN 1 THEN ' day' ELSE ' days' END
FROM etl.expectation_result
WHERE etl_file_id IS NULL AND day IS NOT NULL AND created_at >= CAST(:since AS timestamptz)
GROUP BY suite, rule
HAVING NOT bool_and(success)
UNION ALL
SELECT
    'quarantine:growth', 'critical',
    count(*) || ' lines went to quarantine since '
    || to_char(CAST(:since AS timestamptz) AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI') || ' UTC'
FROM etl.quarantine
WHERE created_at >= CAST(:since AS timestamptz)
HAVING count(*) > CAST(:growth AS bigint)
ORDER BY 1;

-- name: record
-- Note an open problem; one that recurs after it was gone is pending again.
INSERT INTO etl.problem (problem, severity, what) VALUES (:problem, :severity, :what)
ON CONFLICT (problem) DO UPDATE
    SET
        what = excluded.what, severity = excluded.severity, last_seen = now(),
        notified_at = CASE WHEN problem.gone_at IS NULL THEN problem.notified_at END, gone_at = NULL;

-- name: close_gone
-- Close the open problems that are not among these.
UPDATE etl.problem SET gone_at = now() WHERE gone_at IS NULL AND problem <> all(CAST(:problems AS text []));

-- name: pending
-- Open critical problems of these kinds whose notification is pending.
SELECT problem, severity, what, first_seen
FROM etl.problem
WHERE
    gone_at IS NULL AND notified_at IS NULL AND severity = 'critical'
    AND split_part(problem, ':', 1) = ANY(CAST(:kinds AS text []))
ORDER BY first_seen, problem;

-- name: mark_notified
-- Note that the notification of these problems was sent.
UPDATE etl.problem SET notified_at = now() WHERE problem = ANY(CAST(:problems AS text []));

-- name: open
-- All open problems.
SELECT problem, severity, what, first_seen, notified_at
FROM etl.problem
WHERE gone_at IS NULL
ORDER BY severity, problem;

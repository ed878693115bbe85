-- name: holes
-- Missing windows that touch an hour in which the sensor is not configured as quiet.
SELECT sensor, window_start, window_end
FROM etl.completeness
WHERE
    state = 'missing'
    AND (CAST(:since AS timestamptz) IS NULL OR window_end > :since)
    AND EXISTS (
        SELECT FROM
            generate_series(
                date_trunc('hour', window_start, 'UTC'), window_end - interval '1 microsecond', interval '1 hour'
            ) AS touched (at)
        WHERE
            CASE
                WHEN sensor = ANY(CAST(:own AS text []))
                    THEN (sensor, extract(HOUR FROM touched.at AT TIME ZONE 'UTC')::integer) NOT IN (
                        SELECT own.sensor, own.hour
                        FROM unnest(CAST(:own_sensors AS text []), CAST(:own_hours AS integer [])) AS own (sensor, hour)
                    )
                ELSE extract(HOUR FROM touched.at AT TIME ZONE 'UTC') <> all(CAST(:quiet AS integer []))
            END
    )
ORDER BY sensor, window_start;

-- name: lagging
-- Sensors that are behind, but not by so much that their logs are simply old, with the length of their newest window.
SELECT
    lag.sensor, lag.newest_window_end, lag.behind,
    (
        SELECT file.window_end - file.window_start
        FROM etl.file
        WHERE file.sensor = lag.sensor AND file.window_end = lag.newest_window_end
        ORDER BY file.window_start
        LIMIT 1
    ) AS length
FROM etl.lag
WHERE lag.behind > CAST(:most AS interval) AND lag.behind < CAST(:old AS interval)
ORDER BY lag.sensor;

-- name: problems
-- Problems by the ledger: files that were refused or failed, rules that failed, and a quarantine that grows.
SELECT
    'file:' || etl_file_id AS problem,
    'critical' AS severity,
    path || ' ' || state || ': ' || coalesce(reason, '') AS what
FROM etl.file
WHERE state IN ('refused', 'failed') AND finished_at >= CAST(:since AS timestamptz)
UNION ALL
SELECT
    'rule:' || suite || '/' || rule, min(severity),
    suite || '/' || rule || ' failed for ' || sum(failed) || ' of ' || sum(rows) || ' rows'
FROM etl.expectation_result
WHERE etl_file_id IS NULL AND NOT success AND created_at >= CAST(:since AS timestamptz)
GROUP BY suite, rule
UNION ALL
SELECT
    'quarantine:growth', 'critical',
    count(*) || ' lines went to quarantine since '
    || to_char(CAST(:since AS timestamptz) AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI') || ' UTC'
FROM etl.quarantine
WHERE created_at >= CAST(:since AS timestamptz)
HAVING count(*) > CAST(:growth AS bigint)
ORDER BY 1;

-- name: see_problem
-- Note an open problem; one that recurs after it had gone is notified again.
INSERT INTO etl.problem (problem, severity, what) VALUES (:problem, :severity, :what)
ON CONFLICT (problem) DO UPDATE
    SET
        what = excluded.what, severity = excluded.severity, last_seen = now(),
        told_at = CASE WHEN problem.gone_at IS NULL THEN problem.told_at END, gone_at = NULL;

-- name: gone_problems
-- Close the problems that are open and were not seen now.
UPDATE etl.problem SET gone_at = now() WHERE gone_at IS NULL AND problem <> all(CAST(:problems AS text []));

-- name: untold
-- Open critical problems of these kinds that nobody was notified of.
SELECT problem, severity, what, first_seen
FROM etl.problem
WHERE
    gone_at IS NULL AND told_at IS NULL AND severity = 'critical'
    AND split_part(problem, ':', 1) = ANY(CAST(:kinds AS text []))
ORDER BY first_seen, problem;

-- name: told
-- Note that somebody was notified of these problems.
UPDATE etl.problem SET told_at = now() WHERE problem = ANY(CAST(:problems AS text []));

-- name: standing
-- All open problems.
SELECT problem, severity, what, first_seen, told_at FROM etl.problem WHERE gone_at IS NULL ORDER BY severity, problem;

-- name: gaps
-- Missing windows that touch an hour in which the sensor is not configured as quiet; a day touches all of them.
SELECT gap.sensor, gap.window_start, gap.window_end, gap.windows
FROM etl.gaps_since(coalesce(CAST(:since AS timestamptz), '-infinity')) AS gap
CROSS JOIN
    LATERAL etl.missed_windows(
        gap.sensor, gap.window_start, gap.window_end, gap.windows, CAST(:quiet AS integer []), CAST(:own AS text []),
        CAST(:own_sensors AS text []), CAST(:own_hours AS integer [])
    ) AS expected
WHERE (CAST(:since AS timestamptz) IS NULL OR gap.window_end > :since) AND expected.missed > 0
ORDER BY gap.sensor, gap.window_start;

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

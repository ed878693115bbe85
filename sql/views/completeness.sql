-- A gap of half an interval or more counts in windows of the interval at which the sensor rotated most often. The last
-- 48 windows decide, two days of hourly logs: a sensor whose interval was changed is judged by the new one soon.
-- A gap of more than 48 windows is one row: file names can make gaps of any length, and the view must stay small.
CREATE OR REPLACE VIEW etl.completeness AS
WITH windows AS (
    SELECT
        file.sensor,
        file.window_start,
        max(file.window_end) AS window_end,
        bool_or(etl.has_rows(file.state) OR file.state = 'known') AS loaded,
        bool_or(etl.is_open(file.state)) AS waiting,
        CAST(sum(file.rows_loaded) AS bigint) AS rows_loaded,
        max(file.finished_at) AS finished_at
    FROM etl.file
    WHERE file.window_start IS NOT NULL AND file.state NOT IN ('skipped', 'unloaded')
    GROUP BY file.sensor, file.window_start
),

numbered AS (
    SELECT
        windows.*,
        row_number() OVER (PARTITION BY sensor ORDER BY window_start DESC) AS from_the_last,
        lead(window_start) OVER (PARTITION BY sensor ORDER BY window_start) AS next_start
    FROM windows
),

intervals AS (
    SELECT
        sensor,
        mode() WITHIN GROUP (ORDER BY coalesce(window_end, next_start) - window_start) AS length
    FROM numbered
    WHERE from_the_last <= 48 AND coalesce(window_end, next_start) > window_start
    GROUP BY sensor
),

covered AS (
    SELECT
        numbered.*,
        coalesce(numbered.window_end, numbered.window_start + intervals.length) AS ends,
        intervals.length,
        max(coalesce(numbered.window_end, numbered.window_start + intervals.length))
            OVER (PARTITION BY numbered.sensor ORDER BY numbered.window_start) AS seen_until
    FROM numbered
    LEFT JOIN intervals USING (sensor)
),

measured AS (
    SELECT
        sensor, seen_until, next_start, length, next_start - seen_until AS silence,
        CAST(ceil(extract(EPOCH FROM next_start - seen_until) / extract(EPOCH FROM length)) AS bigint) AS windows
    FROM covered
    WHERE next_start - seen_until >= length / 2
),

gaps AS (
    SELECT
        measured.*,
        -- in seconds: an interval of days would follow the session's time zone
        make_interval(secs => CAST(extract(EPOCH FROM CASE WHEN windows <= 48 THEN length ELSE silence END) AS float8))
            AS step
    FROM measured
)

SELECT
    sensor,
    window_start,
    ends AS window_end,
    CASE WHEN loaded THEN 'loaded' WHEN waiting THEN 'waiting' ELSE 'turned_down' END AS state,
    rows_loaded,
    finished_at,
    CAST(1 AS bigint) AS windows
FROM covered
UNION ALL
SELECT
    gaps.sensor,
    piece.piece AS window_start,
    least(piece.piece + gaps.step, gaps.next_start) AS window_end,
    'missing',
    NULL,
    NULL,
    CASE WHEN gaps.windows <= 48 THEN 1 ELSE gaps.windows END
FROM gaps, generate_series(gaps.seen_until, gaps.next_start - interval '1 microsecond', gaps.step) AS piece;

COMMENT ON VIEW etl.completeness IS
'Every window of every sensor between its first and its last one, the missing ones too.';
COMMENT ON COLUMN etl.completeness.sensor IS 'Sensor of the files.';
COMMENT ON COLUMN etl.completeness.window_start IS 'Start of the window.';
COMMENT ON COLUMN etl.completeness.window_end IS 'End of the window.';
COMMENT ON COLUMN etl.completeness.state IS
'loaded. waiting: found and still open. turned_down: refused or failed. missing: no file covers it.';
COMMENT ON COLUMN etl.completeness.rows_loaded IS 'Rows loaded from its files; NULL where it is missing.';
COMMENT ON COLUMN etl.completeness.finished_at IS 'When its files were done; NULL where it is missing.';
COMMENT ON COLUMN etl.completeness.windows IS
'1, or the number of windows in a gap that is too long to be listed window by window.';

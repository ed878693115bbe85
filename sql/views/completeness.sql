-- A gap of half an interval or more counts in windows of the interval at which the sensor rotated most often. The last
-- 48 windows decide, two days of hourly logs: a sensor whose interval was changed is judged by the new one soon.
-- A gap of more than 48 windows is one row: file names can make gaps of any length, and the view must stay small.
-- The function is the same from a moment on: it begins with the last window of each sensor that started a day before
-- that moment, so that a gap is as long as it is in the view. What an hourly run asks must not grow with the ledger.
CREATE OR REPLACE FUNCTION etl.completeness_since(since timestamptz)
RETURNS TABLE (
    sensor text, window_start timestamptz, window_end timestamptz, state text, rows_loaded bigint,
    finished_at timestamptz, windows bigint
)
LANGUAGE sql STABLE AS $$
WITH RECURSIVE sensors AS (
    (SELECT file.sensor FROM etl.file WHERE file.window_start IS NOT NULL ORDER BY file.sensor LIMIT 1)
    UNION ALL
    SELECT following.sensor
    FROM sensors
    CROSS JOIN LATERAL (
        SELECT file.sensor FROM etl.file
        WHERE file.window_start IS NOT NULL AND file.sensor > sensors.sensor
        ORDER BY file.sensor
        LIMIT 1
    ) AS following
),

bounded AS (
    SELECT
        sensors.sensor,
        coalesce(
            (
                SELECT max(file.window_start) FROM etl.file
                WHERE
                    file.sensor = sensors.sensor AND file.window_start <= since - interval '1 day'
                    AND file.state NOT IN ('skipped', 'unloaded')
            ),
            timestamptz '-infinity'
        ) AS first_start
    FROM sensors
),

intervals AS (
    SELECT sensors.sensor, last.length
    FROM sensors
    CROSS JOIN LATERAL (
        SELECT
            mode() WITHIN GROUP (ORDER BY coalesce(numbered.window_end, numbered.next_start) - numbered.window_start)
                AS length
        FROM (
            SELECT
                file.window_start, max(file.window_end) AS window_end,
                lag(file.window_start) OVER (ORDER BY file.window_start DESC) AS next_start
            FROM etl.file
            WHERE
                file.sensor = sensors.sensor AND file.window_start IS NOT NULL
                AND file.state NOT IN ('skipped', 'unloaded')
            GROUP BY file.window_start
            ORDER BY file.window_start DESC
            LIMIT 48
        ) AS numbered
        WHERE coalesce(numbered.window_end, numbered.next_start) > numbered.window_start
    ) AS last
    WHERE last.length IS NOT NULL
),

covered AS (
    SELECT bounded.sensor, intervals.length, one.*
    FROM bounded
    LEFT JOIN intervals USING (sensor)
    CROSS JOIN LATERAL (
        SELECT
            grouped.*,
            coalesce(grouped.window_end, grouped.window_start + intervals.length) AS ends,
            lead(grouped.window_start) OVER (ORDER BY grouped.window_start) AS next_start,
            max(coalesce(grouped.window_end, grouped.window_start + intervals.length))
                OVER (ORDER BY grouped.window_start) AS seen_until
        FROM (
            SELECT
                file.window_start,
                max(file.window_end) AS window_end,
                bool_or(etl.has_rows(file.state) OR file.state = 'known') AS loaded,
                bool_or(etl.is_open(file.state)) AS waiting,
                CAST(sum(file.rows_loaded) AS bigint) AS rows_loaded,
                max(file.finished_at) AS finished_at
            FROM etl.file
            WHERE
                file.sensor = bounded.sensor AND file.window_start >= bounded.first_start
                AND file.state NOT IN ('skipped', 'unloaded')
            GROUP BY file.window_start
        ) AS grouped
    ) AS one
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
    CASE WHEN loaded THEN 'loaded' WHEN waiting THEN 'waiting' ELSE 'refused' END AS state,
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
FROM gaps, generate_series(gaps.seen_until, gaps.next_start - interval '1 microsecond', gaps.step) AS piece
$$;

COMMENT ON FUNCTION etl.completeness_since(timestamptz) IS
'etl.completeness, from the last window of each sensor before a moment on.';
REVOKE EXECUTE ON FUNCTION etl.completeness_since(timestamptz) FROM public;
GRANT EXECUTE ON FUNCTION etl.completeness_since(timestamptz) TO conn_loader, conn_reader;

CREATE OR REPLACE VIEW etl.completeness AS
SELECT sensor, window_start, window_end, state, rows_loaded, finished_at, windows
FROM etl.completeness_since('-infinity');

COMMENT ON VIEW etl.completeness IS
'Every window of every sensor between its first and its last one, the missing ones too.';
COMMENT ON COLUMN etl.completeness.sensor IS 'Sensor of the files.';
COMMENT ON COLUMN etl.completeness.window_start IS 'Start of the window.';
COMMENT ON COLUMN etl.completeness.window_end IS 'End of the window.';
COMMENT ON COLUMN etl.completeness.state IS
'loaded. waiting: found and still open. refused: refused or failed. missing: no file covers it.';
COMMENT ON COLUMN etl.completeness.rows_loaded IS 'Rows loaded from its files; NULL where it is missing.';
COMMENT ON COLUMN etl.completeness.finished_at IS 'When its files were done; NULL where it is missing.';
COMMENT ON COLUMN etl.completeness.windows IS
'1, or the number of windows in a gap that is too long to be listed window by window.';

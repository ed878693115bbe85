-- A gap of half an interval or more is cut into pieces of the interval at which the sensor rotated most often. The last
-- 48 windows decide, two days of hourly logs: a sensor whose interval was changed is judged by the new one soon.
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
)

SELECT
    sensor,
    window_start,
    ends AS window_end,
    CASE WHEN loaded THEN 'loaded' WHEN waiting THEN 'waiting' ELSE 'turned_down' END AS state,
    rows_loaded,
    finished_at
FROM covered
UNION ALL
SELECT
    covered.sensor,
    piece.piece AS window_start,
    least(piece.piece + covered.length, covered.next_start) AS window_end,
    'missing',
    NULL,
    NULL
FROM covered,
    generate_series(covered.seen_until, covered.next_start - interval '1 second', covered.length) AS piece
WHERE covered.next_start - covered.seen_until >= covered.length / 2;

COMMENT ON VIEW etl.completeness IS
'Every window of every sensor between its first and its last one, the missing ones too.';
COMMENT ON COLUMN etl.completeness.sensor IS 'Sensor of the files.';
COMMENT ON COLUMN etl.completeness.window_start IS 'Start of the window.';
COMMENT ON COLUMN etl.completeness.window_end IS 'End of the window.';
COMMENT ON COLUMN etl.completeness.state IS
'loaded. waiting: found and still open. turned_down: refused or failed. missing: no file covers it.';
COMMENT ON COLUMN etl.completeness.rows_loaded IS 'Rows loaded from its files; NULL where it is missing.';
COMMENT ON COLUMN etl.completeness.finished_at IS 'When its files were done; NULL where it is missing.';

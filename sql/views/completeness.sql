-- Every window of every sensor between its first and its last one, the missing ones too. A hole of half an interval or
-- more is cut into pieces of the interval at which the sensor rotated most often in its last 48 windows.
CREATE OR REPLACE VIEW etl.completeness AS
WITH windows AS (
    SELECT
        file.sensor,
        file.window_start,
        max(file.window_end) AS window_end,
        bool_or(file.state IN ('published', 'known', 'incomplete', 'superseded')) AS loaded,
        bool_or(file.state IN ('found', 'staged')) AS waiting,
        CAST(sum(file.rows_loaded) AS bigint) AS rows_loaded,
        max(file.finished_at) AS finished_at
    FROM etl.file
    WHERE file.log = 'conn' AND file.window_start IS NOT NULL AND file.state NOT IN ('skipped', 'unloaded')
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

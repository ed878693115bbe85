-- A gap of half an interval or more counts in windows of the interval at which the sensor rotated most often. The last
-- 48 windows decide, two days of hourly logs: a sensor whose interval was changed is judged by the new one soon.
-- Sensors are found by leaps from one to the next in the index.
CREATE OR REPLACE VIEW etl.sensor_interval AS
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
)

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
) AS last;

COMMENT ON VIEW etl.sensor_interval IS
'The interval at which each sensor rotates its logs, by the names of its newest files.';
COMMENT ON COLUMN etl.sensor_interval.sensor IS 'Sensor of the files.';
COMMENT ON COLUMN etl.sensor_interval.length IS 'Its interval; NULL where the names do not tell.';

-- The functions begin with the last window of each sensor that started a day before a moment, so that a gap is as long
-- as it is in the view. What an hourly run asks must not grow with the ledger.
CREATE OR REPLACE FUNCTION etl.first_window(wanted text, since timestamptz) RETURNS timestamptz
LANGUAGE sql STABLE PARALLEL SAFE AS $$
SELECT
    coalesce(
        (
            SELECT max(file.window_start) FROM etl.file
            WHERE
                file.sensor = wanted AND file.window_start <= since - interval '1 day'
                AND file.state NOT IN ('skipped', 'unloaded')
        ),
        timestamptz '-infinity'
    )
$$;

COMMENT ON FUNCTION etl.first_window(text, timestamptz) IS
'Start of the last window of a sensor that began a day before a moment; -infinity where there is none.';
REVOKE EXECUTE ON FUNCTION etl.first_window(text, timestamptz) FROM public;
GRANT EXECUTE ON FUNCTION etl.first_window(text, timestamptz) TO conn_loader, conn_reader;

-- A gap of more than 48 windows is one row: file names can make gaps of any length, and the view must stay small.
-- Files of the same window need not be grouped first: the next start is then no later than the window.
CREATE OR REPLACE FUNCTION etl.gaps_since(since timestamptz)
RETURNS TABLE (sensor text, window_start timestamptz, window_end timestamptz, windows bigint)
LANGUAGE sql STABLE AS $$
WITH measured AS (
    SELECT
        one.sensor, one.length, walked.seen_until, walked.next_start, walked.next_start - walked.seen_until AS silence,
        CAST(
            ceil(extract(EPOCH FROM walked.next_start - walked.seen_until) / extract(EPOCH FROM one.length)) AS bigint
        ) AS windows
    FROM etl.sensor_interval AS one
    CROSS JOIN LATERAL (
        SELECT
            lead(file.window_start) OVER (ORDER BY file.window_start) AS next_start,
            max(coalesce(file.window_end, file.window_start + one.length)) OVER (ORDER BY file.window_start)
                AS seen_until
        FROM etl.file
        WHERE
            file.sensor = one.sensor AND file.window_start >= etl.first_window(one.sensor, since)
            AND file.state NOT IN ('skipped', 'unloaded')
    ) AS walked
    WHERE walked.next_start > walked.seen_until AND walked.next_start - walked.seen_until >= one.length / 2
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
    gaps.sensor,
    piece.piece AS window_start,
    least(piece.piece + gaps.step, gaps.next_start) AS window_end,
    CASE WHEN gaps.windows <= 48 THEN 1 ELSE gaps.windows END AS windows
FROM gaps, generate_series(gaps.seen_until, gaps.next_start - interval '1 microsecond', gaps.step) AS piece
$$;

COMMENT ON FUNCTION etl.gaps_since(timestamptz) IS
'Windows that no file covers, and long silences as one, from the last window of each sensor before a moment on.';
REVOKE EXECUTE ON FUNCTION etl.gaps_since(timestamptz) FROM public;
GRANT EXECUTE ON FUNCTION etl.gaps_since(timestamptz) TO conn_loader, conn_reader;

-- Quiet hours as etl.monitoring.windows.quiet passes them: for all sensors, the sensors that have their own, and these.
-- It returns a table of one row, not a value, so that the planner puts it in place of the call.
CREATE OR REPLACE FUNCTION etl.missed_windows(
    wanted text, window_start timestamptz, window_end timestamptz, windows bigint,
    quiet integer [], own text [], own_sensors text [], own_hours integer []
) RETURNS TABLE (missed bigint)
LANGUAGE sql STABLE PARALLEL SAFE AS $$
SELECT
    CAST(
        CASE
            WHEN windows > 1 THEN ceil(windows * avg(CASE WHEN hours.awake THEN 1.0 ELSE 0.0 END))
            WHEN bool_or(hours.awake) THEN windows
            ELSE 0
        END AS bigint
    ) AS missed
FROM (
    SELECT
        CASE
            WHEN wanted = ANY(own) THEN NOT EXISTS (
                SELECT FROM unnest(own_sensors, own_hours) AS set_for (sensor, hour)
                WHERE
                    set_for.sensor = wanted
                    AND set_for.hour = extract(HOUR FROM touched.at AT TIME ZONE 'UTC')::integer
            )
            ELSE extract(HOUR FROM touched.at AT TIME ZONE 'UTC') <> all(quiet)
        END AS awake
    FROM
        generate_series(
            date_trunc('hour', window_start, 'UTC'),
            least(window_end, window_start + interval '24 hours') - interval '1 microsecond',
            interval '1 hour'
        ) AS touched (at)
) AS hours
$$;

COMMENT ON FUNCTION etl.missed_windows(
    text, timestamptz, timestamptz, bigint, integer [], text [], text [], integer []
) IS
'How many windows of a gap are missed: none if all hours that it touches are quiet, a part of a long one by its hours.';
REVOKE EXECUTE ON FUNCTION etl.missed_windows(
    text, timestamptz, timestamptz, bigint, integer [], text [], text [], integer []
) FROM public;
GRANT EXECUTE ON FUNCTION etl.missed_windows(
    text, timestamptz, timestamptz, bigint, integer [], text [], text [], integer []
) TO conn_loader, conn_reader;

CREATE OR REPLACE FUNCTION etl.completeness_since(since timestamptz)
RETURNS TABLE (
    sensor text, window_start timestamptz, window_end timestamptz, state text, rows_loaded bigint,
    finished_at timestamptz, windows bigint
)
LANGUAGE sql STABLE AS $$
SELECT
    one.sensor,
    covered.window_start,
    covered.window_end,
    CASE WHEN covered.loaded THEN 'loaded' WHEN covered.waiting THEN 'waiting' ELSE 'refused' END AS state,
    covered.rows_loaded,
    covered.finished_at,
    CAST(1 AS bigint) AS windows
FROM etl.sensor_interval AS one
CROSS JOIN LATERAL (
    SELECT
        file.window_start,
        max(coalesce(file.window_end, file.window_start + one.length)) AS window_end,
        bool_or(etl.has_rows(file.state) OR file.state = 'known') AS loaded,
        bool_or(etl.is_open(file.state)) AS waiting,
        CAST(sum(file.rows_loaded) AS bigint) AS rows_loaded,
        max(file.finished_at) AS finished_at
    FROM etl.file
    WHERE
        file.sensor = one.sensor AND file.window_start >= etl.first_window(one.sensor, since)
        AND file.state NOT IN ('skipped', 'unloaded')
    GROUP BY file.window_start
) AS covered
UNION ALL
SELECT gap.sensor, gap.window_start, gap.window_end, 'missing', NULL, NULL, gap.windows
FROM etl.gaps_since(since) AS gap
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

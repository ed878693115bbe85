-- name: added
-- What a run added to zeek.conn. The days of a file's first and last row have rows; days between them may have some.
WITH mine AS (
    SELECT
        etl_file_id, batch_id, rows_loaded,
        etl.day_of(min_timestamp) AS first,
        etl.day_of(max_timestamp) AS last
    FROM etl.file
    WHERE run_id = :run AND rows_loaded > 0
),

certain AS (
    SELECT first AS day FROM mine
    UNION
    SELECT last FROM mine
),

perhaps AS (
    SELECT DISTINCT day.day::date AS day
    FROM mine
    CROSS JOIN LATERAL generate_series(mine.first + 1, mine.last - 1, interval '1 day') AS day (day)
    WHERE to_regclass('zeek.conn_' || to_char(day.day, 'YYYYMMDD')) IS NOT NULL
)

SELECT
    (SELECT coalesce(sum(rows_loaded), 0)::bigint FROM mine) AS rows_loaded,
    array(SELECT DISTINCT batch_id FROM mine ORDER BY batch_id) AS batches,
    array(SELECT etl_file_id FROM mine ORDER BY etl_file_id) AS files,
    array(SELECT day FROM certain ORDER BY day) AS days,
    array(SELECT day FROM perhaps WHERE day NOT IN (SELECT day FROM certain) ORDER BY day) AS perhaps;

-- name: batch
-- What became of each file of a batch.
SELECT
    path, state, kind, reason,
    coalesce(rows_read, 0) AS rows_read, coalesce(rows_loaded, 0) AS rows_loaded,
    coalesce(rows_duplicate, 0) AS rows_duplicate, coalesce(rows_quarantined, 0) AS rows_quarantined
FROM etl.file
WHERE batch_id = :batch
ORDER BY batch_position;

-- name: touched
-- Whether one of these files has rows in the span.
SELECT
    exists(
        SELECT 1 FROM zeek.conn
        WHERE
            "@timestamp" >= CAST(:first AS timestamptz) AND "@timestamp" < CAST(:after AS timestamptz)
            AND etl_file_id = any(CAST(:files AS bigint []))
    );

-- name: files
-- The newest state of each of these paths, counted by state; mine: reached in this run.
WITH newest AS (
    SELECT DISTINCT ON (path)
        state, rows_read, rows_loaded, rows_duplicate, rows_quarantined,
        coalesce(run_id = :run, false) AS mine,
        CASE WHEN state <> 'known' THEN kind END AS kind
    FROM etl.file
    WHERE path = any(CAST(:paths AS text []))
    ORDER BY path, etl_file_id DESC
)

SELECT
    state, kind, mine,
    count(*) AS files,
    coalesce(sum(rows_read), 0)::bigint AS rows_read,
    coalesce(sum(rows_loaded), 0)::bigint AS rows_loaded,
    coalesce(sum(rows_duplicate), 0)::bigint AS rows_duplicate,
    coalesce(sum(rows_quarantined), 0)::bigint AS rows_quarantined
FROM newest
GROUP BY state, kind, mine
ORDER BY state, kind, mine;

-- name: quarantined
-- Open lines in quarantine of these paths.
SELECT rule, quarantine.reason, count(*) AS lines, min(path || ':' || etl_line) AS example
FROM etl.quarantine
INNER JOIN etl.file USING (etl_file_id)
WHERE path = any(CAST(:paths AS text [])) AND quarantine.state = 'open'
GROUP BY rule, quarantine.reason
ORDER BY lines DESC, rule, quarantine.reason;

-- name: suites
-- What each suite found in the batches that these paths were in.
SELECT
    suite,
    count(DISTINCT rule) AS rules,
    count(DISTINCT rule) FILTER (WHERE NOT success) AS rules_broken,
    coalesce(sum(failed) FILTER (WHERE severity = 'critical'), 0)::bigint AS rows_critical,
    coalesce(sum(failed) FILTER (WHERE severity <> 'critical'), 0)::bigint AS rows_warned
FROM etl.expectation_result
WHERE
    etl_file_id IS NULL
    AND batch_id IN (SELECT batch_id FROM etl.file WHERE path = any(CAST(:paths AS text [])))
GROUP BY suite
ORDER BY suite;

-- name: newest_day
-- The newest day with rows of these paths, the day after it, and whose rows they are; alone: the day has no rows of
-- other sensors.
WITH mine AS (
    SELECT etl.day_of(max(max_timestamp)) AS day, array_agg(DISTINCT sensor ORDER BY sensor) AS sensors
    FROM etl.file
    WHERE path = any(CAST(:paths AS text [])) AND rows_loaded > 0
)

SELECT
    day::text AS first_day,
    (day + 1)::text AS next_day,
    sensors,
    NOT EXISTS (
        SELECT FROM etl.file
        WHERE
            file.rows_loaded > 0 AND file.sensor <> all(mine.sensors)
            AND file.max_timestamp >= etl.day_start(mine.day) AND file.min_timestamp < etl.day_start(mine.day + 1)
    ) AS alone
FROM mine;

-- name: busiest_services
-- Services of a day by bytes at the IP level; the summary shows this statement as an example.
SELECT
    network_application, count(*) AS connections, sum(src_ip_bytes)::bigint AS sent_ip_bytes,
    sum(dst_ip_bytes)::bigint AS received_ip_bytes
FROM zeek.conn
WHERE "@timestamp" >= :first_day AND "@timestamp" < :next_day AND network_application IS NOT NULL
GROUP BY network_application
ORDER BY coalesce(sum(src_ip_bytes), 0) + coalesce(sum(dst_ip_bytes), 0) DESC, network_application
LIMIT 5;

-- name: busiest_services_of
-- The same of some sensors, where others have rows on the day too.
SELECT
    network_application, count(*) AS connections, sum(src_ip_bytes)::bigint AS sent_ip_bytes,
    sum(dst_ip_bytes)::bigint AS received_ip_bytes
FROM zeek.conn
WHERE
    "@timestamp" >= :first_day AND "@timestamp" < :next_day AND network_application IS NOT NULL
    AND etl_file_id IN (SELECT file.etl_file_id FROM etl.file WHERE file.sensor = ANY(:sensors))
GROUP BY network_application
ORDER BY coalesce(sum(src_ip_bytes), 0) + coalesce(sum(dst_ip_bytes), 0) DESC, network_application
LIMIT 5;

-- name: progress
-- How far a run has come.
SELECT
    count(*) AS files, count(*) FILTER (WHERE file.finished_at >= run.started_at) AS files_done,
    coalesce(sum(file.size), 0)::bigint AS bytes,
    coalesce(sum(file.size) FILTER (WHERE file.finished_at >= run.started_at), 0)::bigint AS bytes_done,
    coalesce(sum(file.rows_loaded), 0)::bigint AS rows_loaded,
    extract(EPOCH FROM clock_timestamp() - run.started_at)::double precision AS seconds
FROM etl.run
INNER JOIN etl.file USING (run_id)
WHERE run.run_id = :run AND file.batch_id IS NOT NULL
GROUP BY run.run_id;

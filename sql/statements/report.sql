-- name: span
-- The span of a report for which none is given: all that was loaded, in whole days.
SELECT
    etl.day_start(etl.day_of(first_row)) AS since,
    etl.day_start(etl.day_of(last_row) + 1) AS until
FROM etl.loaded_span;

-- name: profile
-- One scan of the rows of the span; all charts of rows come from its groups, and what rows claim: payload, and how
-- much of it, in how many rows, is more than crossed the wire.
WITH profile AS MATERIALIZED (
    SELECT
        date_trunc(:bucket, "@timestamp" AT TIME ZONE 'UTC') AS at,
        network_connection_state AS state,
        network_protocol AS protocol,
        network_application AS service,
        count(*) AS total,
        sum(src_ip_bytes) AS bytes_out,
        sum(dst_ip_bytes) AS bytes_in,
        count(*) FILTER (WHERE src_bytes > src_ip_bytes OR dst_bytes > dst_ip_bytes) AS claiming,
        sum(greatest(src_bytes - src_ip_bytes, 0)) AS claimed_out,
        sum(greatest(dst_bytes - dst_ip_bytes, 0)) AS claimed_in,
        sum(src_bytes) AS payload_out,
        sum(dst_bytes) AS payload_in,
        count(network_outer_vlan_id) AS network_outer_vlan_id,
        count(network_inner_vlan_id) AS network_inner_vlan_id,
        count(zeek_connection_tunnel_parents) AS zeek_connection_tunnel_parents,
        count(src_bytes) AS src_bytes,
        count(src_ip_bytes) AS src_ip_bytes,
        count(src_mac) AS src_mac,
        count(src_packets) AS src_packets,
        count(zeek_connection_local_src) AS zeek_connection_local_src,
        count(zeek_connection_local_dst) AS zeek_connection_local_dst,
        count(event_duration) AS event_duration,
        count(network_connection_history) AS network_connection_history,
        count(network_connection_state) AS network_connection_state,
        count(network_missed_bytes) AS network_missed_bytes,
        count(network_application) AS network_application,
        count(dst_bytes) AS dst_bytes,
        count(dst_ip_bytes) AS dst_ip_bytes,
        count(dst_mac) AS dst_mac,
        count(dst_packets) AS dst_packets,
        count(extra) AS extra
    FROM zeek.conn
    WHERE "@timestamp" >= CAST(:since AS timestamptz) AND "@timestamp" < CAST(:until AS timestamptz)
    GROUP BY 1, 2, 3, 4
),

by_service AS (
    SELECT
        service,
        sum(total) AS total,
        row_number() OVER (ORDER BY sum(total) DESC, service) AS place
    FROM profile
    GROUP BY service
)

SELECT
    'volume' AS kind,
    to_char(at, 'YYYY-MM-DD"T"HH24:MI:SS"Z"') AS name,
    CAST(sum(total) AS bigint) AS total,
    coalesce(sum(bytes_out), 0) + coalesce(sum(bytes_in), 0) AS bytes
FROM profile
GROUP BY at
UNION ALL
SELECT 'state', coalesce(state, '(unset)'), CAST(sum(total) AS bigint), NULL
FROM profile
GROUP BY state
UNION ALL
SELECT 'protocol', protocol, CAST(sum(total) AS bigint), NULL
FROM profile
GROUP BY protocol
UNION ALL
SELECT
    'service',
    CASE
        WHEN place > :services THEN '(all others)' WHEN service = '' THEN '(empty)' ELSE coalesce(service, '(unset)')
    END,
    CAST(sum(total) AS bigint), NULL
FROM by_service
GROUP BY 2
UNION ALL
SELECT
    'claimed',
    'beyond the wire',
    CAST(sum(claiming) AS bigint),
    coalesce(sum(claimed_out), 0) + coalesce(sum(claimed_in), 0)
FROM profile
UNION ALL
SELECT 'claimed', 'payload', CAST(sum(total) AS bigint), coalesce(sum(payload_out), 0) + coalesce(sum(payload_in), 0)
FROM profile
UNION ALL
SELECT 'filled', columns.key, CAST(sum(CAST(columns.value AS bigint)) AS bigint), NULL
FROM profile, jsonb_each_text(to_jsonb(profile)) AS columns
WHERE
    columns.key NOT IN (
        'at', 'state', 'protocol', 'service', 'total', 'bytes_out', 'bytes_in', 'claiming', 'claimed_out',
        'claimed_in', 'payload_out', 'payload_in'
    )
GROUP BY columns.key;

-- name: files
-- Files by state; in the span are those with rows in it, or else with a window in it.
SELECT
    state, count(*) AS files, coalesce(sum(rows_read), 0)::bigint AS rows_read,
    coalesce(sum(rows_loaded), 0)::bigint AS rows_loaded, coalesce(sum(rows_duplicate), 0)::bigint AS rows_duplicate,
    coalesce(sum(rows_quarantined), 0)::bigint AS rows_quarantined, coalesce(sum(size), 0)::bigint AS bytes
FROM etl.file
WHERE
    coalesce(min_timestamp, window_start, mtime) < CAST(:until AS timestamptz)
    AND coalesce(max_timestamp, window_end, window_start, mtime) >= CAST(:since AS timestamptz)
GROUP BY state
ORDER BY state;

-- name: rules
-- What rules found in the batches of files in the span, and on its days; trend: the same by day, week or month, of
-- rules that found something. What a check of a day found is of that day; what the gate found in a batch is of the day
-- of the first file of the batch. A batch counts while one of its files does: not for bytes that are known from another
-- file or were unloaded. Files and results are read once for all of it.
WITH batch AS MATERIALIZED (
    SELECT
        file.batch_id,
        etl.day_of(min(coalesce(file.window_start, file.min_timestamp, file.mtime))) AS day,
        bool_or(
            coalesce(file.min_timestamp, file.window_start, file.mtime) < CAST(:until AS timestamptz)
            AND coalesce(file.max_timestamp, file.window_end, file.window_start, file.mtime)
            >= CAST(:since AS timestamptz)
        ) AS in_span
    FROM etl.file
    WHERE file.batch_id IS NOT NULL AND file.state NOT IN ('known', 'unloaded')
    GROUP BY file.batch_id
),

by_day AS (
    SELECT
        result.suite, result.rule, result.severity, coalesce(result.day, batch.day) AS day,
        batch.in_span OR result.day IS NOT NULL AS listed,
        count(*) AS verdicts, count(*) FILTER (WHERE result.success) AS passed,
        sum(result.rows)::bigint AS rows, sum(result.failed)::bigint AS failed,
        min(result.expectation_result_id) AS first, max(result.expectation_result_id) AS last,
        max(result.expectation_result_id) FILTER (WHERE result.sample IS NOT NULL) AS with_sample
    FROM etl.expectation_result AS result
    LEFT JOIN batch ON result.batch_id = batch.batch_id
    WHERE
        result.etl_file_id IS NULL
        AND (
            batch.batch_id IS NOT NULL
            OR result.day BETWEEN
            etl.day_of(CAST(:since AS timestamptz))
            AND etl.day_of(CAST(:until AS timestamptz) - interval '1 microsecond')
        )
    GROUP BY 1, 2, 3, 4, 5
),

found AS (
    SELECT
        suite, rule, sum(verdicts)::bigint AS verdicts, sum(passed)::bigint AS passed, sum(rows)::bigint AS rows,
        sum(failed)::bigint AS failed, min(first) AS first, max(last) AS last, max(with_sample) AS with_sample
    FROM by_day
    WHERE listed
    GROUP BY suite, rule
),

bucket AS (
    SELECT
        suite, rule, date_trunc(:bucket, day)::date AS day, min(severity) AS severity, sum(rows)::bigint AS rows,
        sum(failed)::bigint AS failed
    FROM by_day
    WHERE
        day BETWEEN
        etl.day_of(CAST(:since AS timestamptz)) AND etl.day_of(CAST(:until AS timestamptz) - interval '1 microsecond')
    GROUP BY 1, 2, 3
),

trend AS (
    SELECT
        suite, rule,
        jsonb_agg(
            jsonb_build_object(
                'day', day::text, 'suite', suite, 'rule', rule, 'severity', severity, 'rows', rows, 'failed', failed,
                'share', coalesce(failed::double precision / nullif(rows, 0), 0)
            ) ORDER BY day
        ) AS buckets
    FROM bucket
    GROUP BY suite, rule
    HAVING sum(failed) > 0
)

SELECT
    found.suite, found.rule, newest.severity, found.verdicts, found.passed, found.rows, found.failed, example.sample,
    trend.buckets AS trend
FROM found
INNER JOIN etl.expectation_result AS newest ON found.last = newest.expectation_result_id
LEFT JOIN etl.expectation_result AS example ON found.with_sample = example.expectation_result_id
LEFT JOIN trend ON found.suite = trend.suite AND found.rule = trend.rule
ORDER BY found.suite, found.first;

-- name: quarantine
-- Lines in quarantine of files in the span, by rule, reason, field and state; open_lines: all that are open, however
-- many are listed.
SELECT
    quarantine.rule, quarantine.reason, quarantine.field, quarantine.state, count(*) AS lines,
    count(DISTINCT quarantine.etl_file_id) AS files, min(quarantine.quarantine_id) AS quarantine_id,
    coalesce(sum(count(*)) FILTER (WHERE quarantine.state = 'open') OVER (), 0)::bigint AS open_lines
FROM etl.quarantine
INNER JOIN etl.file USING (etl_file_id)
WHERE
    coalesce(file.min_timestamp, file.window_start, file.mtime) < CAST(:until AS timestamptz)
    AND coalesce(file.max_timestamp, file.window_end, file.window_start, file.mtime) >= CAST(:since AS timestamptz)
GROUP BY quarantine.rule, quarantine.reason, quarantine.field, quarantine.state
ORDER BY count(*) DESC, quarantine.rule, quarantine.reason
LIMIT :most;

-- name: examples
-- Examples of such lines; 400 bytes of each are shown.
SELECT
    quarantine.quarantine_id, file.path, quarantine.etl_line, substring(quarantine.raw FROM 1 FOR 400) AS raw
FROM etl.quarantine
INNER JOIN etl.file USING (etl_file_id)
WHERE quarantine.quarantine_id = ANY(:ids);

-- name: problems
-- Files in the span that somebody should look at, the worst first.
SELECT
    problem.path, problem.state, problem.kind, problem.reason, problem.rows_read, problem.open_lines, problem.rules,
    problem.accepted_by
FROM etl.file_problem AS problem
INNER JOIN etl.file USING (etl_file_id)
WHERE
    coalesce(file.min_timestamp, file.window_start, file.mtime) < CAST(:until AS timestamptz)
    AND coalesce(file.max_timestamp, file.window_end, file.window_start, file.mtime) >= CAST(:since AS timestamptz)
ORDER BY
    CASE problem.state WHEN 'refused' THEN 0 WHEN 'failed' THEN 1 WHEN 'incomplete' THEN 2 ELSE 3 END,
    problem.open_lines DESC, problem.finished_at DESC
LIMIT :most;

-- name: missing
-- How many windows in the span no file covers, as alerts count them.
SELECT coalesce(sum(expected.missed), 0)::bigint AS windows
FROM etl.gaps_since(CAST(:since AS timestamptz)) AS gap
CROSS JOIN
    LATERAL etl.missed_windows(
        gap.sensor, gap.window_start, gap.window_end, gap.windows, CAST(:quiet AS integer []), CAST(:own AS text []),
        CAST(:own_sensors AS text []), CAST(:own_hours AS integer [])
    ) AS expected
WHERE gap.window_start < CAST(:until AS timestamptz) AND gap.window_end > CAST(:since AS timestamptz);

-- name: completeness
-- The newest windows in the span, the missing ones too. Where the newest files begin is asked of the index first, so
-- that years before them are not read.
WITH newest AS (
    SELECT min(listed.window_start) AS first_start
    FROM (
        SELECT one.window_start
        FROM etl.sensor_interval AS sensor
        CROSS JOIN
            LATERAL (
                SELECT file.window_start FROM etl.file
                WHERE
                    file.sensor = sensor.sensor AND file.window_start < CAST(:until AS timestamptz)
                    AND file.state NOT IN ('skipped', 'unloaded')
                ORDER BY file.window_start DESC
                LIMIT :most
            ) AS one
        ORDER BY one.window_start DESC
        LIMIT :most
    ) AS listed
),

windows AS (
    SELECT found.*
    FROM newest, etl.completeness_since(greatest(newest.first_start, CAST(:since AS timestamptz))) AS found
    WHERE found.window_start < CAST(:until AS timestamptz) AND found.window_end > CAST(:since AS timestamptz)
    ORDER BY found.window_start DESC, found.sensor
    LIMIT :most
)

SELECT
    sensor, to_char(window_start AT TIME ZONE 'UTC', 'YYYY-MM-DD') AS day,
    extract(HOUR FROM window_start AT TIME ZONE 'UTC')::integer AS hour, state, rows_loaded, window_start
FROM windows
ORDER BY sensor, window_start;

-- name: lag
-- How far each sensor is behind.
SELECT sensor, newest_window_end, newest_row, loaded_at FROM etl.lag ORDER BY sensor;

-- name: columns
-- Columns of files in the span that the data dictionary lacks.
SELECT unknown_column.name, unknown_column.type, file.path, unknown_column.first_seen
FROM etl.unknown_column
INNER JOIN etl.file USING (etl_file_id)
WHERE
    coalesce(file.min_timestamp, file.window_start, file.mtime) < CAST(:until AS timestamptz)
    AND coalesce(file.max_timestamp, file.window_end, file.window_start, file.mtime) >= CAST(:since AS timestamptz)
ORDER BY unknown_column.first_seen DESC, unknown_column.name
LIMIT :most;

-- name: slowest
-- Files that took longest from the moment that they were complete until they were loaded.
SELECT
    path, state, size, rows_read, first_seen, finished_at,
    extract(EPOCH FROM finished_at - greatest(first_seen, window_end))::double precision AS seconds
FROM etl.file
WHERE
    finished_at IS NOT NULL AND etl.has_rows(state)
    AND coalesce(min_timestamp, window_start, mtime) < CAST(:until AS timestamptz)
    AND coalesce(max_timestamp, window_end, window_start, mtime) >= CAST(:since AS timestamptz)
ORDER BY finished_at - greatest(first_seen, window_end) DESC
LIMIT :most;

-- name: drift
-- Measures of days in the span that are not usual. The limits are those of the rules in expectations/conn_batch.json:
-- a share that moved by more than 0.1, an hour with less than a quarter or more than four times its usual rows.
SELECT day::text AS day, measure, value, usual
FROM etl.drift
WHERE
    usual IS NOT NULL
    AND day BETWEEN
    etl.day_of(CAST(:since AS timestamptz))
    AND etl.day_of(CAST(:until AS timestamptz) - interval '1 microsecond')
    AND (abs(shift) > 0.1 AND measure NOT LIKE 'rows.%' OR hour_ratio NOT BETWEEN 0.25 AND 4)
ORDER BY day DESC, measure
LIMIT :most;

-- name: keep
-- Keep a report.
INSERT INTO etl.report (run_id, since, until, verdict, html, content)
VALUES (:run, :since, :until, :verdict, :html, CAST(:content AS jsonb))
RETURNING report_id;

-- name: forget_old
-- Delete all but the newest reports.
DELETE FROM etl.report
WHERE report_id NOT IN (SELECT report_id FROM etl.report ORDER BY report_id DESC LIMIT :keep);

-- name: kept
-- The reports that are kept, the newest first.
SELECT report_id, run_id, since, until, verdict, created_at FROM etl.report ORDER BY report_id DESC LIMIT :most;

-- name: page
-- The page of a report.
SELECT html FROM etl.report WHERE report_id = :id;

-- name: newest_row
-- "@timestamp" of the newest row.
SELECT last_row FROM etl.loaded_span;

-- name: newest_verdicts
-- The newest result of each rule, failed ones first.
SELECT suite, rule, severity, success, rows, failed, created_at
FROM etl.rule_state
ORDER BY success, severity, suite, rule;

-- name: open_reasons
-- Open lines in quarantine by reason, the most frequent first.
SELECT rule, reason, field, lines, files, last_seen
FROM etl.quarantine_reason
WHERE state = 'open'
ORDER BY lines DESC, rule
LIMIT :most;

-- name: archive
-- Days of the span that are in the archive, by state.
SELECT
    state, count(*) AS days, count(*) FILTER (WHERE dropped) AS dropped_days, sum(rows)::bigint AS rows,
    sum(bytes)::bigint AS bytes
FROM etl.archived_day
WHERE day >= CAST(:since AS timestamptz)::date AND day < CAST(:until AS timestamptz)
GROUP BY state
ORDER BY state;

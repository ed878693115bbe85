-- A ledger of so many files, as hourly rotation at several sensors leaves it in years, and what hangs on it. No row is in
-- zeek.conn: to `verify` every file is wrong.
INSERT INTO etl.run (
    run_id, kind, arguments, started_at, ended_at, files, rows_read, rows_loaded, bytes_packed, bytes_read
)
SELECT
    'scheduled__' || number, 'dag', '{"dag": "conn_ingest"}', until.at - number * interval '1 hour',
    until.at - number * interval '1 hour' + interval '1 minute', 20, 2000, 1980, 20000, 200000
FROM
    generate_series(0, {runs} - 1) AS number,
    (SELECT date_trunc('hour', now(), 'UTC') AS at) AS until;

INSERT INTO etl.file (
    path, size, mtime, sensor, window_start, window_end, state, kind, reason, digest, compression, bytes_read, batch_id,
    batch_position, rows_read, rows_staged, rows_rejected, rows_failed, rows_loaded, rows_duplicate, rows_quarantined,
    min_timestamp, max_timestamp, mapping_version, run_id, first_seen, finished_at, extra_columns
)
SELECT
    '/logs/sensor-' || one.sensor || '/' || to_char(one.at, 'YYYY-MM-DD"/conn."HH24:MI:SS') || '.log.gz', 1000,
    one.at + interval '1 hour', 'sensor-' || one.sensor, one.at, one.at + interval '1 hour', one.state,
    CASE WHEN one.state = 'refused' THEN 'too_many_bad_rows' END,
    CASE WHEN one.state = 'refused' THEN '80 of its 100 rows are bad' END,
    sha256(one.number::text::bytea), 'gzip', 10000, one.number / {sensors}, one.number % {sensors}, 100, 100,
    one.bad, 0, 100 - one.bad, 0, one.bad, one.at, one.at + interval '59 minutes', 1,
    'scheduled__' || (one.number / {sensors}), one.at + interval '61 minutes', one.at + interval '62 minutes',
    '{"ip_proto": "count"}'
FROM (
    SELECT
        number, number % {sensors} AS sensor, until.at - (number / {sensors} + 1) * interval '1 hour' AS at,
        CASE WHEN number % 1000 = 7 THEN 'refused' WHEN number % 1000 = 8 THEN 'incomplete' ELSE 'published' END
            AS state,
        CASE WHEN number % 10 = 0 THEN 1 ELSE 0 END AS bad
    FROM
        generate_series(0, {files} - 1) AS number,
        (SELECT date_trunc('hour', now(), 'UTC') AS at) AS until
    -- an hour that never came, now and then
    WHERE number % 5003 <> 1
) AS one;

INSERT INTO etl.quarantine_format (digest, format)
VALUES (sha256('{"kind": "json"}'), '{"kind": "json"}');
INSERT INTO etl.quarantine (etl_file_id, etl_line, raw, format_digest, field, reason, rule, state, run_id, created_at)
SELECT
    etl_file_id, 9, convert_to(repeat('x', 200), 'UTF8'), sha256('{"kind": "json"}'), 'id.resp_h', 'not_an_address',
    'type.dst_ip_addr', CASE WHEN etl_file_id % 3 = 0 THEN 'open' ELSE 'discarded' END, run_id, finished_at
FROM etl.file
WHERE rows_quarantined > 0;

INSERT INTO etl.expectation_result (run_id, batch_id, suite, rule, severity, success, rows, failed, created_at)
SELECT
    'scheduled__' || batch, batch, 'conn_domain', 'domain.rule_' || rule, 'critical', batch % 50 <> 0, 2000,
    CASE WHEN batch % 50 = 0 THEN 3 ELSE 0 END, until.at - batch * interval '1 hour'
FROM
    generate_series(0, {runs} - 1) AS batch, generate_series(1, 20) AS rule,
    (SELECT date_trunc('hour', now(), 'UTC') AS at) AS until;
INSERT INTO etl.expectation_result (day, suite, rule, severity, success, rows, failed, created_at)
SELECT
    (until.at - day * interval '1 day')::date, 'conn_consistency', 'consistency.rule_' || rule, 'warning', true, 48000,
    0, until.at - day * interval '1 day'
FROM
    generate_series(0, {runs} / 24) AS day, generate_series(1, 10) AS rule,
    (SELECT date_trunc('hour', now(), 'UTC') AS at) AS until;

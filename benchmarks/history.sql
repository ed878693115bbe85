-- name: fill
-- One day of made-up flows, the same ones each time: :rows connections on :day.
-- About 8,000 hosts here talk to 60,000 outside, few of them much (the fourth power of a uniform draw); uids are
-- random text, as Zeek's are, so their index has no locality. Every 5,000th flow is one beacon's, every 1,000th a
-- tunnel's child.
INSERT INTO zeek.conn (
    "@timestamp", network_protocol, src_ip_addr, src_port, dst_ip_addr, dst_port, zeek_connection_tunnel_parents,
    event_uid, src_bytes, src_ip_bytes, src_packets, zeek_connection_local_src, zeek_connection_local_dst,
    event_duration, network_connection_history, network_connection_state, network_missed_bytes, network_application,
    dst_bytes, dst_ip_bytes, dst_packets, etl_file_id, etl_line, extra
)
SELECT
    CAST(:day AS timestamptz) + number * (INTERVAL '1 day' / :rows),
    CASE WHEN kind < 60 THEN 'tcp' WHEN kind < 96 THEN 'udp' ELSE 'icmp' END,
    CASE
        WHEN number % 5000 = 0 THEN inet '10.0.40.1'
        ELSE inet '10.0.0.0' + CAST(8000 * power(draw[1], 4) AS bigint)
    END,
    32768 + CAST(28000 * draw[2] AS integer),
    CASE
        WHEN number % 5000 = 0 THEN inet '198.19.200.1'
        WHEN kind % 4 = 0 THEN inet '10.0.0.0' + CAST(8000 * power(draw[3], 4) AS bigint)
        ELSE inet '198.18.0.0' + CAST(60000 * power(draw[3], 4) AS bigint)
    END,
    (ARRAY [443, 443, 80, 53, 53, 22, 25, 123, 8080, 445]) [1 + kind % 10],
    CASE WHEN number % 1000 = 0 THEN '["C' || substr(md5('parent' || :day || number), 1, 17) || '"]' END,
    'C' || substr(md5(:day || number), 1, 17),
    size, size + 400, 10, true, kind % 4 = 0,
    CASE WHEN kind % 9 > 0 THEN draw[4] * 100 END,
    CASE WHEN kind % 9 > 0 THEN 'ShADadFf' ELSE 'S' END,
    CASE WHEN kind % 9 > 0 THEN 'SF' ELSE 'S0' END,
    CASE WHEN kind = 17 THEN 1400 ELSE 0 END,
    (ARRAY ['ssl', 'ssl', 'http', 'dns', 'dns', 'ssh', 'smtp', 'ntp', 'ssl,http', NULL]) [1 + kind % 10],
    size * 3, size * 3 + 400, 12, :file, number, '{"ip_proto": 6}'
FROM (
    SELECT
        number, ARRAY [random(), random(), random(), random()] AS draw, CAST(floor(random() * 100) AS integer) AS kind,
        CAST(200 + 100000 * power(random(), 8) AS bigint) AS size
    FROM generate_series(0, :rows - 1) AS series (number)
) AS drawn

-- name: ledger
-- The made-up rows' file, so that the ledger knows their bounds.
INSERT INTO etl.file (
    path, size, mtime, sensor, state, rows_read, rows_loaded, rows_duplicate, rows_quarantined, min_timestamp,
    max_timestamp, finished_at
)
VALUES ('made up', 0, now(), 'bench', 'published', :rows, :rows, 0, 0, :first, :last, now())
RETURNING etl_file_id

-- name: some_uid
SELECT event_uid FROM zeek.conn
WHERE "@timestamp" >= CAST(:since AS timestamptz) AND "@timestamp" < CAST(:until AS timestamptz)
OFFSET :rows LIMIT 1

-- name: some_host
-- An ordinary host: the median of those that called at all on the day.
SELECT host(src_ip_addr) AS host
FROM zeek.conn
WHERE "@timestamp" >= CAST(:since AS timestamptz) AND "@timestamp" < CAST(:until AS timestamptz)
GROUP BY src_ip_addr
ORDER BY count(*)
OFFSET (
    SELECT count(DISTINCT src_ip_addr) / 2
    FROM zeek.conn
    WHERE "@timestamp" >= CAST(:since AS timestamptz) AND "@timestamp" < CAST(:until AS timestamptz)
)
LIMIT 1

-- name: longest_wait
-- How long any session but those of the maintenance has been waiting for a lock, now.
SELECT coalesce(max(extract(EPOCH FROM clock_timestamp() - locks.waitstart)), 0)::double precision AS seconds
FROM pg_locks AS locks
INNER JOIN pg_stat_activity AS activity ON locks.pid = activity.pid
WHERE NOT locks.granted AND activity.datname = current_database() AND activity.application_name <> 'conn-etl maintenance'

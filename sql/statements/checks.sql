-- name: measure
-- What the day is like, from one scan of its partition. An hour counts once the ledger has a row or a window after it.
-- The windows are looked through only where no row tells that the day is over.
INSERT INTO etl.day_measure (day, measure, value, rows)
WITH profile AS MATERIALIZED (
    SELECT
        date_trunc('hour', "@timestamp" AT TIME ZONE 'UTC') AS hour,
        network_connection_state AS state,
        network_protocol AS protocol,
        count(*) AS total,
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
        count(*) FILTER (WHERE src_bytes > 0 AND dst_bytes > 0) AS talked,
        count(*) FILTER (WHERE src_bytes > 0 AND dst_bytes > 0 AND network_application IS NULL) AS unknown
    FROM zeek.conn
    WHERE "@timestamp" >= etl.day_start(CAST(:day AS date)) AND "@timestamp" < etl.day_start(CAST(:day AS date) + 1)
    GROUP BY 1, 2, 3
),

all_rows AS (
    SELECT
        sum(total) AS total,
        sum(talked) AS talked,
        sum(unknown) AS unknown
    FROM profile
),

counted AS (
    SELECT
        columns.key AS name,
        sum(CAST(columns.value AS bigint)) AS filled
    FROM profile, jsonb_each_text(to_jsonb(profile)) AS columns
    WHERE columns.key NOT IN ('hour', 'state', 'protocol', 'total', 'talked', 'unknown')
    GROUP BY columns.key
)

SELECT
    CAST(:day AS date),
    'rows.' || to_char(hours.hour, 'HH24'),
    coalesce((SELECT sum(profile.total) FROM profile WHERE profile.hour = hours.hour), 0),
    coalesce((SELECT sum(profile.total) FROM profile WHERE profile.hour = hours.hour), 0)
FROM
    generate_series(CAST(:day AS timestamp), CAST(:day AS timestamp) + interval '23 hours', interval '1 hour')
        AS hours (hour)
WHERE
    (
        (SELECT last_row FROM etl.loaded_span) >= etl.day_start(CAST(:day AS date) + 1)
        OR hours.hour + interval '1 hour' <= (
            SELECT max(greatest(file.window_end, file.max_timestamp)) AT TIME ZONE 'UTC'
            FROM etl.file
            WHERE file.rows_loaded > 0
        )
    )
    AND hours.hour + interval '1 hour' > (SELECT first_row AT TIME ZONE 'UTC' FROM etl.loaded_span)
UNION ALL
SELECT
    CAST(:day AS date),
    'null.' || counted.name,
    1 - CAST(counted.filled AS double precision) / CAST(all_rows.total AS double precision),
    all_rows.total
FROM counted, all_rows
WHERE all_rows.total > 0
UNION ALL
SELECT
    CAST(:day AS date),
    'unknown_service',
    CAST(all_rows.unknown AS double precision) / CAST(all_rows.talked AS double precision),
    all_rows.talked
FROM all_rows
WHERE all_rows.talked > 0
UNION ALL
SELECT
    CAST(:day AS date),
    'state.' || coalesce(profile.state, 'unset'),
    CAST(sum(profile.total) AS double precision) / CAST(all_rows.total AS double precision),
    all_rows.total
FROM profile, all_rows
GROUP BY coalesce(profile.state, 'unset'), all_rows.total
UNION ALL
SELECT
    CAST(:day AS date),
    'protocol.' || profile.protocol,
    CAST(sum(profile.total) AS double precision) / CAST(all_rows.total AS double precision),
    all_rows.total
FROM profile, all_rows
GROUP BY profile.protocol, all_rows.total;

-- name: forget_measures
-- Forget the measures of a day.
DELETE FROM etl.day_measure WHERE day = :day;

-- name: unmeasured
-- Days that the measures of this day are compared with (28 days of hours, 14 of shares: see etl.drift), that have a
-- partition and no measures yet.
SELECT day.day::date AS day
FROM generate_series(CAST(:day AS date) - 28, CAST(:day AS date) - 1, interval '1 day') AS day (day)
WHERE
    (CAST(:day AS date) - day.day::date <= 14 OR (CAST(:day AS date) - day.day::date) % 7 = 0)
    AND to_regclass('zeek.conn_' || to_char(day.day, 'YYYYMMDD')) IS NOT NULL
    AND NOT EXISTS (SELECT FROM etl.day_measure AS measured WHERE measured.day = day.day::date)
ORDER BY day.day;

-- name: rows_of
-- Number of rows of a day: of the relation etl.conn_relation.
SELECT count(*) FROM zeek.conn
WHERE "@timestamp" >= etl.day_start(CAST(:day AS date)) AND "@timestamp" < etl.day_start(CAST(:day AS date) + 1);

-- name: measures_of
-- Number of measures of a day: of the relation etl.drift.
SELECT count(*) FROM etl.day_measure WHERE day = :day;

-- name: touched_days
-- Days of the table on which files were loaded, replaced or taken away since a moment, newest first; those between
-- the first and the last row of a file count.
SELECT DISTINCT day.day::date AS day
FROM etl.file
CROSS JOIN
    LATERAL generate_series(
        etl.day_of(file.min_timestamp), etl.day_of(file.max_timestamp), interval '1 day'
    ) AS day (day)
WHERE
    file.finished_at >= CAST(:since AS timestamptz) AND file.rows_loaded > 0
    AND to_regclass('zeek.conn_' || to_char(day.day, 'YYYYMMDD')) IS NOT NULL
ORDER BY 1 DESC
LIMIT :most;

-- name: conn_relation
-- The relation conn_relation of a day, for the suites that name it.
SELECT * FROM etl.conn_relation
WHERE "@timestamp" >= etl.day_start(CAST(:day AS date)) AND "@timestamp" < etl.day_start(CAST(:day AS date) + 1);

-- name: drift
-- The relation drift of a day, for the suites that name it.
SELECT * FROM etl.drift WHERE day = CAST(:day AS date);

-- name: newest_day
-- The newest day with rows.
SELECT etl.day_of(last_row) FROM etl.loaded_span;

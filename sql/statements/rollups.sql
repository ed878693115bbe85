-- name: touch
-- The hours of these moments are due. For code that changes rows by another way than publish.insert_all,
-- publish.insert_new and undo.delete_rows, which mark hours themselves.
INSERT INTO etl.touched_hour (hour)
SELECT DISTINCT etl.hour_of(moments.moment) FROM unnest(CAST(:moments AS timestamptz [])) AS moments (moment);

-- name: touch_all
-- Every hour that may have rows, and every hour that has a rollup.
INSERT INTO etl.touched_hour (hour)
SELECT hours.hour
FROM etl.file
CROSS JOIN
    LATERAL generate_series(
        etl.hour_of(file.min_timestamp), etl.hour_of(file.max_timestamp), interval '1 hour'
    ) AS hours (hour)
WHERE file.min_timestamp IS NOT NULL
UNION
SELECT hour FROM zeek.conn_hour;

-- name: due
-- Hours to recompute, the oldest first. A day that retention dropped keeps the rollup that it had then.
SELECT DISTINCT touched.hour
FROM etl.touched_hour AS touched
WHERE
    (
        CAST(:day AS date) IS NULL
        AND NOT EXISTS (
            SELECT FROM etl.retired_day AS retired
            WHERE retired.day = etl.day_of(touched.hour)
        )
    ) OR etl.day_of(touched.hour) = CAST(:day AS date)
ORDER BY touched.hour;

-- name: forget
-- The marks that are visible now; what the statements after this one see includes the rows behind them.
DELETE FROM etl.touched_hour WHERE hour = :hour;

-- name: forget_day
-- Forget the marks of a dropped day.
DELETE FROM etl.touched_hour WHERE etl.day_of(hour) = :day;

-- name: clear
-- Delete the rollup of an hour.
DELETE FROM zeek.conn_hour WHERE hour = :hour;

-- name: add
-- Compute the rollup of an hour.
INSERT INTO zeek.conn_hour
SELECT * FROM zeek.hour_sums(CAST(:hour AS timestamptz), CAST(:next_hour AS timestamptz), CAST(:hour AS timestamptz));

-- name: top_is_stale
-- The top addresses and destinations of a sealed day are due.
UPDATE etl.sealed_day SET top_stale = true WHERE day = :day AND NOT top_stale;

-- name: stale_tops
-- Sealed days whose top addresses and destinations are due.
SELECT day FROM etl.sealed_day
WHERE top_stale AND NOT EXISTS (SELECT FROM etl.retired_day AS retired WHERE retired.day = sealed_day.day)
ORDER BY day;

-- name: top_is_fresh
-- The top addresses and destinations of a sealed day are current.
UPDATE etl.sealed_day SET top_stale = false WHERE day = :day;

-- name: clear_top
-- Delete the top addresses of a day.
DELETE FROM zeek.top_address WHERE day = :day;

-- name: add_top
-- Compute the top addresses of a day: the first by bytes and the first by connections, for each role.
INSERT INTO zeek.top_address
SELECT *
FROM
    zeek.address_sums(
        etl.day_start(CAST(:day AS date)), etl.day_start(CAST(:day AS date) + 1), CAST(:day AS date)
    )
WHERE rank_by_bytes <= :most OR rank_by_connections <= :most;

-- name: clear_destinations
-- Delete the destinations of a day.
DELETE FROM zeek.destination_day WHERE day = :day;

-- name: add_destinations
-- The destinations of a day.
INSERT INTO zeek.destination_day (day, dst_ip_addr)
SELECT DISTINCT CAST(:day AS date), dst_ip_addr
FROM zeek.conn
WHERE
    "@timestamp" >= etl.day_start(CAST(:day AS date)) AND "@timestamp" < etl.day_start(CAST(:day AS date) + 1);

-- name: differences
-- Hours whose rollup is not the sum of their rows; hours that are due and retired days are left out.
WITH settled AS MATERIALIZED (
    SELECT * FROM zeek.conn_hour
),

fresh AS MATERIALIZED (
    SELECT
        etl.hour_of(conn."@timestamp") AS hour, etl.rollup_key(conn.network_protocol) AS network_protocol,
        etl.rollup_key(conn.network_application) AS network_application,
        conn.network_connection_state, etl.rollup_key(file.sensor) AS sensor, count(*) AS connections,
        sum(conn.src_bytes) AS src_bytes,
        sum(conn.dst_bytes) AS dst_bytes, sum(conn.src_ip_bytes) AS src_ip_bytes,
        sum(conn.dst_ip_bytes) AS dst_ip_bytes, sum(conn.src_packets) AS src_packets,
        sum(conn.dst_packets) AS dst_packets, sum(conn.network_missed_bytes) AS network_missed_bytes
    FROM zeek.conn
    INNER JOIN etl.file AS file ON conn.etl_file_id = file.etl_file_id
    GROUP BY
        etl.hour_of(conn."@timestamp"), etl.rollup_key(conn.network_protocol),
        etl.rollup_key(conn.network_application), conn.network_connection_state, etl.rollup_key(file.sensor)
)

SELECT wrong.hour, sum(wrong.missing) AS missing, sum(wrong.surplus) AS surplus
FROM (
    SELECT lacking.hour, 1 AS missing, 0 AS surplus
    FROM (
        SELECT * FROM fresh
        EXCEPT ALL
        SELECT * FROM settled
    ) AS lacking
    UNION ALL
    SELECT left_over.hour, 0, 1
    FROM (
        SELECT * FROM settled
        EXCEPT ALL
        SELECT * FROM fresh
    ) AS left_over
) AS wrong
WHERE
    NOT EXISTS (SELECT FROM etl.touched_hour AS touched WHERE touched.hour = wrong.hour)
    AND NOT EXISTS (
        SELECT FROM etl.retired_day AS retired WHERE retired.day = etl.day_of(wrong.hour)
    )
GROUP BY wrong.hour
ORDER BY wrong.hour;

-- name: checkable_tops
-- Sealed days whose top addresses and destinations should be right now.
SELECT sealed.day
FROM etl.sealed_day AS sealed
WHERE
    NOT sealed.top_stale
    AND NOT EXISTS (SELECT FROM etl.retired_day AS retired WHERE retired.day = sealed.day)
    AND NOT EXISTS (
        SELECT FROM etl.touched_hour AS touched WHERE etl.day_of(touched.hour) = sealed.day
    )
ORDER BY sealed.day;

-- name: top_sums
-- Addresses of a day for which zeek.top_address differs from the sums of the rows.
SELECT top.role, top.ip_addr
FROM zeek.top_address AS top
LEFT JOIN (
    SELECT
        'src' AS role, conn.src_ip_addr AS ip_addr, count(*) AS connections, sum(conn.src_ip_bytes) AS src_ip_bytes,
        sum(conn.dst_ip_bytes) AS dst_ip_bytes, sum(conn.src_bytes) AS src_bytes, sum(conn.dst_bytes) AS dst_bytes,
        sum(conn.network_missed_bytes) AS network_missed_bytes
    FROM zeek.conn
    WHERE conn."@timestamp" >= etl.day_start(:day) AND conn."@timestamp" < etl.day_start(CAST(:day AS date) + 1)
    GROUP BY conn.src_ip_addr
    UNION ALL
    SELECT
        'dst', conn.dst_ip_addr, count(*), sum(conn.src_ip_bytes), sum(conn.dst_ip_bytes), sum(conn.src_bytes),
        sum(conn.dst_bytes), sum(conn.network_missed_bytes)
    FROM zeek.conn
    WHERE conn."@timestamp" >= etl.day_start(:day) AND conn."@timestamp" < etl.day_start(CAST(:day AS date) + 1)
    GROUP BY conn.dst_ip_addr
) AS sums ON top.role = sums.role AND top.ip_addr = sums.ip_addr
WHERE
    top.day = :day
    AND (
        top.connections, top.src_ip_bytes, top.dst_ip_bytes, top.src_bytes, top.dst_bytes, top.network_missed_bytes
    ) IS DISTINCT FROM (
        sums.connections, sums.src_ip_bytes, sums.dst_ip_bytes, sums.src_bytes, sums.dst_bytes,
        sums.network_missed_bytes
    );

-- name: destination_differences
-- Addresses that were called on a day and are not in its rollup, or the other way round.
SELECT count(*)
FROM (SELECT dst_ip_addr FROM zeek.destination_day WHERE day = :day) AS known
FULL JOIN (
    SELECT DISTINCT conn.dst_ip_addr
    FROM zeek.conn
    WHERE conn."@timestamp" >= etl.day_start(:day) AND conn."@timestamp" < etl.day_start(CAST(:day AS date) + 1)
) AS called ON known.dst_ip_addr = called.dst_ip_addr
WHERE known.dst_ip_addr IS NULL OR called.dst_ip_addr IS NULL;

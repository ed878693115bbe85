-- name: touch
-- The hours of these moments are due: for whoever changes rows by another way than the statements that mark themselves
-- (publish.insert_all, publish.insert_new, undo.delete_rows).
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
-- Hours to recompute, oldest first. A day that retention took keeps what it had when its rows went.
SELECT DISTINCT touched.hour
FROM etl.touched_hour AS touched
WHERE
    (
        CAST(:day AS date) IS NULL
        AND NOT EXISTS (
            SELECT FROM etl.retired_day AS retired
            WHERE retired.day = CAST(touched.hour AT TIME ZONE 'UTC' AS date)
        )
    ) OR CAST(touched.hour AT TIME ZONE 'UTC' AS date) = CAST(:day AS date)
ORDER BY touched.hour;

-- name: forget
-- The marks that are visible now; what the statements after this one see includes the rows behind them.
DELETE FROM etl.touched_hour WHERE hour = :hour;

-- name: forget_day
DELETE FROM etl.touched_hour WHERE CAST(hour AT TIME ZONE 'UTC' AS date) = :day;

-- name: clear
DELETE FROM zeek.conn_hour WHERE hour = :hour;

-- name: add
INSERT INTO zeek.conn_hour
SELECT
    :hour, conn.network_protocol, conn.network_application, conn.network_connection_state, file.sensor, count(*),
    sum(conn.src_bytes), sum(conn.dst_bytes), sum(conn.src_ip_bytes), sum(conn.dst_ip_bytes), sum(conn.src_packets),
    sum(conn.dst_packets), sum(conn.network_missed_bytes)
FROM zeek.conn
INNER JOIN etl.file AS file ON conn.etl_file_id = file.etl_file_id
WHERE
    conn."@timestamp" >= CAST(:hour AS timestamptz)
    AND conn."@timestamp" < CAST(:next_hour AS timestamptz)
GROUP BY conn.network_protocol, conn.network_application, conn.network_connection_state, file.sensor;

-- name: top_is_stale
UPDATE etl.sealed_day SET top_stale = true WHERE day = :day AND NOT top_stale;

-- name: stale_tops
SELECT day FROM etl.sealed_day
WHERE top_stale AND NOT EXISTS (SELECT FROM etl.retired_day AS retired WHERE retired.day = sealed_day.day)
ORDER BY day;

-- name: top_is_fresh
UPDATE etl.sealed_day SET top_stale = false WHERE day = :day;

-- name: clear_top
DELETE FROM zeek.top_address WHERE day = :day;

-- name: add_top
INSERT INTO zeek.top_address
SELECT
    :day, ranked.role, ranked.ip_addr, ranked.connections, ranked.src_bytes, ranked.dst_bytes, ranked.rank_by_bytes,
    ranked.rank_by_connections
FROM (
    SELECT
        sums.*,
        row_number() OVER (
            PARTITION BY sums.role ORDER BY coalesce(sums.src_bytes, 0) + coalesce(sums.dst_bytes, 0) DESC, sums.ip_addr
        ) AS rank_by_bytes,
        row_number() OVER (
            PARTITION BY sums.role ORDER BY sums.connections DESC, sums.ip_addr
        ) AS rank_by_connections
    FROM (
        SELECT
            'src' AS role, conn.src_ip_addr AS ip_addr, count(*) AS connections, sum(conn.src_bytes) AS src_bytes,
            sum(conn.dst_bytes) AS dst_bytes
        FROM zeek.conn
        WHERE conn."@timestamp" >= CAST(:first AS timestamptz) AND conn."@timestamp" < CAST(:after AS timestamptz)
        GROUP BY conn.src_ip_addr
        UNION ALL
        SELECT 'dst', conn.dst_ip_addr, count(*), sum(conn.src_bytes), sum(conn.dst_bytes)
        FROM zeek.conn
        WHERE conn."@timestamp" >= CAST(:first AS timestamptz) AND conn."@timestamp" < CAST(:after AS timestamptz)
        GROUP BY conn.dst_ip_addr
    ) AS sums
) AS ranked
WHERE ranked.rank_by_bytes <= :most OR ranked.rank_by_connections <= :most;

-- name: differences
-- Hours whose rollup is not what their rows add up to, those that are due or whose day is retired left out.
WITH settled AS MATERIALIZED (
    SELECT * FROM zeek.conn_hour
),

fresh AS MATERIALIZED (
    SELECT
        etl.hour_of(conn."@timestamp") AS hour, conn.network_protocol, conn.network_application,
        conn.network_connection_state, file.sensor, count(*) AS connections, sum(conn.src_bytes) AS src_bytes,
        sum(conn.dst_bytes) AS dst_bytes, sum(conn.src_ip_bytes) AS src_ip_bytes,
        sum(conn.dst_ip_bytes) AS dst_ip_bytes, sum(conn.src_packets) AS src_packets,
        sum(conn.dst_packets) AS dst_packets, sum(conn.network_missed_bytes) AS network_missed_bytes
    FROM zeek.conn
    INNER JOIN etl.file AS file ON conn.etl_file_id = file.etl_file_id
    GROUP BY
        etl.hour_of(conn."@timestamp"), conn.network_protocol, conn.network_application,
        conn.network_connection_state, file.sensor
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
        SELECT FROM etl.retired_day AS retired WHERE retired.day = CAST(wrong.hour AT TIME ZONE 'UTC' AS date)
    )
GROUP BY wrong.hour
ORDER BY wrong.hour;

-- name: checkable_tops
-- Sealed days whose top addresses should be right now.
SELECT sealed.day
FROM etl.sealed_day AS sealed
WHERE
    NOT sealed.top_stale
    AND NOT EXISTS (SELECT FROM etl.retired_day AS retired WHERE retired.day = sealed.day)
    AND NOT EXISTS (
        SELECT FROM etl.touched_hour AS touched WHERE CAST(touched.hour AT TIME ZONE 'UTC' AS date) = sealed.day
    )
ORDER BY sealed.day;

-- name: top_sums
-- What a day's top addresses say of each address beside what its rows say; only lines that differ.
SELECT top.role, top.ip_addr
FROM zeek.top_address AS top
LEFT JOIN (
    SELECT
        'src' AS role, conn.src_ip_addr AS ip_addr, count(*) AS connections, sum(conn.src_bytes) AS src_bytes,
        sum(conn.dst_bytes) AS dst_bytes
    FROM zeek.conn
    WHERE conn."@timestamp" >= CAST(:first AS timestamptz) AND conn."@timestamp" < CAST(:after AS timestamptz)
    GROUP BY conn.src_ip_addr
    UNION ALL
    SELECT 'dst', conn.dst_ip_addr, count(*), sum(conn.src_bytes), sum(conn.dst_bytes)
    FROM zeek.conn
    WHERE conn."@timestamp" >= CAST(:first AS timestamptz) AND conn."@timestamp" < CAST(:after AS timestamptz)
    GROUP BY conn.dst_ip_addr
) AS sums ON top.role = sums.role AND top.ip_addr = sums.ip_addr
WHERE
    top.day = :day
    AND (top.connections, top.src_bytes, top.dst_bytes)
    IS DISTINCT FROM (sums.connections, sums.src_bytes, sums.dst_bytes);

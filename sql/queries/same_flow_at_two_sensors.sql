-- question: Which flows were seen by two sensors?
-- answer: One line a pair of rows. by: community_id where both rows have one, else five_tuple (protocol, addresses,
--   ports) begun within so many seconds of each other. Bytes that differ point at loss or at a path seen in part.
-- param within double precision = 5: seconds between the two beginnings at most
-- param most integer = 1000: lines at most
WITH flows AS MATERIALIZED (
    SELECT
        file.sensor, conn."@timestamp", conn.event_uid, conn.network_protocol, conn.src_ip_addr, conn.src_port,
        conn.dst_ip_addr, conn.dst_port, conn.src_bytes, conn.dst_bytes, conn.extra ->> 'community_id' AS community_id
    FROM zeek.conn
    INNER JOIN etl.file AS file ON conn.etl_file_id = file.etl_file_id
    WHERE conn."@timestamp" >= CAST(:since AS timestamptz) AND conn."@timestamp" < CAST(:until AS timestamptz)
),

shared AS MATERIALIZED (
    SELECT network_protocol, src_ip_addr, src_port, dst_ip_addr, dst_port
    FROM flows
    GROUP BY network_protocol, src_ip_addr, src_port, dst_ip_addr, dst_port
    HAVING min(sensor) < max(sensor)
),

candidates AS MATERIALIZED (
    SELECT flows.*
    FROM flows
    INNER JOIN shared USING (network_protocol, src_ip_addr, src_port, dst_ip_addr, dst_port)
),

pairs AS (
    SELECT
        'community_id' AS "by", one.*, -- noqa: RF06
        other."@timestamp" AS other_timestamp, other.sensor AS other_sensor,
        other.event_uid AS other_uid, other.src_bytes AS other_src_bytes, other.dst_bytes AS other_dst_bytes
    FROM flows AS one
    INNER JOIN flows AS other ON one.community_id = other.community_id AND one.sensor < other.sensor
    UNION ALL
    SELECT
        'five_tuple', one.*, other."@timestamp", other.sensor, other.event_uid, other.src_bytes, other.dst_bytes
    FROM candidates AS one
    INNER JOIN
        candidates AS other
        ON
            one.network_protocol = other.network_protocol AND one.src_ip_addr = other.src_ip_addr
            AND one.src_port = other.src_port AND one.dst_ip_addr = other.dst_ip_addr AND one.dst_port = other.dst_port
            AND one.sensor < other.sensor
    WHERE one.community_id IS NULL OR other.community_id IS NULL
)

SELECT
    "by", "@timestamp", network_protocol, -- noqa: RF06
    src_ip_addr, src_port, dst_ip_addr, dst_port, sensor, event_uid, src_bytes,
    dst_bytes, other_sensor, other_uid, other_src_bytes, other_dst_bytes
FROM pairs
WHERE
    sensor < other_sensor
    AND abs(extract(EPOCH FROM "@timestamp" - other_timestamp)) <= CAST(:within AS double precision)
ORDER BY "@timestamp", event_uid, other_uid
LIMIT :most

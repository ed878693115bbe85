-- question: Which pairs were connected longest, all their connections added up?
-- answer: One line for originator, target, port and protocol, the longest sum first. seconds: the durations added up
--   (connections at the same time count each); longest: the longest single one. Connections that are still open are not
--   logged yet. ip_bytes: what crossed the wire in both directions.
-- param connections integer = 1: connections at least
-- param most integer = 20: lines at most
-- names: dst_ip_addr
WITH longest AS MATERIALIZED (
    SELECT src_ip_addr, dst_ip_addr, dst_port, network_protocol
    FROM zeek.conn
    WHERE
        "@timestamp" >= CAST(:since AS timestamptz) AND "@timestamp" < CAST(:until AS timestamptz)
        AND event_duration IS NOT NULL
    GROUP BY src_ip_addr, dst_ip_addr, dst_port, network_protocol
    HAVING count(*) >= :connections
    -- to the millisecond, half of one upwards as seconds has it: what sums of floats add behind it is noise. In
    -- floats, because a million sums as numeric take two seconds
    ORDER BY
        floor(sum(event_duration) * 1000 + 0.5001) DESC, src_ip_addr, dst_ip_addr, dst_port, network_protocol
    LIMIT :most
)

SELECT
    src_ip_addr, dst_ip_addr, dst_port, network_protocol, count(*) AS connections,
    round(sum(event_duration)::numeric, 3) AS seconds, round(max(event_duration)::numeric, 3) AS longest,
    coalesce(sum(src_ip_bytes), 0) + coalesce(sum(dst_ip_bytes), 0) AS ip_bytes, min("@timestamp") AS first,
    max("@timestamp") AS last
FROM zeek.conn
WHERE
    "@timestamp" >= CAST(:since AS timestamptz) AND "@timestamp" < CAST(:until AS timestamptz)
    AND event_duration IS NOT NULL
    -- IS TRUE keeps it from becoming a join, by the index of an address that most rows may have
    AND ((src_ip_addr, dst_ip_addr, dst_port, network_protocol) IN (SELECT * FROM longest)) IS TRUE
GROUP BY src_ip_addr, dst_ip_addr, dst_port, network_protocol
ORDER BY seconds DESC, src_ip_addr, dst_ip_addr, dst_port, network_protocol
LIMIT :most

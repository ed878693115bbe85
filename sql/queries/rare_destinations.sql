-- question: Which destinations outside do only few hosts call?
-- answer: One line a destination, those with the fewest hosts first, then the most bytes. prevalence: these hosts as a
--   share of all hosts that called anything outside in the span. Outside is what the sensor says, or, where it says
--   nothing, any address that is not private. ip_bytes: what crossed the wire in both directions.
-- param hosts integer = 1: hosts that called it at most
-- param most integer = 100: lines at most
-- names: dst_ip_addr
WITH outside AS MATERIALIZED (
    SELECT
        dst_ip_addr, src_ip_addr, count(*) AS connections, min("@timestamp") AS first, max("@timestamp") AS last,
        coalesce(sum(src_ip_bytes), 0) + coalesce(sum(dst_ip_bytes), 0) AS ip_bytes
    FROM zeek.conn
    WHERE
        "@timestamp" >= CAST(:since AS timestamptz) AND "@timestamp" < CAST(:until AS timestamptz)
        AND zeek.is_external(dst_ip_addr, zeek_connection_local_dst)
    GROUP BY dst_ip_addr, src_ip_addr
)

SELECT
    dst_ip_addr, count(*) AS hosts,
    round(count(*)::numeric / (SELECT count(DISTINCT everyone.src_ip_addr) FROM outside AS everyone), 4) AS prevalence,
    sum(connections)::bigint AS connections, sum(ip_bytes) AS ip_bytes, min(first) AS first, max(last) AS last
FROM outside
GROUP BY dst_ip_addr
HAVING count(*) <= :hosts
ORDER BY hosts, ip_bytes DESC, dst_ip_addr
LIMIT :most

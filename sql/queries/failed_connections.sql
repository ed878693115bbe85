-- question: Who fails to connect most often, and to what?
-- answer: One line an originator, target and port, those with most failures first. Failed: the attempt saw no answer or
--   a refusal (S0, REJ, RSTOS0, RSTRH, SH, SHR); attempts: all connections of the same three, so share 1 never works.
-- param most integer = 50: lines at most
WITH failing AS MATERIALIZED (
    SELECT src_ip_addr, dst_ip_addr, dst_port, network_protocol, count(*) AS failed
    FROM zeek.conn
    WHERE
        "@timestamp" >= CAST(:since AS timestamptz) AND "@timestamp" < CAST(:until AS timestamptz)
        AND network_connection_state IN ('S0', 'REJ', 'RSTOS0', 'RSTRH', 'SH', 'SHR')
    GROUP BY src_ip_addr, dst_ip_addr, dst_port, network_protocol
    ORDER BY failed DESC, src_ip_addr, dst_ip_addr, dst_port, network_protocol
    LIMIT :most
)

SELECT
    src_ip_addr, dst_ip_addr, dst_port, network_protocol,
    count(*) FILTER (
        WHERE network_connection_state IN ('S0', 'REJ', 'RSTOS0', 'RSTRH', 'SH', 'SHR')
    ) AS failed,
    count(*) AS attempts,
    round(
        count(*) FILTER (
            WHERE network_connection_state IN ('S0', 'REJ', 'RSTOS0', 'RSTRH', 'SH', 'SHR')
        )::numeric / count(*), 3
    ) AS share
FROM zeek.conn
WHERE
    "@timestamp" >= CAST(:since AS timestamptz) AND "@timestamp" < CAST(:until AS timestamptz)
    -- IS TRUE keeps it from becoming a join, by the index of an address that most rows may have
    AND (
        (src_ip_addr, dst_ip_addr, dst_port, network_protocol) IN (
            SELECT src_ip_addr, dst_ip_addr, dst_port, network_protocol FROM failing
        )
    ) IS TRUE
GROUP BY src_ip_addr, dst_ip_addr, dst_port, network_protocol
ORDER BY failed DESC, src_ip_addr, dst_ip_addr, dst_port, network_protocol
LIMIT :most

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
    src_ip_addr, dst_ip_addr, dst_port, network_protocol, failing.failed, count(*) AS attempts,
    round(failing.failed::numeric / count(*), 3) AS share
FROM failing
INNER JOIN zeek.conn USING (src_ip_addr, dst_ip_addr, dst_port, network_protocol)
WHERE "@timestamp" >= CAST(:since AS timestamptz) AND "@timestamp" < CAST(:until AS timestamptz)
GROUP BY src_ip_addr, dst_ip_addr, dst_port, network_protocol, failing.failed
ORDER BY failing.failed DESC, src_ip_addr, dst_ip_addr, dst_port, network_protocol
LIMIT :most

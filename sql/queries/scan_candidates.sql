-- question: Which originators look as if they scan?
-- answer: One line an originator whose failed attempts reach at least so many different targets (an address with a
--   port). Many addresses and few ports: a sweep; one address and many ports: a port scan. Peers behind a firewall that
--   drops, and monitoring, look the same.
-- param targets integer = 25: different address and port pairs at least
-- param most integer = 1000: lines at most
WITH targets AS (
    SELECT
        src_ip_addr, dst_ip_addr, dst_port, count(*) AS failed, min("@timestamp") AS first, max("@timestamp") AS last
    FROM zeek.conn
    WHERE
        "@timestamp" >= CAST(:since AS timestamptz) AND "@timestamp" < CAST(:until AS timestamptz)
        AND network_protocol IN ('tcp', 'udp')
        AND network_connection_state IN ('S0', 'REJ', 'RSTOS0', 'RSTRH', 'SH', 'SHR')
    GROUP BY src_ip_addr, dst_ip_addr, dst_port
)

SELECT
    src_ip_addr, CAST(sum(failed) AS bigint) AS failed, count(*) AS targets, count(DISTINCT dst_ip_addr) AS addresses,
    count(DISTINCT dst_port) AS ports, min(first) AS first, max(last) AS last
FROM targets
GROUP BY src_ip_addr
HAVING count(*) >= :targets
ORDER BY targets DESC, src_ip_addr
LIMIT :most

-- question: Which pairs use many ports?
-- answer: One line for originator, target and protocol, the most different ports of the target first. port_list: the
--   twenty ports with most connections. Many ports that mostly fail are a port scan; a few beside 80 and 443 are worth
--   a look. ICMP has no ports and is left out.
-- param ports integer = 5: different ports at least
-- param most integer = 100: lines at most
-- names: dst_ip_addr
SELECT
    pairs.src_ip_addr, pairs.dst_ip_addr, pairs.network_protocol, count(*) AS ports,
    (array_agg(pairs.dst_port ORDER BY pairs.connections DESC, pairs.dst_port))[1:20] AS port_list,
    sum(pairs.connections)::bigint AS connections, sum(pairs.failed)::bigint AS failed
FROM (
    SELECT
        src_ip_addr, dst_ip_addr, network_protocol, dst_port, count(*) AS connections,
        count(*) FILTER (
            WHERE network_connection_state IN ('S0', 'REJ', 'RSTOS0', 'RSTRH', 'SH', 'SHR')
        ) AS failed
    FROM zeek.conn
    WHERE
        "@timestamp" >= CAST(:since AS timestamptz) AND "@timestamp" < CAST(:until AS timestamptz)
        AND network_protocol <> 'icmp'
    GROUP BY src_ip_addr, dst_ip_addr, network_protocol, dst_port
) AS pairs
GROUP BY pairs.src_ip_addr, pairs.dst_ip_addr, pairs.network_protocol
HAVING count(*) >= :ports
ORDER BY ports DESC, pairs.src_ip_addr, pairs.dst_ip_addr, pairs.network_protocol
LIMIT :most

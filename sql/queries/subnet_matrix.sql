-- question: Which networks talk to which, and how much?
-- answer: One line for originator's and responder's network, the heaviest first. Bytes are payload in both directions.
-- param v4 integer = 24: prefix length of IPv4 networks
-- param v6 integer = 64: prefix length of IPv6 networks
-- param most integer = 100: lines at most
SELECT
    network(set_masklen(src_ip_addr, CASE family(src_ip_addr) WHEN 4 THEN :v4 ELSE :v6 END)) AS src_network,
    network(set_masklen(dst_ip_addr, CASE family(dst_ip_addr) WHEN 4 THEN :v4 ELSE :v6 END)) AS dst_network,
    count(*) AS connections, coalesce(sum(src_bytes), 0) + coalesce(sum(dst_bytes), 0) AS bytes
FROM zeek.conn
WHERE "@timestamp" >= CAST(:since AS timestamptz) AND "@timestamp" < CAST(:until AS timestamptz)
GROUP BY src_network, dst_network
ORDER BY bytes DESC, src_network, dst_network
LIMIT :most

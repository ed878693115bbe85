-- question: Which networks talk to which, and how much?
-- answer: One line for originator's and responder's network, the most bytes first. ip_bytes: what crossed the wire in
--   both directions; payload_bytes can be far off for TCP, and missed_bytes of it were not seen.
-- param v4 integer = 24: prefix length of IPv4 networks
-- param v6 integer = 64: prefix length of IPv6 networks
-- param most integer = 100: lines at most
-- names: src_network dst_network
SELECT
    network(set_masklen(src_ip_addr, CASE family(src_ip_addr) WHEN 4 THEN :v4 ELSE :v6 END)) AS src_network,
    network(set_masklen(dst_ip_addr, CASE family(dst_ip_addr) WHEN 4 THEN :v4 ELSE :v6 END)) AS dst_network,
    count(*) AS connections, coalesce(sum(src_ip_bytes), 0) + coalesce(sum(dst_ip_bytes), 0) AS ip_bytes,
    coalesce(sum(src_bytes), 0) + coalesce(sum(dst_bytes), 0) AS payload_bytes,
    coalesce(sum(network_missed_bytes), 0) AS missed_bytes
FROM zeek.conn
WHERE "@timestamp" >= CAST(:since AS timestamptz) AND "@timestamp" < CAST(:until AS timestamptz)
GROUP BY src_network, dst_network
ORDER BY ip_bytes DESC, payload_bytes DESC, src_network, dst_network
LIMIT :most

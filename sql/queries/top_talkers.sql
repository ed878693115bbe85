-- question: Which addresses moved the most bytes as originators?
-- answer: One line an address, the most bytes at the IP level in both directions first. peers: different addresses
--   that it called. sent_bytes and received_bytes are payload, which can be far off for TCP; missed_bytes of it were
--   not seen. For whole days top_addresses is faster.
-- param most integer = 20: lines at most
-- names: src_ip_addr
SELECT
    src_ip_addr, count(*) AS connections, count(DISTINCT dst_ip_addr) AS peers, sum(src_ip_bytes) AS sent_ip_bytes,
    sum(dst_ip_bytes) AS received_ip_bytes, sum(src_bytes) AS sent_bytes, sum(dst_bytes) AS received_bytes,
    sum(network_missed_bytes) AS missed_bytes
FROM zeek.conn
WHERE "@timestamp" >= CAST(:since AS timestamptz) AND "@timestamp" < CAST(:until AS timestamptz)
GROUP BY src_ip_addr
ORDER BY
    coalesce(sum(src_ip_bytes), 0) + coalesce(sum(dst_ip_bytes), 0) DESC,
    coalesce(sum(src_bytes), 0) + coalesce(sum(dst_bytes), 0) DESC, src_ip_addr
LIMIT :most

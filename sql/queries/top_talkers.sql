-- question: Which addresses moved the most bytes as originators?
-- answer: One line an address, the heaviest first. Bytes are payload in both directions; peers: different addresses
--   that it called. For whole sealed days top_addresses answers at once.
-- param most integer = 20: lines at most
SELECT
    src_ip_addr, count(*) AS connections, count(DISTINCT dst_ip_addr) AS peers, sum(src_bytes) AS sent_bytes,
    sum(dst_bytes) AS received_bytes
FROM zeek.conn
WHERE "@timestamp" >= CAST(:since AS timestamptz) AND "@timestamp" < CAST(:until AS timestamptz)
GROUP BY src_ip_addr
ORDER BY coalesce(sum(src_bytes), 0) + coalesce(sum(dst_bytes), 0) DESC, src_ip_addr
LIMIT :most

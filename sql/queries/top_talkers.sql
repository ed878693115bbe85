-- question: Which addresses moved the most bytes as originators?
-- answer: One line an address, the most bytes at the IP level in both directions first. peers: different addresses
--   that it called. sent_bytes and received_bytes are payload, which can be far off for TCP; missed_bytes of it were
--   not seen. For whole days top_addresses is faster.
-- param most integer = 20: lines at most
-- names: src_ip_addr
WITH top AS MATERIALIZED (
    SELECT
        src_ip_addr, count(*) AS connections, sum(src_ip_bytes) AS sent_ip_bytes,
        sum(dst_ip_bytes) AS received_ip_bytes, sum(src_bytes) AS sent_bytes, sum(dst_bytes) AS received_bytes,
        sum(network_missed_bytes) AS missed_bytes
    FROM zeek.conn
    WHERE "@timestamp" >= CAST(:since AS timestamptz) AND "@timestamp" < CAST(:until AS timestamptz)
    GROUP BY src_ip_addr
    ORDER BY
        coalesce(sum(src_ip_bytes), 0) + coalesce(sum(dst_ip_bytes), 0) DESC,
        coalesce(sum(src_bytes), 0) + coalesce(sum(dst_bytes), 0) DESC, src_ip_addr
    LIMIT :most
),

-- of the top ones alone: of all addresses it would cost more than the rest
pairs AS MATERIALIZED (
    SELECT DISTINCT src_ip_addr, dst_ip_addr
    FROM zeek.conn
    WHERE
        "@timestamp" >= CAST(:since AS timestamptz) AND "@timestamp" < CAST(:until AS timestamptz)
        -- IS TRUE keeps it from becoming a join, by the index of an address that most rows may have
        AND (src_ip_addr IN (SELECT src_ip_addr FROM top)) IS TRUE
),

peers AS MATERIALIZED (
    SELECT src_ip_addr, count(*) AS peers FROM pairs GROUP BY src_ip_addr
)

SELECT
    src_ip_addr, top.connections, peers.peers, top.sent_ip_bytes, top.received_ip_bytes, top.sent_bytes,
    top.received_bytes, top.missed_bytes
FROM top
INNER JOIN peers USING (src_ip_addr)
ORDER BY
    coalesce(top.sent_ip_bytes, 0) + coalesce(top.received_ip_bytes, 0) DESC,
    coalesce(top.sent_bytes, 0) + coalesce(top.received_bytes, 0) DESC, src_ip_addr
LIMIT :most

-- question: Which addresses were the top ones of each day?
-- answer: One line a day, role and address that was among the first by IP bytes of both directions or by connections
--   of its day. role: src, it called; dst, it was called. Sealed days come from the rollup zeek.top_address, other
--   days and days that the span cuts are computed from the rows. src_bytes and dst_bytes are payload, which can be far
--   off for TCP; missed_bytes of it were not seen.
-- param most integer = 10: how many of each day and role, by either measure (at most 100 are kept)
-- names: ip_addr
-- bound: rollup
SELECT
    day, role, ip_addr, connections, src_ip_bytes, dst_ip_bytes, src_bytes, dst_bytes,
    network_missed_bytes AS missed_bytes, rank_by_bytes, rank_by_connections
FROM zeek.daily_top(CAST(:since AS timestamptz), CAST(:until AS timestamptz))
WHERE rank_by_bytes <= :most OR rank_by_connections <= :most
ORDER BY day, role DESC, rank_by_bytes

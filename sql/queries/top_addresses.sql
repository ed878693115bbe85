-- question: Which addresses were the top ones of each sealed day?
-- answer: One line a day, role and address that was among the first by bytes or by connections of its day, from the
--   rollup zeek.top_address. role: src, it called; dst, it was called. Days that are not sealed yet are missing.
-- param most integer = 10: how many of each day and role, by either measure (at most 100 are kept)
-- bound: rollup
SELECT day, role, ip_addr, connections, src_bytes, dst_bytes, rank_by_bytes, rank_by_connections
FROM zeek.top_address
WHERE
    day >= etl.day_of(CAST(:since AS timestamptz))
    AND day < etl.day_of(CAST(:until AS timestamptz))
    AND (rank_by_bytes <= :most OR rank_by_connections <= :most)
ORDER BY day, role, rank_by_bytes

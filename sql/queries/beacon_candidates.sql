-- question: Which pairs connect at regular times with regular sizes, as malware that calls home does?
-- answer: One line for originator, target, port and protocol, the highest score first. score = 0.75 time_score + 0.25
--   size_score, each from 0 to 1. time_score is the mean of two measures of the gaps between connections: their
--   symmetry, 1 - |Q1 + Q3 - 2 median| / (Q3 - Q1), and their evenness, 1 - MAD / median (MAD: the median distance
--   from the median; never below 0). size_score is the same of the IP bytes that the originator sent. A clock has 1;
--   gaps that vary by 30 % about 0.9; random gaps about 0.5. NTP, updates and monitoring are regular too.
-- param connections integer = 20: connections at least
-- param at_most integer = 86400: connections at most (more than one a second is no beacon)
-- param score double precision = 0.8: score at least
-- param most integer = 1000: lines at most
-- names: dst_ip_addr
WITH busy AS MATERIALIZED (
    SELECT src_ip_addr, dst_ip_addr, dst_port, network_protocol
    FROM zeek.conn
    WHERE "@timestamp" >= CAST(:since AS timestamptz) AND "@timestamp" < CAST(:until AS timestamptz)
    GROUP BY src_ip_addr, dst_ip_addr, dst_port, network_protocol
    HAVING count(*) BETWEEN greatest(:connections, 3) AND :at_most
),

-- read before they are sorted: an index would give the order, and each row by its own
candidates AS MATERIALIZED (
    SELECT
        src_ip_addr, dst_ip_addr, dst_port, network_protocol, "@timestamp",
        coalesce(src_ip_bytes, src_bytes)::double precision AS size
    FROM zeek.conn
    WHERE
        "@timestamp" >= CAST(:since AS timestamptz) AND "@timestamp" < CAST(:until AS timestamptz)
        -- IS TRUE keeps it from becoming a join: the planner knows too little of busy to choose a good one
        AND ((src_ip_addr, dst_ip_addr, dst_port, network_protocol) IN (SELECT * FROM busy)) IS TRUE
),

gaps AS MATERIALIZED (
    SELECT
        src_ip_addr, dst_ip_addr, dst_port, network_protocol, "@timestamp", size,
        extract(EPOCH FROM "@timestamp" - lag("@timestamp") OVER (
            PARTITION BY src_ip_addr, dst_ip_addr, dst_port, network_protocol
            ORDER BY "@timestamp"
        ))::double precision AS gap
    FROM candidates
),

groups AS MATERIALIZED (
    SELECT
        src_ip_addr, dst_ip_addr, dst_port, network_protocol, count(*) AS connections, min("@timestamp") AS first,
        max("@timestamp") AS last, array_agg(gap) AS all_gaps, array_agg(size) AS all_sizes,
        percentile_cont(ARRAY[0.25, 0.5, 0.75]) WITHIN GROUP (ORDER BY gap) AS gaps,
        percentile_cont(ARRAY[0.25, 0.5, 0.75]) WITHIN GROUP (ORDER BY size) AS sizes
    FROM gaps
    GROUP BY src_ip_addr, dst_ip_addr, dst_port, network_protocol
),

scores AS MATERIALIZED (
    SELECT
        groups.*,
        zeek.regularity(groups.gaps, (
            SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY abs(one.gap - groups.gaps[2]))
            FROM unnest(groups.all_gaps) AS one (gap)
        )) AS time_score,
        zeek.regularity(groups.sizes, (
            SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY abs(one.size - groups.sizes[2]))
            FROM unnest(groups.all_sizes) AS one (size)
        )) AS size_score
    FROM groups
    WHERE groups.gaps[2] > 0
)

SELECT
    src_ip_addr, dst_ip_addr, dst_port, network_protocol, connections,
    round((0.75 * time_score + 0.25 * coalesce(size_score, time_score))::numeric, 3) AS score,
    round(time_score::numeric, 3) AS time_score, round(size_score::numeric, 3) AS size_score,
    round(gaps[2]::numeric, 3) AS gap_seconds, sizes[2] AS ip_bytes, first, last
FROM scores
WHERE 0.75 * time_score + 0.25 * coalesce(size_score, time_score) >= CAST(:score AS double precision)
ORDER BY
    0.75 * time_score + 0.25 * coalesce(size_score, time_score) DESC, connections DESC, src_ip_addr, dst_ip_addr,
    dst_port, network_protocol
LIMIT :most

-- question: When was a host first and last seen?
-- answer: One line an address and role: src, it called; dst, it was called. host may be a network. peers: different
--   addresses at the other end; ip_bytes: what crossed the wire in both directions. Days that retention dropped are not
--   counted.
-- param host inet: the address, or a network
-- param most integer = 1000: lines at most
-- names: ip_addr
-- bound: ledger
SELECT
    seen.ip_addr, seen.role, seen.first_seen, seen.last_seen, seen.connections, seen.peers, seen.ip_bytes
FROM (
    SELECT
        src_ip_addr AS ip_addr, 'src' AS role, min("@timestamp") AS first_seen, max("@timestamp") AS last_seen,
        count(*) AS connections, count(DISTINCT dst_ip_addr) AS peers,
        coalesce(sum(src_ip_bytes), 0) + coalesce(sum(dst_ip_bytes), 0) AS ip_bytes
    FROM zeek.conn
    WHERE
        network_subeq(src_ip_addr, CAST(:host AS inet))
        AND "@timestamp" >= CAST(:since AS timestamptz) AND "@timestamp" < CAST(:until AS timestamptz)
    GROUP BY src_ip_addr
    UNION ALL
    SELECT
        dst_ip_addr, 'dst', min("@timestamp"), max("@timestamp"), count(*), count(DISTINCT src_ip_addr),
        coalesce(sum(src_ip_bytes), 0) + coalesce(sum(dst_ip_bytes), 0)
    FROM zeek.conn
    WHERE
        network_subeq(dst_ip_addr, CAST(:host AS inet))
        AND "@timestamp" >= CAST(:since AS timestamptz) AND "@timestamp" < CAST(:until AS timestamptz)
    GROUP BY dst_ip_addr
) AS seen
ORDER BY seen.ip_addr, seen.role DESC
LIMIT :most

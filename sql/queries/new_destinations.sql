-- question: Which destinations were called for the first time?
-- answer: One line a destination that was called in the span and not between known_since and its beginning, with the
--   first call. A short known span makes much look new.
-- param known_since timestamptz = since - 30 days: what was called from here on is not new
-- param most integer = 1000: lines at most
WITH recent AS MATERIALIZED (
    SELECT
        dst_ip_addr, min("@timestamp") AS first_seen, count(*) AS connections, count(DISTINCT src_ip_addr) AS sources,
        sum(src_bytes) AS src_bytes
    FROM zeek.conn
    WHERE "@timestamp" >= CAST(:since AS timestamptz) AND "@timestamp" < CAST(:until AS timestamptz)
    GROUP BY dst_ip_addr
)

SELECT recent.dst_ip_addr, recent.first_seen, recent.connections, recent.sources, recent.src_bytes
FROM recent
WHERE
    NOT EXISTS (
        SELECT FROM zeek.conn AS earlier
        WHERE
            earlier.dst_ip_addr = recent.dst_ip_addr
            AND earlier."@timestamp" >= CAST(:known_since AS timestamptz)
            AND earlier."@timestamp" < CAST(:since AS timestamptz)
    )
ORDER BY recent.first_seen, recent.dst_ip_addr
LIMIT :most

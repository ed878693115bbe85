-- question: Which destinations were called for the first time?
-- answer: One line a destination that was called in the span and not between known_since and its beginning, the
--   earliest first call first. sent_ip_bytes and received_ip_bytes: what crossed the wire; sent_bytes: payload. Rows
--   that begin shortly before the span make much look new: the answer says how far they go back. Sealed days, dropped
--   ones too, come from the rollup zeek.destination_day, other days and days that the span cuts from the rows.
-- param known_since timestamptz = since - 30 days: what was called from here on is not new
-- param most integer = 1000: lines at most
-- compares: known_since since
-- names: dst_ip_addr
WITH recent AS MATERIALIZED (
    SELECT
        dst_ip_addr, min("@timestamp") AS first_seen, count(*) AS connections, sum(src_ip_bytes) AS sent_ip_bytes,
        sum(dst_ip_bytes) AS received_ip_bytes, sum(src_bytes) AS sent_bytes
    FROM zeek.conn
    WHERE "@timestamp" >= CAST(:since AS timestamptz) AND "@timestamp" < CAST(:until AS timestamptz)
    GROUP BY dst_ip_addr
),

known AS MATERIALIZED (
    SELECT DISTINCT dst_ip_addr
    FROM zeek.destinations(CAST(:known_since AS timestamptz), CAST(:since AS timestamptz))
),

fresh AS MATERIALIZED (
    SELECT recent.*
    FROM recent
    LEFT JOIN known ON recent.dst_ip_addr = known.dst_ip_addr
    WHERE known.dst_ip_addr IS NULL
    ORDER BY recent.first_seen, recent.dst_ip_addr
    LIMIT :most
),

pairs AS MATERIALIZED (
    SELECT DISTINCT dst_ip_addr, src_ip_addr
    FROM zeek.conn
    WHERE
        "@timestamp" >= CAST(:since AS timestamptz) AND "@timestamp" < CAST(:until AS timestamptz)
        -- IS TRUE keeps it from becoming a join, by the index of an address that most rows may have
        AND (dst_ip_addr IN (SELECT dst_ip_addr FROM fresh)) IS TRUE
),

callers AS MATERIALIZED (
    SELECT dst_ip_addr, count(*) AS sources FROM pairs GROUP BY dst_ip_addr
)

SELECT
    dst_ip_addr, fresh.first_seen, fresh.connections, callers.sources, fresh.sent_ip_bytes, fresh.received_ip_bytes,
    fresh.sent_bytes
FROM fresh
INNER JOIN callers USING (dst_ip_addr)
ORDER BY fresh.first_seen, dst_ip_addr
LIMIT :most

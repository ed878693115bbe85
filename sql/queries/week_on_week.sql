-- question: What changed against the same span a week earlier?
-- answer: One line a service, the largest change of bytes first. ip_bytes: what crossed the wire in both directions;
--   change: ip_bytes now for each byte then, NULL where there was none then. payload_bytes can be far off for TCP;
--   missed_bytes of it were not seen.
-- param then_since timestamptz = since - 7 days: begin of the span to compare with
-- param then_until timestamptz = until - 7 days: its end
-- compares: then_since then_until
-- bound: rollup
WITH sums AS (
    SELECT
        network_application, true AS this_week, sum(connections) AS connections,
        coalesce(sum(src_ip_bytes), 0) + coalesce(sum(dst_ip_bytes), 0) AS ip_bytes,
        coalesce(sum(src_bytes), 0) + coalesce(sum(dst_bytes), 0) AS payload_bytes,
        coalesce(sum(network_missed_bytes), 0) AS missed_bytes
    FROM zeek.hourly(CAST(:since AS timestamptz), CAST(:until AS timestamptz))
    GROUP BY network_application
    UNION ALL
    SELECT
        network_application, false, sum(connections),
        coalesce(sum(src_ip_bytes), 0) + coalesce(sum(dst_ip_bytes), 0),
        coalesce(sum(src_bytes), 0) + coalesce(sum(dst_bytes), 0), coalesce(sum(network_missed_bytes), 0)
    FROM zeek.hourly(CAST(:then_since AS timestamptz), CAST(:then_until AS timestamptz))
    GROUP BY network_application
),

both_weeks AS (
    SELECT
        network_application,
        coalesce(sum(connections) FILTER (WHERE this_week), 0)::bigint AS connections,
        coalesce(sum(connections) FILTER (WHERE NOT this_week), 0)::bigint AS connections_then,
        coalesce(sum(ip_bytes) FILTER (WHERE this_week), 0) AS ip_bytes,
        coalesce(sum(ip_bytes) FILTER (WHERE NOT this_week), 0) AS ip_bytes_then,
        coalesce(sum(payload_bytes) FILTER (WHERE this_week), 0) AS payload_bytes,
        coalesce(sum(payload_bytes) FILTER (WHERE NOT this_week), 0) AS payload_bytes_then,
        coalesce(sum(missed_bytes) FILTER (WHERE this_week), 0) AS missed_bytes,
        coalesce(sum(missed_bytes) FILTER (WHERE NOT this_week), 0) AS missed_bytes_then
    FROM sums
    GROUP BY network_application
)

SELECT
    network_application, connections, connections_then, ip_bytes, ip_bytes_then,
    round(ip_bytes / nullif(ip_bytes_then, 0), 3) AS change, payload_bytes, payload_bytes_then, missed_bytes,
    missed_bytes_then
FROM both_weeks
ORDER BY abs(ip_bytes - ip_bytes_then) DESC, abs(connections - connections_then) DESC, network_application

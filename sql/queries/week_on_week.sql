-- question: What changed against the same span a week earlier?
-- answer: One line a service, the largest change of bytes first, whole hours, from the rollup zeek.conn_hour. change:
--   bytes now for each byte then, NULL where there was none then.
-- param then_since timestamptz = since - 7 days: begin of the span to compare with
-- param then_until timestamptz = until - 7 days: its end
-- bound: rollup
SELECT
    network_application,
    coalesce(sum(connections) FILTER (WHERE this_week), 0)::bigint AS connections,
    coalesce(sum(connections) FILTER (WHERE NOT this_week), 0)::bigint AS connections_then,
    coalesce(sum(bytes) FILTER (WHERE this_week), 0) AS bytes,
    coalesce(sum(bytes) FILTER (WHERE NOT this_week), 0) AS bytes_then,
    round(
        coalesce(sum(bytes) FILTER (WHERE this_week), 0) / nullif(sum(bytes) FILTER (WHERE NOT this_week), 0), 3
    ) AS change
FROM (
    SELECT
        network_application, connections, coalesce(src_bytes, 0) + coalesce(dst_bytes, 0) AS bytes, true AS this_week
    FROM zeek.conn_hour
    WHERE hour >= CAST(:since AS timestamptz) AND hour < CAST(:until AS timestamptz)
    UNION ALL
    SELECT network_application, connections, coalesce(src_bytes, 0) + coalesce(dst_bytes, 0), false
    FROM zeek.conn_hour
    WHERE hour >= CAST(:then_since AS timestamptz) AND hour < CAST(:then_until AS timestamptz)
) AS both_weeks
GROUP BY network_application
ORDER BY
    abs(
        coalesce(sum(bytes) FILTER (WHERE this_week), 0) - coalesce(sum(bytes) FILTER (WHERE NOT this_week), 0)
    ) DESC, network_application

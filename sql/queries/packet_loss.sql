-- question: Where and when did the sensors miss packets?
-- answer: One line an hour and sensor in which content was missed, from the rollup zeek.conn_hour. share: missed bytes
--   of all payload, missed ones included. Above a percent the analysis of that hour is not to be leaned on.
-- bound: rollup
SELECT
    hour, sensor, sum(connections)::bigint AS connections, sum(network_missed_bytes) AS missed_bytes,
    round(
        sum(network_missed_bytes)
        / nullif(sum(network_missed_bytes) + coalesce(sum(src_bytes), 0) + coalesce(sum(dst_bytes), 0), 0), 6
    ) AS share
FROM zeek.conn_hour
WHERE hour >= CAST(:since AS timestamptz) AND hour < CAST(:until AS timestamptz)
GROUP BY hour, sensor
HAVING sum(network_missed_bytes) > 0
ORDER BY hour, sensor

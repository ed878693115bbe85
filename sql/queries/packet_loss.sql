-- question: Where and when did the sensors miss packets?
-- answer: One line an hour and sensor in which content was missed. loss: missed bytes as a share of the payload, which
--   contains them (TCP payload is counted from sequence numbers); never above 1, and 1 where no payload is known. Above
--   a percent, do not rely on the protocol analysis of that hour. Missed bytes far above ip_bytes are one connection
--   with a wild sequence number, and not lost packets. An hour that the span cuts has only the rows of the span.
-- bound: rollup
SELECT
    hour, sensor, sum(connections)::bigint AS connections, sum(network_missed_bytes) AS missed_bytes,
    coalesce(sum(src_bytes), 0) + coalesce(sum(dst_bytes), 0) AS payload_bytes,
    coalesce(sum(src_ip_bytes), 0) + coalesce(sum(dst_ip_bytes), 0) AS ip_bytes,
    zeek.loss(sum(network_missed_bytes), coalesce(sum(src_bytes), 0) + coalesce(sum(dst_bytes), 0)) AS loss
FROM zeek.hourly(CAST(:since AS timestamptz), CAST(:until AS timestamptz))
GROUP BY hour, sensor
HAVING sum(network_missed_bytes) > 0
ORDER BY hour, sensor

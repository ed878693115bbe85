-- question: How many bytes and connections did each service have in each hour?
-- answer: One line an hour and service. ip_bytes: what crossed the wire, headers included; src_bytes and dst_bytes:
--   payload, which can be far off for TCP; missed_bytes: payload that the sensor did not see. service is as Zeek wrote
--   it (ssl,http is one service here), NULL where none was recognised. An hour that the span cuts has only the rows of
--   the span.
-- param service text = '': only this service
-- bound: rollup
SELECT
    hour, network_application, sum(connections)::bigint AS connections, sum(src_ip_bytes) AS src_ip_bytes,
    sum(dst_ip_bytes) AS dst_ip_bytes, sum(src_bytes) AS src_bytes, sum(dst_bytes) AS dst_bytes,
    sum(network_missed_bytes) AS missed_bytes
FROM zeek.hourly(CAST(:since AS timestamptz), CAST(:until AS timestamptz))
WHERE CAST(:service AS text) = '' OR network_application = :service
GROUP BY hour, network_application
ORDER BY hour, network_application

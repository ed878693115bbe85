-- question: How many bytes and connections did each service have in each hour?
-- answer: One line an hour and service, whole hours that begin in the span, from the rollup zeek.conn_hour. service is
--   as Zeek wrote it (ssl,http is one service here), NULL where none was recognised.
-- param service text = '': only this service
-- bound: rollup
SELECT
    hour, network_application, sum(connections)::bigint AS connections, sum(src_bytes) AS src_bytes,
    sum(dst_bytes) AS dst_bytes
FROM zeek.conn_hour
WHERE
    hour >= CAST(:since AS timestamptz) AND hour < CAST(:until AS timestamptz)
    AND (CAST(:service AS text) = '' OR network_application = :service)
GROUP BY hour, network_application
ORDER BY hour, network_application

-- question: Which connections sent much out of the network?
-- answer: One line a connection to an address that is not local (as the sensor sees it, or unset), the largest first.
--   ratio: bytes sent for each byte received, NULL where nothing came back.
-- param at_least bigint = 100000000: bytes of payload sent at least
-- param most integer = 100: lines at most
SELECT
    "@timestamp", src_ip_addr, dst_ip_addr, dst_port, network_application, src_bytes, dst_bytes,
    round(src_bytes::numeric / nullif(dst_bytes, 0), 1) AS ratio, event_duration, event_uid
FROM zeek.conn
WHERE
    "@timestamp" >= CAST(:since AS timestamptz) AND "@timestamp" < CAST(:until AS timestamptz)
    AND src_bytes >= :at_least AND zeek_connection_local_dst IS NOT TRUE
ORDER BY src_bytes DESC, "@timestamp", event_uid
LIMIT :most

-- question: Which connections lasted longest?
-- answer: One line a connection that began in the span, the longest first; event_duration in seconds. A connection is
--   logged at its end: one that is still open is not here. long_pairs adds up what two addresses did together.
-- param most integer = 20: lines at most
SELECT
    "@timestamp", event_duration, src_ip_addr, dst_ip_addr, dst_port, network_protocol, network_application,
    network_connection_state, src_ip_bytes, dst_ip_bytes, src_bytes, dst_bytes, event_uid
FROM zeek.conn
WHERE
    "@timestamp" >= CAST(:since AS timestamptz) AND "@timestamp" < CAST(:until AS timestamptz)
    AND event_duration IS NOT NULL
ORDER BY event_duration DESC, "@timestamp", event_uid
LIMIT :most

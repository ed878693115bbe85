-- question: Which connections carried much data out of the network?
-- answer: One line a connection and direction, the most bytes first. pushed: the originator sent them to an address
--   outside; pulled: a responder gave them to an originator outside, which is an upload too. Outside is what the
--   sensor says, or, where it says nothing, any address that is not private. Bytes sent are those at the IP level
--   (payload where these are unset); sent_bytes is payload, of which missed_bytes (of both directions) were not seen.
--   ratio: IP bytes sent for each one received, NULL where nothing came back.
-- param at_least bigint = 100000000: IP bytes sent at least
-- param most integer = 100: lines at most
-- names: receiver
SELECT
    uploads."@timestamp", uploads.direction, uploads.sender, uploads.receiver, uploads.dst_port,
    uploads.network_application, uploads.sent_ip_bytes, uploads.received_ip_bytes, uploads.sent_bytes,
    uploads.missed_bytes, round(uploads.sent_ip_bytes::numeric / nullif(uploads.received_ip_bytes, 0), 1) AS ratio,
    uploads.event_duration, uploads.event_uid
FROM (
    SELECT
        "@timestamp", 'pushed' AS direction, src_ip_addr AS sender, dst_ip_addr AS receiver, dst_port,
        network_application, src_ip_bytes AS sent_ip_bytes, dst_ip_bytes AS received_ip_bytes, src_bytes AS sent_bytes,
        network_missed_bytes AS missed_bytes, event_duration, event_uid
    FROM zeek.conn
    WHERE
        "@timestamp" >= CAST(:since AS timestamptz) AND "@timestamp" < CAST(:until AS timestamptz)
        AND coalesce(src_ip_bytes, src_bytes) >= :at_least
        AND zeek.is_external(dst_ip_addr, zeek_connection_local_dst)
    UNION ALL
    SELECT
        "@timestamp", 'pulled', dst_ip_addr, src_ip_addr, dst_port, network_application, dst_ip_bytes, src_ip_bytes,
        dst_bytes, network_missed_bytes, event_duration, event_uid
    FROM zeek.conn
    WHERE
        "@timestamp" >= CAST(:since AS timestamptz) AND "@timestamp" < CAST(:until AS timestamptz)
        AND coalesce(dst_ip_bytes, dst_bytes) >= :at_least
        AND zeek.is_external(src_ip_addr, zeek_connection_local_src)
) AS uploads
ORDER BY
    coalesce(uploads.sent_ip_bytes, uploads.sent_bytes) DESC, uploads."@timestamp", uploads.event_uid, uploads.direction
LIMIT :most

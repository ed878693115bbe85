-- question: What did one address do, in order of time?
-- answer: One line a connection. direction: out, the address called; in, it was called. peer: the other end, with the
--   port that was called (ICMP: the code). Bytes are sent and received by the address, NULL where unset.
-- param host inet: the address
-- param most integer = 1000: lines at most, the earliest first
SELECT
    timeline."@timestamp", timeline.direction, timeline.peer_ip_addr, timeline.port, timeline.network_protocol,
    timeline.network_application, timeline.network_connection_state, timeline.event_duration, timeline.sent_bytes,
    timeline.received_bytes, timeline.event_uid
FROM (
    SELECT
        "@timestamp", 'out' AS direction, dst_ip_addr AS peer_ip_addr, dst_port AS port, network_protocol,
        network_application, network_connection_state, event_duration, src_bytes AS sent_bytes,
        dst_bytes AS received_bytes, event_uid
    FROM zeek.conn
    WHERE
        src_ip_addr = CAST(:host AS inet)
        AND "@timestamp" >= CAST(:since AS timestamptz) AND "@timestamp" < CAST(:until AS timestamptz)
    UNION ALL
    SELECT
        "@timestamp", 'in', src_ip_addr, dst_port, network_protocol, network_application, network_connection_state,
        event_duration, dst_bytes, src_bytes, event_uid
    FROM zeek.conn
    WHERE
        dst_ip_addr = CAST(:host AS inet) AND src_ip_addr <> CAST(:host AS inet)
        AND "@timestamp" >= CAST(:since AS timestamptz) AND "@timestamp" < CAST(:until AS timestamptz)
) AS timeline
ORDER BY timeline."@timestamp", timeline.event_uid
LIMIT :most

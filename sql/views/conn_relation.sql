-- The rules of expectations/conn_consistency.json read these columns.
CREATE OR REPLACE VIEW etl.conn_relation AS
SELECT
    "@timestamp",
    event_uid,
    etl_file_id,
    etl_line,
    (event_duration IS NULL) = (src_bytes IS NULL) AND (src_bytes IS NULL) = (dst_bytes IS NULL)
        AS duration_with_bytes,
    event_duration > 0 AS duration_above_zero,
    (src_packets IS NULL) = (dst_packets IS NULL) AND (src_packets IS NULL) = (src_ip_bytes IS NULL)
    AND (src_packets IS NULL) = (dst_ip_bytes IS NULL) AS packet_counters_together,
    CASE WHEN network_protocol = 'udp' THEN network_connection_state IN ('S0', 'SF', 'SHR', 'OTH') END AS udp_states,
    CASE WHEN network_protocol IN ('icmp', 'unknown_transport') THEN network_connection_state = 'OTH' END
        AS icmp_states,
    CASE WHEN network_connection_state = 'S0' THEN dst_packets = 0 END AS s0_without_answer,
    coalesce(src_bytes <= src_ip_bytes, true) AND coalesce(dst_bytes <= dst_ip_bytes, true)
        AS payload_within_ip_bytes
FROM zeek.conn;

COMMENT ON VIEW etl.conn_relation IS
'What is expected to hold between columns of one row of zeek.conn; NULL where it does not apply.';
SELECT etl.copy_comments('zeek.conn', 'etl.conn_relation');
COMMENT ON COLUMN etl.conn_relation.duration_with_bytes IS
'event_duration, src_bytes and dst_bytes are all set or all unset.';
COMMENT ON COLUMN etl.conn_relation.duration_above_zero IS 'event_duration is above 0.';
COMMENT ON COLUMN etl.conn_relation.packet_counters_together IS
'The four counters of packets and IP bytes are all set or all unset.';
COMMENT ON COLUMN etl.conn_relation.udp_states IS 'A UDP connection has one of the states that UDP can have.';
COMMENT ON COLUMN etl.conn_relation.icmp_states IS 'A connection of ICMP or an unknown transport has the state OTH.';
COMMENT ON COLUMN etl.conn_relation.s0_without_answer IS 'A connection in state S0 has no packet from the responder.';
COMMENT ON COLUMN etl.conn_relation.payload_within_ip_bytes IS
'Neither side sent more payload than bytes at the IP level; a side of which one is unset is not compared.';

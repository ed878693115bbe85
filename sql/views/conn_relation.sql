-- What is expected to hold between columns of one row (NULL where it does not apply): the rules of conn_consistency.
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
    CASE WHEN network_connection_state = 'S0' THEN dst_packets = 0 END AS s0_without_answer
FROM zeek.conn;

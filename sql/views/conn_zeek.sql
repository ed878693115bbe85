CREATE OR REPLACE VIEW zeek.conn_zeek AS
SELECT
    "@timestamp" AS ts,
    network_protocol AS proto,
    src_ip_addr AS "id.orig_h",
    src_port AS "id.orig_p",
    dst_ip_addr AS "id.resp_h",
    dst_port AS "id.resp_p",
    network_outer_vlan_id AS vlan,
    network_inner_vlan_id AS inner_vlan,
    zeek_connection_tunnel_parents AS tunnel_parents,
    event_uid AS uid,
    src_bytes AS orig_bytes,
    src_ip_bytes AS orig_ip_bytes,
    src_mac AS orig_l2_addr,
    src_packets AS orig_pkts,
    zeek_connection_local_src AS local_orig,
    zeek_connection_local_dst AS local_resp,
    event_duration AS duration,
    network_connection_history AS history,
    network_connection_state AS conn_state,
    network_missed_bytes AS missed_bytes,
    network_application AS service,
    dst_bytes AS resp_bytes,
    dst_ip_bytes AS resp_ip_bytes,
    dst_mac AS resp_l2_addr,
    dst_packets AS resp_pkts,
    etl_file_id,
    etl_line,
    extra
FROM zeek.conn;

COMMENT ON VIEW zeek.conn_zeek IS
'zeek.conn under the names of Zeek''s own conn.log; names with a dot want double quotes: "id.orig_h".';
SELECT etl.copy_comments('zeek.conn', 'zeek.conn_zeek', by_place => true);

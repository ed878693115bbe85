CREATE OR REPLACE VIEW zeek.conn_ossem AS
SELECT
    "@timestamp",
    network_protocol AS "NetworkProtocol",
    src_ip_addr AS "SrcIpAddr",
    src_port AS "SrcPort",
    dst_ip_addr AS "DstIpAddr",
    dst_port AS "DstPort",
    network_outer_vlan_id AS "NetworkOuterVlanId",
    network_inner_vlan_id AS "NetworkInnerVlanId",
    zeek_connection_tunnel_parents AS "ZeekConnectionTunnelParents",
    event_uid AS "EventUid",
    src_bytes AS "SrcBytes",
    src_ip_bytes AS "SrcIpBytes",
    src_mac AS "SrcMac",
    src_packets AS "SrcPackets",
    zeek_connection_local_src AS "ZeekConnectionLocalSrc",
    zeek_connection_local_dst AS "ZeekConnectionLocalDst",
    event_duration AS "EventDuration",
    network_connection_history AS "NetworkConnectionHistory",
    network_connection_state AS "NetworkConnectionState",
    network_missed_bytes AS "NetworkMissedBytes",
    network_application AS "NetworkApplication",
    dst_bytes AS "DstBytes",
    dst_ip_bytes AS "DstIpBytes",
    dst_mac AS "DstMac",
    dst_packets AS "DstPackets",
    etl_file_id AS "EtlFileId",
    etl_line AS "EtlLine",
    extra AS "Extra"
FROM zeek.conn;

COMMENT ON VIEW zeek.conn_ossem IS
'zeek.conn under the names of the current OSSEM data dictionary; mixed case wants double quotes: "SrcIpAddr".';
SELECT etl.copy_comments('zeek.conn', 'zeek.conn_ossem', by_place => true);

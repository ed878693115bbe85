CREATE OR REPLACE VIEW zeek.conn_detail AS
SELECT
    conn."@timestamp",
    conn.network_protocol,
    conn.src_ip_addr,
    conn.src_port,
    conn.dst_ip_addr,
    conn.dst_port,
    conn.network_outer_vlan_id,
    conn.network_inner_vlan_id,
    conn.zeek_connection_tunnel_parents,
    conn.event_uid,
    conn.src_bytes,
    conn.src_ip_bytes,
    conn.src_mac,
    conn.src_packets,
    conn.zeek_connection_local_src,
    conn.zeek_connection_local_dst,
    conn.event_duration,
    conn.network_connection_history,
    conn.network_connection_state,
    conn.network_missed_bytes,
    conn.network_application,
    conn.dst_bytes,
    conn.dst_ip_bytes,
    conn.dst_mac,
    conn.dst_packets,
    conn.etl_file_id,
    conn.etl_line,
    conn.extra,
    file.sensor,
    file.path,
    state.meaning AS state_meaning,
    CASE
        WHEN conn.network_connection_history IS NOT NULL
            THEN array(
                SELECT
                    CASE
                        WHEN flag.meaning IS NULL THEN 'unknown letter ' || letters.letter
                        WHEN letters.letter = lower(letters.letter) AND letters.letter = upper(letters.letter)
                            THEN flag.meaning
                        WHEN letters.letter = upper(letters.letter) THEN 'originator: ' || flag.meaning
                        ELSE 'responder: ' || flag.meaning
                    END
                FROM
                    unnest(string_to_array(conn.network_connection_history, NULL))
                    WITH ORDINALITY AS letters (letter, position)
                LEFT JOIN zeek.history_flag AS flag ON flag.flag = lower(letters.letter)
                ORDER BY letters.position
            )
    END AS history_meanings,
    CASE
        WHEN conn.zeek_connection_tunnel_parents IS NOT NULL
            THEN array(
                SELECT parents.uid
                FROM
                    jsonb_array_elements_text(CAST(conn.zeek_connection_tunnel_parents AS jsonb))
                    WITH ORDINALITY AS parents (uid, position)
                ORDER BY parents.position
            )
    END AS tunnel_parents
FROM zeek.conn
LEFT JOIN (SELECT etl_file_id, sensor, path FROM etl.file) AS file ON conn.etl_file_id = file.etl_file_id
LEFT JOIN zeek.conn_state AS state ON conn.network_connection_state = state.network_connection_state;

COMMENT ON VIEW zeek.conn_detail IS
'zeek.conn with what it refers to: sensor and file, and the meaning of codes.';
SELECT etl.copy_comments('zeek.conn', 'zeek.conn_detail');
COMMENT ON COLUMN zeek.conn_detail.sensor IS 'Sensor of the file.';
COMMENT ON COLUMN zeek.conn_detail.path IS 'Path of the file.';
COMMENT ON COLUMN zeek.conn_detail.state_meaning IS 'What network_connection_state means.';
COMMENT ON COLUMN zeek.conn_detail.history_meanings IS
'What each letter of network_connection_history means, in order, with the side that caused it.';
COMMENT ON COLUMN zeek.conn_detail.tunnel_parents IS
'The uids of the tunnels around the connection, as an array: NULL unset, {} none.';

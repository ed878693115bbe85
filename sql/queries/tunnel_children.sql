-- question: What went through a tunnel?
-- answer: One line for each connection inside a tunnel, and for each tunnel around it. parent_uid is the tunnel's own
--   connection: uid_pivot finds it. Look from the tunnel's begin on; it is logged only at its end.
-- param uid text = '': only children of this tunnel
SELECT
    parents.uid AS parent_uid, conn."@timestamp", conn.event_uid, conn.src_ip_addr, conn.dst_ip_addr, conn.dst_port,
    conn.network_protocol, conn.network_application, conn.src_bytes, conn.dst_bytes
FROM zeek.conn
CROSS JOIN
    LATERAL jsonb_array_elements_text(CAST(conn.zeek_connection_tunnel_parents AS jsonb)) AS parents (uid)
WHERE
    conn."@timestamp" >= CAST(:since AS timestamptz) AND conn."@timestamp" < CAST(:until AS timestamptz)
    AND conn.zeek_connection_tunnel_parents <> '[]'
    AND (CAST(:uid AS text) = '' OR parents.uid = :uid)
ORDER BY parents.uid, conn."@timestamp", conn.event_uid

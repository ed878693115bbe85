-- tunnel_children for DuckDB, which takes a JSON array apart by another function.
SELECT
    parents.uid AS parent_uid, parents."@timestamp", parents.event_uid, parents.src_ip_addr, parents.dst_ip_addr,
    parents.dst_port, parents.network_protocol, parents.network_application, parents.src_bytes, parents.dst_bytes
FROM (
    SELECT
        conn.*, unnest(json_extract_string(zeek_connection_tunnel_parents, '$[*]')) AS uid
    FROM zeek.conn
    WHERE
        "@timestamp" >= CAST(:since AS timestamptz) AND "@timestamp" < CAST(:until AS timestamptz)
        AND zeek_connection_tunnel_parents <> '[]'
) AS parents
WHERE CAST(:uid AS text) = '' OR parents.uid = :uid
ORDER BY parents.uid, parents."@timestamp", parents.event_uid

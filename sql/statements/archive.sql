-- name: standing
-- What is known of some days: whether they have a partition or were dropped, and their export.
SELECT
    wanted.day,
    to_regclass('zeek.conn_' || to_char(wanted.day, 'YYYYMMDD')) IS NOT NULL AS there,
    retired.dropped_at IS NOT NULL AS dropped,
    archived.export_id
FROM unnest(CAST(:days AS date [])) AS wanted (day)
LEFT JOIN etl.retired_day AS retired ON wanted.day = retired.day
LEFT JOIN etl.archive_day AS archived ON wanted.day = archived.day
ORDER BY wanted.day;

-- name: due
-- Sealed days that are not archived, and archived days whose rows changed since.
SELECT days.day
FROM (
    SELECT sealed.day
    FROM etl.sealed_day AS sealed
    LEFT JOIN etl.archived_day AS archived ON sealed.day = archived.day
    WHERE coalesce(archived.state, 'exporting') = 'exporting'
    UNION
    SELECT archived.day
    FROM etl.archived_day AS archived
    WHERE archived.state = 'stale'
) AS days
WHERE NOT EXISTS (SELECT FROM etl.retired_day AS retired WHERE retired.day = days.day)
ORDER BY days.day;

-- name: begin_day
-- From here on the transactions that change rows of the day count in it. Under the day's lock, so that none that began
-- before is still running.
INSERT INTO etl.archive_day (day) VALUES (:day) ON CONFLICT (day) DO NOTHING;

-- name: changes
-- How often rows of the day changed.
SELECT changes FROM etl.archive_day WHERE day = :day;

-- name: changed
-- For code that changes what a day should hold in another way than the statements that count themselves
-- (publish.insert_all, publish.insert_new, undo.delete_rows).
UPDATE etl.archive_day SET changes = changes + 1 WHERE day = :day;

-- name: copy
-- A day's rows in the order of the key, the time in microseconds since 1970. (Sent as it is: COPY takes no parameters.)
COPY (
    SELECT
        CAST(extract(EPOCH FROM "@timestamp") * 1000000 AS bigint), network_protocol, src_ip_addr, src_port,
        dst_ip_addr, dst_port, network_outer_vlan_id, network_inner_vlan_id, zeek_connection_tunnel_parents,
        event_uid, src_bytes, src_ip_bytes, src_mac, src_packets, zeek_connection_local_src,
        zeek_connection_local_dst, event_duration, network_connection_history, network_connection_state,
        network_missed_bytes, network_application, dst_bytes, dst_ip_bytes, dst_mac, dst_packets, etl_file_id,
        etl_line, extra
    FROM zeek.conn
    WHERE "@timestamp" >= :since AND "@timestamp" < :until
    ORDER BY "@timestamp", event_uid
) TO STDOUT (FORMAT csv);

-- name: measures
-- What archive.copy gives, in numbers: rows, and of each column the values that are not NULL and their sum. Of text it
-- is the sum of the lengths in bytes, of a double the sum of its bits as an integer, which is exact in any order.
SELECT
    count(*) AS rows,
    jsonb_build_object(
        '@timestamp',
        jsonb_build_array(
            count("@timestamp"), sum(CAST(extract(EPOCH FROM "@timestamp") * 1000000 AS bigint))
        ),
        'network_protocol', jsonb_build_array(count(network_protocol), sum(octet_length(network_protocol))),
        'src_ip_addr', jsonb_build_array(count(src_ip_addr), sum(octet_length(abbrev(src_ip_addr)))),
        'src_port', jsonb_build_array(count(src_port), sum(src_port)),
        'dst_ip_addr', jsonb_build_array(count(dst_ip_addr), sum(octet_length(abbrev(dst_ip_addr)))),
        'dst_port', jsonb_build_array(count(dst_port), sum(dst_port)),
        'network_outer_vlan_id', jsonb_build_array(count(network_outer_vlan_id), sum(network_outer_vlan_id)),
        'network_inner_vlan_id', jsonb_build_array(count(network_inner_vlan_id), sum(network_inner_vlan_id)),
        'zeek_connection_tunnel_parents',
        jsonb_build_array(
            count(zeek_connection_tunnel_parents), sum(octet_length(zeek_connection_tunnel_parents))
        ),
        'event_uid', jsonb_build_array(count(event_uid), sum(octet_length(event_uid))),
        'src_bytes', jsonb_build_array(count(src_bytes), sum(src_bytes)),
        'src_ip_bytes', jsonb_build_array(count(src_ip_bytes), sum(src_ip_bytes)),
        'src_mac', jsonb_build_array(count(src_mac), sum(octet_length(src_mac))),
        'src_packets', jsonb_build_array(count(src_packets), sum(src_packets)),
        'zeek_connection_local_src',
        jsonb_build_array(
            count(zeek_connection_local_src), count(*) FILTER (WHERE zeek_connection_local_src)
        ),
        'zeek_connection_local_dst',
        jsonb_build_array(
            count(zeek_connection_local_dst), count(*) FILTER (WHERE zeek_connection_local_dst)
        ),
        'event_duration',
        jsonb_build_array(
            count(event_duration),
            sum(
                CAST(CAST('x' || encode(float8send(nullif(event_duration, 'NaN')), 'hex') AS bit(64)) AS bigint)
            )
        ),
        'network_connection_history',
        jsonb_build_array(
            count(network_connection_history), sum(octet_length(network_connection_history))
        ),
        'network_connection_state',
        jsonb_build_array(
            count(network_connection_state), sum(octet_length(network_connection_state))
        ),
        'network_missed_bytes', jsonb_build_array(count(network_missed_bytes), sum(network_missed_bytes)),
        'network_application', jsonb_build_array(count(network_application), sum(octet_length(network_application))),
        'dst_bytes', jsonb_build_array(count(dst_bytes), sum(dst_bytes)),
        'dst_ip_bytes', jsonb_build_array(count(dst_ip_bytes), sum(dst_ip_bytes)),
        'dst_mac', jsonb_build_array(count(dst_mac), sum(octet_length(dst_mac))),
        'dst_packets', jsonb_build_array(count(dst_packets), sum(dst_packets)),
        'etl_file_id', jsonb_build_array(count(etl_file_id), sum(etl_file_id)),
        'etl_line', jsonb_build_array(count(etl_line), sum(etl_line)),
        'extra', jsonb_build_array(count(extra), sum(octet_length(CAST(extra AS text))))
    ) AS columns
FROM zeek.conn
WHERE "@timestamp" >= :since AND "@timestamp" < :until;

-- name: record
-- Iceberg has the export: the ledger of the archive follows.
UPDATE etl.archive_day
SET
    exported_changes = :changes, export_id = :export_id, snapshot_id = :snapshot_id, rows = :rows, bytes = :bytes,
    exported_at = clock_timestamp(), verified_at = clock_timestamp(), fault = NULL
WHERE day = :day;

-- name: forget_files
-- The day has other files now.
DELETE FROM etl.archive_file WHERE day = :day;

-- name: add_file
-- Enter a file of the day's newest export.
INSERT INTO etl.archive_file (path, day, rows, bytes, columns, sources)
VALUES (:path, :day, :rows, :bytes, CAST(:columns AS jsonb), CAST(:sources AS jsonb));

-- name: files
-- The files of some days, of all days where none is named.
SELECT path, day, rows, bytes, columns, sources
FROM etl.archive_file
WHERE CAST(:days AS date []) IS NULL OR day = ANY(CAST(:days AS date []))
ORDER BY day, path;

-- name: listed
-- All days of the archive.
SELECT * FROM etl.archived_day ORDER BY day;

-- name: found_right
-- The files of the day were read and are what was exported.
UPDATE etl.archive_day SET verified_at = clock_timestamp(), fault = NULL WHERE day = :day;

-- name: found_wrong
-- The files of the day were read and are not what was exported.
UPDATE etl.archive_day SET verified_at = NULL, fault = :fault WHERE day = :day;

-- name: held_back
-- Days that may not be dropped, with the reason; kept: nor those that were restored not long ago.
SELECT
    wanted.day,
    CASE
        WHEN archived.state = 'stale' THEN 'its rows changed after its export'
        WHEN archived.state = 'faulty' THEN 'its archive is faulty: ' || archived.fault
        WHEN archived.state = 'archived' THEN 'it was restored and is kept until ' || archived.keep_until
        ELSE 'it is not archived'
    END AS reason
FROM unnest(CAST(:days AS date [])) AS wanted (day)
LEFT JOIN etl.archived_day AS archived ON wanted.day = archived.day
WHERE coalesce(archived.state, '') <> 'archived' OR (CAST(:kept AS boolean) AND archived.keep_until > now())
ORDER BY wanted.day;

-- name: remembered
-- The files of which retention dropped rows of this day, and whether those rows are still theirs: a file that was
-- unloaded since, or loaded again, has no claim to them any more.
SELECT retired.etl_file_id, retired.rows
FROM etl.retired_file AS retired
INNER JOIN etl.file USING (etl_file_id)
CROSS JOIN LATERAL jsonb_populate_record(file, coalesce(file.before, '{}')) AS stood
WHERE retired.day = :day AND etl.has_rows(stood.state);

-- name: forget_retired_files
-- The dropped day's rows come back: the ledger counts them again.
DELETE FROM etl.retired_file WHERE day = :day;

-- name: forget_retired_day
-- Retention never took this day.
DELETE FROM etl.retired_day WHERE day = :day;

-- name: keep
-- Retention leaves the day alone for a while.
UPDATE etl.archive_day SET keep_until = now() + CAST(:keep AS interval) WHERE day = :day;

-- name: touch_day
-- All hours of the day are due.
INSERT INTO etl.touched_hour (hour)
SELECT generate_series(
    CAST(:since AS timestamptz), CAST(:since AS timestamptz) + interval '23 hours', interval '1 hour'
);

-- name: let_readers_see
-- The catalog's tables are made by pyiceberg; readers ask them too.
GRANT SELECT ON ALL TABLES IN SCHEMA iceberg TO conn_reader;

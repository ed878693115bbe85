-- Publishing: one transaction that moves what is good of a batch to zeek.conn and the rest to quarantine.
--
-- Its temporary objects, in the order in which they are made; tables go at the end of the transaction:
--
--   object                         made by                                read by
--   views staged, staged_reject,   staging.bind                           publish, quality, quarantine, staging
--     staged_format, staged_raw,
--     staged_bad, staged_hour,
--     counted_hour
--   table replaying (replay only)  quarantine.lock_lines                  quarantine
--   table publishing               publish.select_files                   publish.good_rows, .bad_rows, .loaded
--   view good                      publish.good_rows; speculative.rows_of*  publish.insert_all, .insert_new, .leftover,
--                                                                         quarantine.replayed
--   table bad_row                  publish.bad_rows                       publish.loaded, .quarantine_bad,
--                                                                         quarantine.still_bad, speculative.delete_bad
--   view target                    publish.target; speculative.target_day   publish.insert_all
--   table leftover                 publish.leftover, publish.no_leftover  publish.duplicates, .quarantine_conflicts,
--                                                                         publish.conflicts_without_raw,
--                                                                         undo.note_duplicates, quarantine.replayed,
--                                                                         quarantine.note
--
-- staging.forget_views drops the views; staging.drop drops them and the tables of staging.

-- name: tune
-- Staging is fresh and has no statistics: a merge join would sort all of it to find that no row is bad. 256 MB: the
-- rows of a batch of the usual size are sorted in memory; a larger one takes the disk.
SELECT set_config('enable_mergejoin', 'off', true), set_config('work_mem', '256MB', true);

-- name: days
-- Days that each file's good rows fall on, and whether their partition is there.
SELECT
    days.etl_file_id,
    days.day,
    to_regclass('zeek.conn_' || to_char(days.day, 'YYYYMMDD')) IS NULL AS is_new
FROM (
    SELECT etl_file_id, etl.day_of(hour) AS day
    FROM (
        SELECT etl_file_id, hour, rows FROM pg_temp.counted_hour
        UNION ALL
        SELECT staged.etl_file_id, etl.hour_of(staged."@timestamp"), -1
        FROM (SELECT DISTINCT etl_file_id, etl_line FROM pg_temp.staged_bad) AS bad
        INNER JOIN pg_temp.staged USING (etl_file_id, etl_line)
    ) AS hours
    WHERE etl_file_id = ANY(:ids)
    GROUP BY etl_file_id, etl.day_of(hour)
    HAVING sum(rows) > 0
) AS days
ORDER BY days.day;

-- name: ensure_partition
-- Make the partition of a day where it is missing; whether it was.
SELECT etl.ensure_partition(:day);

-- name: not_counted
-- Lines of each file that the error budget does not count: rows of days that retention dropped, lines of other logs.
SELECT not_counted.etl_file_id, count(*) AS lines
FROM (
    SELECT etl_file_id, etl_line
    FROM pg_temp.staged_bad
    GROUP BY etl_file_id, etl_line
    HAVING bool_and(rule = 'expired')
    UNION ALL
    SELECT etl_file_id, etl_line
    FROM pg_temp.staged_reject
    WHERE reason = 'other_log'
) AS not_counted
GROUP BY not_counted.etl_file_id;

-- name: retired
-- Those of these days that retention dropped.
SELECT day FROM etl.retired_day WHERE day = ANY(:days) ORDER BY day;

-- name: same_bytes
-- The first file outside the batch that brought these bytes; empty files are each their own. A file that is loaded
-- again still stands for the bytes that it brought before. Two branches: each has an index.
SELECT DISTINCT ON (brought.digest) brought.digest, brought.etl_file_id
FROM (
    SELECT digest, etl_file_id
    FROM etl.file
    WHERE digest = ANY(:digests) AND rows_read > 0 AND etl.has_rows(state)
    UNION ALL
    SELECT digest, etl_file_id
    FROM etl.loaded_file
    WHERE reopened AND digest = ANY(:digests)
) AS brought
WHERE brought.etl_file_id <> all(:batch)
ORDER BY brought.digest, brought.etl_file_id;

-- name: select_files
-- The files whose rows are published, in the order of the batch.
CREATE TEMPORARY TABLE publishing ON COMMIT DROP AS
SELECT chosen.etl_file_id, chosen.position
FROM unnest(CAST(:ids AS bigint [])) WITH ORDINALITY AS chosen (etl_file_id, position);

-- name: good_rows
-- The rows to insert: those of the files to publish that broke no critical rule.
CREATE OR REPLACE TEMPORARY VIEW good AS
SELECT staged.*
FROM pg_temp.staged
INNER JOIN pg_temp.publishing USING (etl_file_id)
WHERE
    NOT EXISTS (
        SELECT FROM pg_temp.staged_bad AS bad
        WHERE bad.etl_file_id = staged.etl_file_id AND bad.etl_line = staged.etl_line
    )
-- in the order of the key: overlapping inserts in opposite order would deadlock
ORDER BY staged."@timestamp", staged.event_uid, publishing.position, staged.etl_line;

-- name: target
-- Where insert_all inserts: the whole table.
CREATE OR REPLACE TEMPORARY VIEW target AS SELECT * FROM zeek.conn;

-- name: insert_all
-- The usual case: every row is new. A row that is there already raises 23505, and insert_new takes over. No row is
-- returned, which is dear: loaded knows from the counts of staging what came in.
INSERT INTO pg_temp.target SELECT * FROM pg_temp.good;

-- name: loaded
-- What insert_all brought of each file, from the counts of staging less the bad rows. The hours that got rows are
-- marked: their rollups are due. Archived days become stale. unsure: a bad row had the first or the last time, which
-- another row may have too.
WITH by_hour AS (
    SELECT
        hours.etl_file_id, hours.hour, sum(hours.rows) AS rows_loaded, min(hours.min_timestamp) AS min_timestamp,
        max(hours.max_timestamp) AS max_timestamp
    FROM (
        SELECT etl_file_id, hour, rows, min_timestamp, max_timestamp FROM pg_temp.counted_hour
        UNION ALL
        SELECT etl_file_id, etl.hour_of("@timestamp"), -1, NULL, NULL FROM pg_temp.bad_row
    ) AS hours
    INNER JOIN pg_temp.publishing USING (etl_file_id)
    GROUP BY hours.etl_file_id, hours.hour
    HAVING sum(hours.rows) > 0
),

touched AS (
    INSERT INTO etl.touched_hour (hour) SELECT DISTINCT hour FROM by_hour
),

archived AS (
    UPDATE etl.archive_day SET changes = changes + 1
    WHERE day IN (SELECT CAST(hour AT TIME ZONE 'UTC' AS date) FROM by_hour)
)

SELECT
    loaded.etl_file_id, loaded.rows_loaded, loaded.min_timestamp, loaded.max_timestamp,
    (
        SELECT count(*) > 0
        FROM pg_temp.bad_row
        WHERE
            bad_row.etl_file_id = loaded.etl_file_id
            AND bad_row."@timestamp" IN (loaded.min_timestamp, loaded.max_timestamp)
    ) AS unsure
FROM (
    SELECT
        etl_file_id, sum(rows_loaded)::bigint AS rows_loaded, min(min_timestamp) AS min_timestamp,
        max(max_timestamp) AS max_timestamp
    FROM by_hour
    GROUP BY etl_file_id
) AS loaded;

-- name: good_spans
-- First and last time of the good rows of these files, from the rows themselves.
SELECT staged.etl_file_id, min(staged."@timestamp") AS min_timestamp, max(staged."@timestamp") AS max_timestamp
FROM pg_temp.staged
WHERE
    staged.etl_file_id = ANY(:ids)
    AND NOT EXISTS (
        SELECT FROM pg_temp.bad_row
        WHERE bad_row.etl_file_id = staged.etl_file_id AND bad_row.etl_line = staged.etl_line
    )
GROUP BY staged.etl_file_id;

-- name: insert_new
-- Insert the rows that are new and leave out those whose identity is there; marks hours and days as loaded does.
WITH added AS (
    INSERT INTO zeek.conn SELECT * FROM pg_temp.good
    ON CONFLICT DO NOTHING
    RETURNING etl_file_id, "@timestamp"
),

by_hour AS (
    SELECT
        etl_file_id, etl.hour_of("@timestamp") AS hour, count(*) AS rows_loaded, min("@timestamp") AS min_timestamp,
        max("@timestamp") AS max_timestamp
    FROM added
    GROUP BY etl_file_id, etl.hour_of("@timestamp")
),

touched AS (
    INSERT INTO etl.touched_hour (hour) SELECT DISTINCT hour FROM by_hour
),

archived AS (
    UPDATE etl.archive_day SET changes = changes + 1
    WHERE day IN (SELECT CAST(hour AT TIME ZONE 'UTC' AS date) FROM by_hour)
)

SELECT
    etl_file_id, sum(rows_loaded)::bigint AS rows_loaded, min(min_timestamp) AS min_timestamp,
    max(max_timestamp) AS max_timestamp
FROM by_hour
GROUP BY etl_file_id;

-- name: leftover
-- Good rows whose identity is in the table from another line: the same flow again, or a conflict. TSV rounds a duration
-- to six decimals and JSON does not: durations that differ by less than 0.0000006 are the same.
CREATE TEMPORARY TABLE leftover ON COMMIT DROP AS
SELECT
    good.etl_file_id, good.etl_line, there.etl_file_id AS of_file_id,
    (good.network_protocol IS NOT DISTINCT FROM there.network_protocol)
    AND (good.src_ip_addr IS NOT DISTINCT FROM there.src_ip_addr)
    AND (good.src_port IS NOT DISTINCT FROM there.src_port)
    AND (good.dst_ip_addr IS NOT DISTINCT FROM there.dst_ip_addr)
    AND (good.dst_port IS NOT DISTINCT FROM there.dst_port)
    AND (good.network_outer_vlan_id IS NOT DISTINCT FROM there.network_outer_vlan_id)
    AND (good.network_inner_vlan_id IS NOT DISTINCT FROM there.network_inner_vlan_id)
    AND (good.zeek_connection_tunnel_parents IS NOT DISTINCT FROM there.zeek_connection_tunnel_parents)
    AND (good.src_bytes IS NOT DISTINCT FROM there.src_bytes)
    AND (good.src_ip_bytes IS NOT DISTINCT FROM there.src_ip_bytes)
    AND (good.src_mac IS NOT DISTINCT FROM there.src_mac)
    AND (good.src_packets IS NOT DISTINCT FROM there.src_packets)
    AND (good.zeek_connection_local_src IS NOT DISTINCT FROM there.zeek_connection_local_src)
    AND (good.zeek_connection_local_dst IS NOT DISTINCT FROM there.zeek_connection_local_dst)
    AND (good.network_connection_history IS NOT DISTINCT FROM there.network_connection_history)
    AND (good.network_connection_state IS NOT DISTINCT FROM there.network_connection_state)
    AND (good.network_missed_bytes IS NOT DISTINCT FROM there.network_missed_bytes)
    AND (good.network_application IS NOT DISTINCT FROM there.network_application)
    AND (good.dst_bytes IS NOT DISTINCT FROM there.dst_bytes)
    AND (good.dst_ip_bytes IS NOT DISTINCT FROM there.dst_ip_bytes)
    AND (good.dst_mac IS NOT DISTINCT FROM there.dst_mac)
    AND (good.dst_packets IS NOT DISTINCT FROM there.dst_packets)
    AND (good.event_duration IS NULL) = (there.event_duration IS NULL)
    AND coalesce(abs(good.event_duration - there.event_duration) < 0.0000006, true) AS same,
    good.mapped, to_jsonb(there) AS existing
-- whole rows of a view inside a subquery: Citus cannot send them to its workers
FROM (SELECT good.*, to_jsonb(good) AS mapped FROM pg_temp.good) AS good
INNER JOIN zeek.conn AS there ON (good."@timestamp", good.event_uid) = (there."@timestamp", there.event_uid)
WHERE
    there."@timestamp" >= etl.day_start(CAST(:first_day AS date))
    AND there."@timestamp" < etl.day_start(CAST(:last_day AS date) + 1)
    AND (good.etl_file_id, good.etl_line) <> (there.etl_file_id, there.etl_line);

-- name: no_leftover
-- Every row was new: an empty table for those who read it.
CREATE TEMPORARY TABLE leftover (
    etl_file_id bigint, etl_line bigint, same boolean, mapped jsonb, existing jsonb
) ON COMMIT DROP;

-- name: duplicates
-- Rows of each file that were there already with the same values.
SELECT etl_file_id, count(*) AS rows_duplicate
FROM pg_temp.leftover
WHERE same
GROUP BY etl_file_id;

-- name: forget_quarantine
-- Forget the lines of a file that was refused before and is judged again.
DELETE FROM etl.quarantine WHERE etl_file_id = ANY(:ids);

-- name: quarantine_rejects
-- Quarantine the lines of these files that could not be read or cast; of a refused file no more than the first.
INSERT INTO etl.quarantine (etl_file_id, etl_line, raw, raw_cut, format_digest, field, reason, rule, run_id)
SELECT
    kept.etl_file_id, kept.etl_line, kept.raw, kept.raw_cut, kept.format_digest, kept.field, kept.reason, kept.rule,
    :run
FROM (
    SELECT rejected.*, row_number() OVER (PARTITION BY etl_file_id ORDER BY etl_line) AS position
    FROM pg_temp.staged_reject AS rejected
    WHERE etl_file_id = ANY(:ids)
) AS kept
WHERE kept.position <= coalesce(CAST(:most AS bigint), kept.position);

-- name: keep_formats
-- Keep how the rejected lines of the batch were read; in a separate transaction, so that no other batch waits for it. A
-- batch that has the same formats an hour later says so: maintenance deletes what was not used for a day.
INSERT INTO etl.quarantine_format (digest, format)
SELECT DISTINCT ON (staged_format.digest) staged_format.digest, staged_format.format
FROM pg_temp.staged_format
ORDER BY staged_format.digest
ON CONFLICT ON CONSTRAINT quarantine_format_pkey DO UPDATE
    SET used_at = now()
    WHERE quarantine_format.used_at < now() - interval '1 hour';

-- name: bad_rows
-- Staged rows that broke a critical rule, each once; of files that are not published no more than are kept. Staging is
-- read once for all who ask.
CREATE TEMPORARY TABLE bad_row ON COMMIT DROP AS
SELECT
    staged.etl_file_id, staged.etl_line, staged."@timestamp", staged.event_uid, bad.rule, bad.rules,
    to_jsonb(staged) AS mapped
FROM (
    SELECT
        etl_file_id, etl_line, min(rule) AS rule, string_agg(DISTINCT rule, ', ') AS rules,
        row_number() OVER (PARTITION BY etl_file_id ORDER BY etl_line) AS position
    FROM pg_temp.staged_bad
    GROUP BY etl_file_id, etl_line
) AS bad
INNER JOIN pg_temp.staged USING (etl_file_id, etl_line)
WHERE
    bad.etl_file_id = ANY(:ids)
    AND (bad.position <= :most OR bad.etl_file_id IN (SELECT publishing.etl_file_id FROM pg_temp.publishing));

-- name: quarantine_bad
-- Rows that broke a critical rule, with the bytes of their lines.
INSERT INTO etl.quarantine (etl_file_id, etl_line, reason, rule, mapped, raw, raw_cut, format_digest, run_id)
SELECT
    bad.etl_file_id, bad.etl_line, bad.rules, bad.rule, bad.mapped, raw.raw, coalesce(raw.raw_cut, false),
    raw.format_digest, :run
FROM pg_temp.bad_row AS bad
LEFT JOIN pg_temp.staged_raw AS raw USING (etl_file_id, etl_line)
WHERE bad.etl_file_id = ANY(:ids);

-- name: conflicts_without_raw
-- Identity conflicts are known only now; the bytes of these lines were not read before.
SELECT etl_file_id, etl_line
FROM pg_temp.leftover
WHERE
    NOT same
    AND NOT EXISTS (
        SELECT FROM pg_temp.staged_raw AS raw
        WHERE raw.etl_file_id = leftover.etl_file_id AND raw.etl_line = leftover.etl_line
    );

-- name: quarantine_conflicts
-- Rows whose identity is in the table with other values, with the bytes of their lines.
INSERT INTO etl.quarantine (
    etl_file_id, etl_line, reason, rule, mapped, existing, raw, raw_cut, format_digest, run_id
)
SELECT
    leftover.etl_file_id, leftover.etl_line, 'identity_conflict', 'identity_conflict', leftover.mapped,
    leftover.existing, raw.raw, coalesce(raw.raw_cut, false), raw.format_digest, :run
FROM pg_temp.leftover
LEFT JOIN pg_temp.staged_raw AS raw USING (etl_file_id, etl_line)
WHERE NOT leftover.same
-- a line that is replayed is there already, bytes and all
ON CONFLICT ON CONSTRAINT quarantine_identity DO UPDATE
    SET
        reason = excluded.reason, rule = excluded.rule, field = NULL, mapped = excluded.mapped,
        existing = excluded.existing;

-- name: quarantined
-- Lines of each file in quarantine.
SELECT etl_file_id, count(*) AS rows_quarantined
FROM etl.quarantine
WHERE etl_file_id = ANY(:ids)
GROUP BY etl_file_id;

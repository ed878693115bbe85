-- Days of zeek.conn. In statements that act on one relation the word leaf stands for its name, which the program puts
-- in: a parameter cannot be a name.

-- name: listed
-- Every day that has a partition, or had one; rows are the planner's estimate.
SELECT
    coalesce(leaf.day, retired.day) AS day,
    CASE
        WHEN retired.dropped_at IS NOT NULL THEN 'dropped'
        WHEN retired.day IS NOT NULL THEN 'being dropped'
        WHEN sealed.day IS NOT NULL THEN 'sealed'
        ELSE 'open'
    END AS state,
    coalesce(retired.rows_dropped, leaf.rows) AS rows,
    coalesce(leaf.bytes, 0) AS bytes,
    sealed.sealed_at,
    retired.dropped_at,
    coalesce(retired.reason, '') AS reason
FROM (
    SELECT
        to_date(substring(relation.relname FROM 6), 'YYYYMMDD') AS day,
        CAST(greatest(relation.reltuples, 0) AS bigint) AS rows,
        etl.relation_bytes(relation.oid) AS bytes
    FROM pg_inherits
    INNER JOIN pg_class AS relation ON pg_inherits.inhrelid = relation.oid
    WHERE pg_inherits.inhparent = CAST('zeek.conn' AS regclass)
) AS leaf
FULL JOIN etl.retired_day AS retired ON leaf.day = retired.day
LEFT JOIN etl.sealed_day AS sealed ON leaf.day = sealed.day
ORDER BY day;

-- name: closed
-- Days that ended a while ago, are not sealed, and that no open file may bring rows to.
SELECT leaf.day
FROM (
    SELECT to_date(substring(relation.relname FROM 6), 'YYYYMMDD') AS day
    FROM pg_inherits
    INNER JOIN pg_class AS relation ON pg_inherits.inhrelid = relation.oid
    WHERE pg_inherits.inhparent = CAST('zeek.conn' AS regclass)
) AS leaf
WHERE
    etl.day_start(leaf.day + 1) + CAST(:after AS interval) <= now()
    AND NOT EXISTS (SELECT FROM etl.sealed_day AS sealed WHERE sealed.day = leaf.day)
    AND NOT EXISTS (SELECT FROM etl.retired_day AS retired WHERE retired.day = leaf.day)
    AND NOT EXISTS (
        SELECT FROM etl.file
        WHERE
            etl.is_open(file.state)
            AND file.window_start < etl.day_start(leaf.day + 1)
            AND coalesce(file.window_end, file.window_start) >= etl.day_start(leaf.day)
    )
ORDER BY leaf.day;

-- name: broken_indexes
-- Indexes of a day that are not valid: an interrupted CREATE INDEX CONCURRENTLY leaves one.
SELECT quote_ident(index_.relname) AS name
FROM pg_index
INNER JOIN pg_class AS index_ ON pg_index.indexrelid = index_.oid
WHERE pg_index.indrelid = to_regclass('zeek.' || :leaf) AND NOT pg_index.indisvalid;

-- name: drop_index
-- Drop an index that is not valid.
DROP INDEX CONCURRENTLY IF EXISTS zeek.leaf;

-- name: index_src
-- Find the connections of an originator.
CREATE INDEX CONCURRENTLY IF NOT EXISTS leaf_src ON zeek.leaf (src_ip_addr, "@timestamp");

-- name: index_dst
-- Find the connections of a responder.
CREATE INDEX CONCURRENTLY IF NOT EXISTS leaf_dst ON zeek.leaf (dst_ip_addr, "@timestamp");

-- name: index_uid
-- Find a connection by its uid.
CREATE INDEX CONCURRENTLY IF NOT EXISTS leaf_uid ON zeek.leaf (event_uid);

-- name: vacuum
-- Visibility map and statistics, once for good: few rows of the day will change.
VACUUM (FREEZE, ANALYZE) zeek.leaf;

-- name: sealed
-- Note that a day is sealed.
INSERT INTO etl.sealed_day (day) VALUES (:day)
ON CONFLICT (day) DO UPDATE SET sealed_at = now(), top_stale = true;

-- name: standing
-- How far the drop of a day has come.
SELECT
    leaf.oid IS NOT NULL AS there,
    pg_inherits.inhrelid IS NOT NULL AS attached,
    coalesce(pg_inherits.inhdetachpending, false) AS pending,
    retired.day IS NOT NULL AS retired,
    retired.dropped_at IS NOT NULL AS dropped
FROM (SELECT CAST(to_regclass('zeek.' || :leaf) AS oid) AS oid) AS leaf
LEFT JOIN pg_inherits
    ON leaf.oid = pg_inherits.inhrelid AND pg_inherits.inhparent = CAST('zeek.conn' AS regclass)
LEFT JOIN etl.retired_day AS retired ON retired.day = :day;

-- name: unfinished
-- Days whose drop was interrupted.
SELECT day FROM etl.retired_day WHERE dropped_at IS NULL ORDER BY day;

-- name: retire
-- Retire a day. Under its lock: who publishes into it has committed, and who comes later sees this.
INSERT INTO etl.retired_day (day, reason) VALUES (:day, :reason) ON CONFLICT (day) DO NOTHING;

-- name: detach
-- Take a day out of zeek.conn; queries and loads go on meanwhile.
ALTER TABLE zeek.conn DETACH PARTITION zeek.leaf CONCURRENTLY; -- noqa: PRS

-- name: detach_distributed
-- The same on Citus, which refuses CONCURRENTLY: queries and loads wait for the moment that it takes.
ALTER TABLE zeek.conn DETACH PARTITION zeek.leaf;

-- name: finalize
-- Finish a detach that was interrupted.
ALTER TABLE zeek.conn DETACH PARTITION zeek.leaf FINALIZE;

-- name: remember
-- Note how many of a day's rows came from which file.
INSERT INTO etl.retired_file (etl_file_id, day, rows)
SELECT etl_file_id, :day, count(*)
FROM zeek.leaf
GROUP BY etl_file_id
-- the day was dropped before and opened again
ON CONFLICT (etl_file_id, day) DO UPDATE SET rows = retired_file.rows + excluded.rows;

-- name: dropped
-- Note that a day is dropped, with its size.
UPDATE etl.retired_day
SET
    dropped_at = clock_timestamp(),
    bytes_dropped = etl.relation_bytes(to_regclass('zeek.' || :leaf)),
    rows_dropped = (SELECT coalesce(sum(rows), 0) FROM etl.retired_file WHERE day = :day)
WHERE day = :day;

-- name: forget_restored
-- A day that is dropped again is no longer kept.
DELETE FROM etl.restored_day WHERE day = :day;

-- name: restored
-- Note that a dropped day takes rows again, and how long retention leaves it alone.
INSERT INTO etl.restored_day (day, keep_until) VALUES (:day, now() + CAST(:keep AS interval))
ON CONFLICT (day) DO UPDATE SET
restored_at = now(), restored_by = session_user, keep_until = excluded.keep_until;

-- name: kept
-- Days that were opened again and that retention leaves alone.
SELECT day, keep_until FROM etl.restored_day WHERE keep_until > now();

-- name: rows_of
-- Rows of a day that is there, from the rollups, which are exact.
SELECT coalesce(sum(connections), 0)::bigint AS rows
FROM zeek.hourly(etl.day_start(CAST(:day AS date)), etl.day_start(CAST(:day AS date) + 1));

-- name: archived
-- Those of these days that the archive holds as they are.
SELECT archived.day FROM etl.archived_day AS archived
WHERE archived.day = ANY(CAST(:days AS date [])) AND archived.state = 'archived';

-- name: brought_by
-- The files whose rows went with a dropped day, and have not been loaded again since.
SELECT file.path, file.size, file.mtime, retired.rows
FROM etl.retired_file AS retired
INNER JOIN etl.loaded_file AS file USING (etl_file_id)
WHERE retired.day = :day AND etl.has_rows(file.state)
ORDER BY file.path;

-- name: expired_lines
-- Lines that came for dropped days and wait in quarantine.
SELECT count(*) AS lines FROM etl.quarantine WHERE rule = 'expired' AND state = 'open';

-- name: drop
-- Drop a day with its rows.
DROP TABLE zeek.leaf;

-- name: forget_sealed
-- Forget that a day was sealed.
DELETE FROM etl.sealed_day WHERE day = :day;

-- name: prune_results
-- Delete old results of rules.
DELETE FROM etl.expectation_result WHERE created_at < now() - CAST(:keep AS interval);

-- name: prune_formats
-- Formats that no line in quarantine needs; a batch that still has some used them within the day.
DELETE FROM etl.quarantine_format
WHERE
    used_at < now() - interval '1 day'
    AND NOT EXISTS (SELECT FROM etl.quarantine WHERE quarantine.format_digest = quarantine_format.digest);

-- name: prune_quarantine
-- Lines that are settled; the ledger keeps their number, so that its equation can still be checked.
WITH gone AS (
    DELETE FROM etl.quarantine
    WHERE state <> 'open' AND resolved_at < now() - CAST(:keep AS interval)
    RETURNING etl_file_id, state
)

UPDATE etl.file SET rows_pruned = file.rows_pruned + counts.lines
FROM (
    SELECT etl_file_id, count(*) FILTER (WHERE state <> 'replayed') AS lines, count(*) AS deleted
    FROM gone
    GROUP BY etl_file_id
) AS counts
WHERE file.etl_file_id = counts.etl_file_id
RETURNING counts.deleted;

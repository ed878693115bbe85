-- name: loaded_from
-- Files of these paths or runs that have something to take back. A file that is being loaded again still has its rows.
SELECT
    etl_file_id, path, size, mtime, state, batch_id,
    coalesce(CAST(before ->> 'digest' AS bytea), digest) AS digest,
    coalesce(CAST(before ->> 'rows_loaded' AS bigint), rows_loaded, 0) AS rows_loaded,
    coalesce(CAST(before ->> 'min_timestamp' AS timestamptz), min_timestamp) AS min_timestamp,
    coalesce(CAST(before ->> 'max_timestamp' AS timestamptz), max_timestamp) AS max_timestamp
FROM etl.file
WHERE
    log = :log AND (path = ANY(CAST(:paths AS text [])) OR run_id = ANY(CAST(:runs AS text [])))
    AND (state IN ('published', 'incomplete', 'superseded', 'known', 'refused') OR before IS NOT NULL)
ORDER BY etl_file_id;

-- name: loaded
SELECT
    etl_file_id, path, size, mtime, state, batch_id,
    coalesce(CAST(before ->> 'digest' AS bytea), digest) AS digest,
    coalesce(CAST(before ->> 'rows_loaded' AS bigint), rows_loaded, 0) AS rows_loaded,
    coalesce(CAST(before ->> 'min_timestamp' AS timestamptz), min_timestamp) AS min_timestamp,
    coalesce(CAST(before ->> 'max_timestamp' AS timestamptz), max_timestamp) AS max_timestamp
FROM etl.file
WHERE etl_file_id = ANY(:ids)
ORDER BY etl_file_id;

-- name: lock
SELECT etl_file_id FROM etl.file WHERE etl_file_id = ANY(:ids) ORDER BY etl_file_id FOR UPDATE;

-- name: other_versions
-- Rows of the ledger whose rows in zeek.conn go when these files are published.
SELECT DISTINCT other.etl_file_id
FROM etl.file
INNER JOIN
    etl.file AS other
    ON (file.log, file.path) = (other.log, other.path) AND file.etl_file_id <> other.etl_file_id
WHERE
    file.etl_file_id = ANY(:ids) AND file.replaces
    AND (other.state IN ('published', 'incomplete', 'superseded') OR other.before IS NOT NULL)
ORDER BY other.etl_file_id;

-- name: runs
SELECT run_id FROM etl.run WHERE run_id = ANY(CAST(:names AS text []));

-- name: days
SELECT DISTINCT CAST("@timestamp" AT TIME ZONE 'UTC' AS date) AS day
FROM zeek.conn
WHERE
    etl_file_id = ANY(:ids)
    AND "@timestamp" >= CAST(:first AS timestamptz) AND "@timestamp" <= CAST(:last AS timestamptz)
ORDER BY day;

-- name: delete_rows
-- One pass over the span of all these files, and of each only what lies in its own.
WITH gone AS (
    DELETE FROM zeek.conn AS there
    USING
        unnest(CAST(:ids AS bigint []), CAST(:firsts AS timestamptz []), CAST(:lasts AS timestamptz []))
            AS undone (etl_file_id, first, last)
    WHERE
        there.etl_file_id = undone.etl_file_id
        AND there."@timestamp" >= undone.first AND there."@timestamp" <= undone.last
        AND there."@timestamp" >= CAST(:first AS timestamptz) AND there."@timestamp" <= CAST(:last AS timestamptz)
    RETURNING there.etl_file_id, there."@timestamp"
),

touched AS (
    INSERT INTO etl.touched_hour (hour) SELECT DISTINCT etl.hour_of("@timestamp") FROM gone
)

SELECT etl_file_id, count(*) AS rows_deleted FROM gone GROUP BY etl_file_id;

-- name: forget_retired
-- What retention took from a file is no part of what it brings now.
WITH forgotten AS (DELETE FROM etl.retired_file WHERE etl_file_id = ANY(:ids))

UPDATE etl.file SET rows_pruned = 0 WHERE etl_file_id = ANY(:ids);

-- name: leaning
-- Files with rows that are in the table, or kept out of it, only because one of these brought them first.
SELECT file.etl_file_id, file.path, file.size, file.mtime, sum(leaning.rows)::bigint AS leaning_rows
FROM (
    SELECT etl_file_id, rows
    FROM etl.duplicate_of
    WHERE of_file_id = ANY(:ids)
    UNION ALL
    SELECT etl_file_id, 1
    FROM etl.quarantine
    WHERE
        rule = 'identity_conflict' AND state = 'open'
        AND CAST(existing ->> 'etl_file_id' AS bigint) = ANY(:ids)
) AS leaning
INNER JOIN etl.file USING (etl_file_id)
WHERE leaning.etl_file_id <> all(:ids) AND file.state IN ('published', 'incomplete', 'superseded')
GROUP BY file.etl_file_id
ORDER BY file.etl_file_id;

-- name: forget_duplicates
DELETE FROM etl.duplicate_of WHERE etl_file_id = ANY(:ids);

-- name: note_duplicates
INSERT INTO etl.duplicate_of (etl_file_id, of_file_id, rows)
SELECT etl_file_id, of_file_id, count(*)
FROM pg_temp.leftover
WHERE same
GROUP BY etl_file_id, of_file_id
-- lines of a file that are replayed come after its others
ON CONFLICT (etl_file_id, of_file_id) DO UPDATE SET rows = duplicate_of.rows + excluded.rows;

-- name: mark_unloaded
UPDATE etl.file
SET
    state = 'unloaded', kind = NULL, reason = :reason, rows_loaded = 0, rows_duplicate = 0, rows_quarantined = 0,
    min_timestamp = NULL, max_timestamp = NULL, known_file_id = NULL, batch_id = NULL, before = NULL,
    replaces = false, rows_pruned = 0, finished_at = clock_timestamp()
WHERE etl_file_id = ANY(:ids);

-- name: copies
-- Other names of the same bytes.
SELECT etl_file_id FROM etl.file WHERE known_file_id = ANY(:ids) AND state = 'known' ORDER BY etl_file_id;

-- name: close_quarantine
UPDATE etl.quarantine
SET state = 'closed', resolved_at = now(), resolved_by = session_user, resolution = :resolution
WHERE etl_file_id = ANY(:ids) AND state = 'open';

-- name: reopen
UPDATE etl.file
SET
    before = CASE
        WHEN state IN ('published', 'incomplete', 'superseded') THEN to_jsonb(file) - 'before' ELSE before
    END,
    replaces = replaces OR :replaces,
    batch_id = CASE WHEN state IN ('found', 'staged') THEN batch_id END,
    state = CASE WHEN state IN ('found', 'staged') THEN state ELSE 'found' END,
    kind = CASE WHEN state IN ('found', 'staged') THEN kind END,
    reason = CASE WHEN state IN ('found', 'staged') THEN reason END,
    finished_at = NULL
WHERE etl_file_id = ANY(:ids);

-- name: changed
-- Files that are being loaded again and whose rows may be others now: other bytes or another mapping.
SELECT etl_file_id
FROM etl.file
WHERE
    etl_file_id = ANY(:ids)
    AND (digest, mapping_version) IS DISTINCT FROM (
        CAST(before ->> 'digest' AS bytea), CAST(before ->> 'mapping_version' AS integer)
    );

-- name: waiting
SELECT etl_file_id FROM etl.file WHERE log = :log AND before IS NOT NULL ORDER BY etl_file_id;

-- name: restore
-- It could not be loaded again: what was there stays, and so does what the ledger said of it.
UPDATE etl.file
SET
    state = old.state, kind = 'not_replaced', reason = :reason, digest = old.digest, known_file_id = old.known_file_id,
    compression = old.compression, bytes_read = old.bytes_read, incomplete = old.incomplete,
    extra_columns = old.extra_columns, rows_read = old.rows_read, rows_staged = old.rows_staged,
    rows_rejected = old.rows_rejected, rows_failed = old.rows_failed, mapping_version = old.mapping_version,
    before = NULL, replaces = false, finished_at = clock_timestamp()
FROM etl.file AS now_there
CROSS JOIN LATERAL jsonb_populate_record(NULL::etl.file, now_there.before) AS old
WHERE file.etl_file_id = :id AND now_there.etl_file_id = file.etl_file_id;

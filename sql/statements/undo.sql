-- name: loaded_from
-- Files of these paths or runs that have something to take back. A file that is being loaded again still has its rows.
SELECT
    etl_file_id, path, size, mtime, state_now AS state, batch_id, digest, coalesce(rows_loaded, 0) AS rows_loaded,
    min_timestamp, max_timestamp
FROM etl.loaded_file
WHERE
    (path = ANY(CAST(:paths AS text [])) OR run_id = ANY(CAST(:runs AS text [])))
    AND (etl.has_rows(state_now) OR state_now IN ('known', 'refused') OR reopened)
ORDER BY etl_file_id;

-- name: loaded_below
-- The same of files below a folder (or in an archive), or whose paths fit a pattern.
SELECT
    etl_file_id, path, size, mtime, state_now AS state, batch_id, digest, coalesce(rows_loaded, 0) AS rows_loaded,
    min_timestamp, max_timestamp
FROM etl.loaded_file
WHERE
    (
        EXISTS (SELECT FROM unnest(CAST(:folders AS text [])) AS folder (name) WHERE starts_with(path, name))
        OR path ~ CAST(:pattern AS text)
    )
    AND (etl.has_rows(state_now) OR state_now IN ('known', 'refused') OR reopened)
ORDER BY etl_file_id;

-- name: seen
-- Whether the ledger has this path, files below it or files that fit the pattern, in whatever state.
SELECT
    exists(
        SELECT FROM etl.file
        WHERE
            path = :path OR path ~ CAST(:pattern AS text)
            OR EXISTS (SELECT FROM unnest(CAST(:folders AS text [])) AS folder (name) WHERE starts_with(path, name))
    );

-- name: retired_rows
-- Rows of these files that went with dropped days.
SELECT etl_file_id, sum(rows)::bigint AS rows
FROM etl.retired_file
WHERE etl_file_id = ANY(:ids)
GROUP BY etl_file_id;

-- name: loaded
-- The same of these files.
SELECT
    etl_file_id, path, size, mtime, state_now AS state, batch_id, digest, coalesce(rows_loaded, 0) AS rows_loaded,
    min_timestamp, max_timestamp
FROM etl.loaded_file
WHERE etl_file_id = ANY(:ids)
ORDER BY etl_file_id;

-- name: lock
-- Lock these rows of the ledger.
SELECT etl_file_id FROM etl.file WHERE etl_file_id = ANY(:ids) ORDER BY etl_file_id FOR UPDATE;

-- name: other_versions
-- Other versions of the paths of these files: their rows go when these files are published.
SELECT DISTINCT other.etl_file_id
FROM etl.file
INNER JOIN
    etl.file AS other
    ON file.path = other.path AND file.etl_file_id <> other.etl_file_id
WHERE
    file.etl_file_id = ANY(:ids) AND file.replaces
    AND (etl.has_rows(other.state) OR other.before IS NOT NULL)
ORDER BY other.etl_file_id;

-- name: runs
-- Those of these names that are runs.
SELECT run_id FROM etl.run WHERE run_id = ANY(CAST(:names AS text []));

-- name: days
-- UTC days on which these files have rows.
SELECT DISTINCT etl.day_of("@timestamp") AS day
FROM zeek.conn
WHERE
    etl_file_id = ANY(:ids)
    AND "@timestamp" >= CAST(:first AS timestamptz) AND "@timestamp" <= CAST(:last AS timestamptz)
ORDER BY day;

-- name: delete_rows
-- Delete the rows of these files: one pass over the span of all of them, and of each only rows within its own.
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
),

archived AS (
    UPDATE etl.archive_day SET changes = changes + 1
    WHERE day IN (SELECT CAST("@timestamp" AT TIME ZONE 'UTC' AS date) FROM gone)
)

SELECT etl_file_id, count(*) AS rows_deleted FROM gone GROUP BY etl_file_id;

-- name: forget_retired
-- Forget what retention took from a file: it is no part of what the file brings now.
WITH forgotten AS (DELETE FROM etl.retired_file WHERE etl_file_id = ANY(:ids) RETURNING day),

archived AS (
    UPDATE etl.archive_day SET changes = changes + 1
    WHERE day IN (SELECT day FROM forgotten)
)

UPDATE etl.file SET rows_pruned = 0 WHERE etl_file_id = ANY(:ids);

-- name: dependants
-- Files that depend on one of these: it was the first to bring rows that they hold too, or it has a row that conflicts
-- with one of theirs.
SELECT file.etl_file_id, file.path, file.size, file.mtime, sum(dependants.rows)::bigint AS dependant_rows
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
) AS dependants
INNER JOIN etl.file USING (etl_file_id)
WHERE dependants.etl_file_id <> all(:ids) AND etl.has_rows(file.state)
GROUP BY file.etl_file_id
ORDER BY file.etl_file_id;

-- name: forget_duplicates
-- Forget whose rows the duplicates of these files are.
DELETE FROM etl.duplicate_of WHERE etl_file_id = ANY(:ids);

-- name: note_duplicates
-- Note whose rows the duplicates of this transaction are.
INSERT INTO etl.duplicate_of (etl_file_id, of_file_id, rows)
SELECT etl_file_id, of_file_id, count(*)
FROM pg_temp.leftover
WHERE same
GROUP BY etl_file_id, of_file_id
-- lines of a file that are replayed come after its others
ON CONFLICT (etl_file_id, of_file_id) DO UPDATE SET rows = duplicate_of.rows + excluded.rows;

-- name: mark_unloaded
-- Make files unloaded whose rows are gone. Days that are only in the archive still hold those rows: they are stale.
WITH archived AS (
    UPDATE etl.archive_day SET changes = changes + 1
    WHERE day IN (SELECT retired.day FROM etl.retired_file AS retired WHERE retired.etl_file_id = ANY(:ids))
)

UPDATE etl.file
SET
    state = 'unloaded', kind = NULL, reason = :reason, rows_loaded = 0, rows_duplicate = 0, rows_quarantined = 0,
    min_timestamp = NULL, max_timestamp = NULL, known_file_id = NULL, batch_id = NULL, before = NULL,
    replaces = false, rows_pruned = 0, finished_at = clock_timestamp()
WHERE etl_file_id = ANY(:ids);

-- name: copies
-- Files that were known as the same bytes as these.
SELECT etl_file_id FROM etl.file WHERE known_file_id = ANY(:ids) AND state = 'known' ORDER BY etl_file_id;

-- name: close_quarantine
-- Close the open lines in quarantine of these files.
UPDATE etl.quarantine
SET state = 'closed', resolved_at = now(), resolved_by = session_user, resolution = :resolution
WHERE etl_file_id = ANY(:ids) AND state = 'open';

-- name: reopen
-- Open files again; of one that is loaded, the ledger keeps what it says now.
UPDATE etl.file
SET
    before = CASE
        WHEN etl.has_rows(state) THEN to_jsonb(file) - 'before' ELSE before
    END,
    replaces = replaces OR :replaces,
    batch_id = CASE WHEN etl.is_open(state) THEN batch_id END,
    state = CASE WHEN etl.is_open(state) THEN state ELSE 'found' END,
    kind = CASE WHEN etl.is_open(state) THEN kind END,
    reason = CASE WHEN etl.is_open(state) THEN reason END,
    finished_at = NULL
WHERE etl_file_id = ANY(:ids);

-- name: changed
-- Files that are being loaded again and whose rows may differ now: their bytes or the mapping changed.
SELECT file.etl_file_id
FROM etl.file
INNER JOIN etl.loaded_file AS old USING (etl_file_id)
WHERE
    file.etl_file_id = ANY(:ids)
    AND (file.digest, file.mapping_version) IS DISTINCT FROM (old.digest, old.mapping_version);

-- name: waiting
-- Files that are open to be loaded again.
SELECT etl_file_id FROM etl.file WHERE before IS NOT NULL ORDER BY etl_file_id;

-- name: restore
-- A file could not be loaded again: its rows stay, and the ledger says of it again what it said before.
UPDATE etl.file
SET
    state = old.state, kind = 'not_replaced', reason = :reason, digest = old.digest, known_file_id = old.known_file_id,
    compression = old.compression, bytes_read = old.bytes_read, incomplete = old.incomplete,
    extra_columns = old.extra_columns, rows_read = old.rows_read, rows_staged = old.rows_staged,
    rows_rejected = old.rows_rejected, rows_failed = old.rows_failed, mapping_version = old.mapping_version,
    before = NULL, replaces = false, finished_at = clock_timestamp()
FROM etl.loaded_file AS old
WHERE file.etl_file_id = :id AND old.etl_file_id = file.etl_file_id;

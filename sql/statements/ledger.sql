-- name: register
-- One row for each (path, size, mtime); those that are there already keep their state.
INSERT INTO etl.file (path, size, mtime, sensor, window_start, window_end)
SELECT found.path, found.size, found.mtime, found.sensor, found.window_start, found.window_end
FROM
    unnest(
        CAST(:paths AS text []), CAST(:sizes AS bigint []), CAST(:mtimes AS timestamptz []),
        CAST(:sensors AS text []), CAST(:starts AS timestamptz []), CAST(:ends AS timestamptz [])
    ) AS found (path, size, mtime, sensor, window_start, window_end)
ON CONFLICT ON CONSTRAINT file_identity DO NOTHING;

-- name: look_again
-- A file that was found but not loaded has grown since: the same row, with its size and time of now. Each path is one
-- lookup, as in older_versions.
UPDATE etl.file
SET size = found.size, mtime = found.mtime, first_seen = now()
FROM
    unnest(CAST(:paths AS text []), CAST(:sizes AS bigint []), CAST(:mtimes AS timestamptz []))
        AS found (path, size, mtime)
CROSS JOIN
    LATERAL (
        SELECT
            max(version.etl_file_id) FILTER (
                WHERE version.state = 'found' AND version.batch_id IS NULL AND version.run_id IS NULL
                AND version.before IS NULL
            ) AS etl_file_id,
            bool_or(version.size = found.size AND version.mtime = found.mtime) AS is_there
        FROM etl.file AS version
        WHERE version.path = found.path
    ) AS grown
WHERE file.etl_file_id = grown.etl_file_id AND NOT grown.is_there;

-- name: left_open
-- What came from stdin in a call that did not end; the path says which bytes they are.
SELECT mtime FROM etl.file
WHERE path = :path AND etl.is_open(state)
ORDER BY etl_file_id
LIMIT 1;

-- name: place
-- Put sensor and window of known files right, as the settings say now.
UPDATE etl.file
SET sensor = found.sensor, window_start = found.window_start, window_end = found.window_end
FROM
    unnest(
        CAST(:paths AS text []), CAST(:sizes AS bigint []), CAST(:mtimes AS timestamptz []),
        CAST(:sensors AS text []), CAST(:starts AS timestamptz []), CAST(:ends AS timestamptz [])
    ) AS found (path, size, mtime, sensor, window_start, window_end)
WHERE file.path = found.path AND file.size = found.size AND file.mtime = found.mtime;

-- name: lookup
-- The ledger's row of each file that it knows by path, size and mtime.
SELECT
    file.etl_file_id, file.path, file.size, file.mtime, file.sensor, file.window_start, file.window_end,
    file.state, file.kind, file.reason, file.batch_id, file.mapping_version, file.digest, file.first_seen
FROM
    unnest(CAST(:paths AS text []), CAST(:sizes AS bigint []), CAST(:mtimes AS timestamptz []))
        AS found (path, size, mtime)
INNER JOIN etl.file AS file USING (path, size, mtime);

-- name: by_id
-- Rows of the ledger by number, in the order given.
SELECT
    file.etl_file_id, file.path, file.size, file.mtime, file.sensor, file.window_start, file.window_end,
    file.state, file.kind, file.reason, file.batch_id, file.mapping_version, file.rows_read, file.rows_loaded,
    file.rows_duplicate, file.rows_quarantined, file.run_id, file.min_timestamp, file.max_timestamp
FROM
    unnest(CAST(:ids AS bigint [])) WITH ORDINALITY AS wanted (etl_file_id, position)
INNER JOIN etl.file AS file USING (etl_file_id)
ORDER BY wanted.position;

-- name: skip
-- Make found files final that the listing alone decides about: skipped, refused or failed, with the reason.
UPDATE etl.file
SET state = verdict.state, kind = verdict.kind, reason = verdict.reason, finished_at = now(), run_id = :run
FROM
    unnest(
        CAST(:ids AS bigint []), CAST(:states AS text []), CAST(:kinds AS text []), CAST(:reasons AS text [])
    ) AS verdict (etl_file_id, state, kind, reason)
WHERE file.etl_file_id = verdict.etl_file_id AND file.state = 'found';

-- name: reopen
-- Open files again that were not loaded; a name lifts their error budget.
UPDATE etl.file
SET
    state = 'found', kind = NULL, reason = NULL, finished_at = NULL, batch_id = NULL,
    accepted_by = coalesce(CAST(:accepted_by AS text), accepted_by),
    accepted_at = CASE WHEN CAST(:accepted_by AS text) IS NULL THEN accepted_at ELSE now() END
WHERE etl_file_id = ANY(:ids) AND state IN ('refused', 'failed', 'skipped');

-- name: accept
-- Lift the error budget of open files.
UPDATE etl.file
SET accepted_by = :accepted_by, accepted_at = now()
WHERE etl_file_id = ANY(:ids) AND etl.is_open(state);

-- name: new_batch
-- A number that no batch had before.
SELECT nextval('etl.batch_id_seq');

-- name: claimable
-- Open files of those given, with the batch that they are in; the row locks last until the claim commits.
SELECT file.etl_file_id, file.batch_id
FROM etl.file
WHERE file.etl_file_id = ANY(:ids) AND etl.is_open(file.state)
ORDER BY file.etl_file_id
FOR UPDATE;

-- name: claim
-- Take files into a batch, in the order given; what staging held of them counts no more.
UPDATE etl.file
SET
    batch_id = :batch, batch_position = claimed.position, run_id = :run, state = 'found',
    rows_staged = NULL, rows_rejected = NULL, rows_failed = NULL
FROM unnest(CAST(:ids AS bigint [])) WITH ORDINALITY AS claimed (etl_file_id, position)
WHERE file.etl_file_id = claimed.etl_file_id;

-- name: held_by_live_run
-- Files that another DAG run has claimed and may still be working on.
SELECT file.etl_file_id
FROM etl.file
INNER JOIN etl.run USING (run_id)
WHERE
    file.etl_file_id = ANY(:ids) AND file.batch_id IS NOT NULL AND etl.is_open(file.state)
    AND run.kind = 'dag' AND run.ended_at IS NULL AND run.run_id <> :run
    AND run.started_at > now() - CAST(:claim_for AS interval);

-- name: batch_files
-- Open files of a batch, in its order.
SELECT
    etl_file_id, path, size, mtime, state, kind, reason, digest, incomplete, accepted_by IS NOT NULL AS accepted,
    first_seen, rows_read, rows_staged, rows_rejected, rows_failed, run_id, before ->> 'state' AS before, replaces
FROM etl.file
WHERE batch_id = :batch AND etl.is_open(state)
ORDER BY batch_position;

-- name: staged
-- What was read of each file of a batch.
UPDATE etl.file
SET
    state = 'staged', kind = reading.kind, reason = reading.reason, digest = reading.digest,
    compression = reading.compression, bytes_read = reading.bytes_read, incomplete = reading.incomplete,
    extra_columns = reading.extra_columns, rows_read = reading.rows_read, rows_staged = reading.rows_staged,
    rows_rejected = reading.rows_rejected, rows_failed = NULL, mapping_version = reading.mapping_version
FROM
    unnest(
        CAST(:etl_file_id AS bigint []), CAST(:kind AS text []), CAST(:reason AS text []), CAST(:digest AS bytea []),
        CAST(:compression AS text []), CAST(:bytes_read AS bigint []), CAST(:incomplete AS text []),
        CAST(:extra_columns AS jsonb []), CAST(:rows_read AS bigint []), CAST(:rows_staged AS bigint []),
        CAST(:rows_rejected AS bigint []), CAST(:mapping_version AS integer [])
    ) AS reading (
        etl_file_id, kind, reason, digest, compression, bytes_read, incomplete, extra_columns, rows_read, rows_staged,
        rows_rejected, mapping_version
    )
WHERE file.etl_file_id = reading.etl_file_id;

-- name: validated
-- How many rows of each file broke a critical rule.
UPDATE etl.file SET rows_failed = verdict.failed
FROM unnest(CAST(:ids AS bigint []), CAST(:failed AS bigint [])) AS verdict (etl_file_id, failed)
WHERE file.etl_file_id = verdict.etl_file_id;

-- name: judge_again
-- Let the gate run again over a batch.
UPDATE etl.file SET rows_failed = NULL WHERE batch_id = :batch AND state = 'staged';

-- name: finish
-- The final state of each file of a batch, with its terms of the equation. Of a known file no row counts as read: the
-- file that brought the same bytes has them.
UPDATE etl.file
SET
    state = result.state, kind = result.kind, known_file_id = result.known_file_id,
    reason = coalesce('the same bytes as ' || brought.path, result.reason),
    rows_read = CASE WHEN result.known_file_id IS NULL THEN file.rows_read ELSE 0 END,
    rows_loaded = result.rows_loaded, rows_duplicate = result.rows_duplicate,
    rows_quarantined = result.rows_quarantined, min_timestamp = result.min_timestamp,
    max_timestamp = result.max_timestamp, before = NULL, replaces = false, finished_at = clock_timestamp()
FROM
    unnest(
        CAST(:etl_file_id AS bigint []), CAST(:state AS text []), CAST(:kind AS text []), CAST(:reason AS text []),
        CAST(:known_file_id AS bigint []), CAST(:rows_loaded AS bigint []), CAST(:rows_duplicate AS bigint []),
        CAST(:rows_quarantined AS bigint []), CAST(:min_timestamp AS timestamptz []),
        CAST(:max_timestamp AS timestamptz [])
    ) AS result (
        etl_file_id, state, kind, reason, known_file_id, rows_loaded, rows_duplicate, rows_quarantined, min_timestamp,
        max_timestamp
    )
LEFT JOIN etl.file AS brought ON result.known_file_id = brought.etl_file_id
WHERE file.etl_file_id = result.etl_file_id;

-- name: wait
-- Why an open file is not loaded yet.
UPDATE etl.file SET reason = :reason WHERE etl_file_id = :id AND etl.is_open(state);

-- name: older_versions
-- Other versions of the paths of these files that were seen no later. OFFSET makes it one lookup by the index for each
-- file. Else the planner, where the ledger has no statistics yet, expects next to no open file, and compares each of
-- these files with each of thousands.
SELECT newer.etl_file_id AS newer, older.etl_file_id AS older
FROM etl.file AS newer
CROSS JOIN
    LATERAL (
        SELECT version.etl_file_id, version.first_seen
        FROM etl.file AS version
        WHERE version.path = newer.path
        OFFSET 0 -- noqa: AM09
    ) AS older
WHERE
    newer.etl_file_id = ANY(:ids) AND older.etl_file_id <> newer.etl_file_id
    AND older.first_seen <= newer.first_seen;

-- name: supersede
-- Older versions of the path of a loaded file keep rows and counts; their open quarantine lines are closed.
UPDATE etl.file
SET state = 'superseded', reason = 'a newer version of this path was loaded as file ' || pair.newer
FROM unnest(CAST(:newer AS bigint []), CAST(:older AS bigint [])) AS pair (newer, older)
WHERE
    pair.newer = ANY(:loaded) AND file.etl_file_id = pair.older AND file.state IN ('published', 'incomplete');

-- name: close_superseded
-- Lines of these versions, of refused ones too: the newest has its own.
UPDATE etl.quarantine
SET
    state = 'closed', resolved_at = now(), resolved_by = current_user,
    resolution = 'the file was superseded'
FROM etl.file
WHERE
    file.etl_file_id = ANY(:older) AND file.state IN ('superseded', 'refused')
    AND quarantine.etl_file_id = file.etl_file_id AND quarantine.state = 'open';

-- name: pass_over
-- A version that was never read: the file changed before.
UPDATE etl.file
SET
    state = 'skipped', kind = 'gone', reason = 'it changed before it was read, into file ' || pair.newer,
    finished_at = now()
FROM unnest(CAST(:newer AS bigint []), CAST(:older AS bigint [])) AS pair (newer, older)
WHERE file.etl_file_id = pair.older AND file.state = 'found' AND file.before IS NULL;

-- name: note_columns
-- Note columns of these files that the data dictionary lacks; names are cut where the index could not hold them.
INSERT INTO etl.unknown_column (name, type, etl_file_id)
SELECT left(columns.key, 300), left(columns.value, 300), file.etl_file_id
FROM etl.file, jsonb_each_text(file.extra_columns) AS columns
WHERE file.etl_file_id = ANY(:ids)
ORDER BY columns.key, file.etl_file_id
ON CONFLICT (name) DO NOTHING;

-- name: begin_run
-- Open a run, or open it again after a retry.
INSERT INTO etl.run (run_id, kind, arguments) VALUES (:run, :kind, CAST(:arguments AS jsonb))
ON CONFLICT (run_id) DO UPDATE SET ended_at = NULL;

-- name: end_earlier
-- Airflow has one run of a DAG at a time: one that was stopped by hand never ended, and keeps no files.
UPDATE etl.run SET ended_at = now()
WHERE kind = 'dag' AND ended_at IS NULL AND run_id <> :run AND arguments ->> 'dag' = CAST(:dag AS text);

-- name: end_run
-- Close a run, with what it did: these counts never change, whatever becomes of the rows later.
UPDATE etl.run
SET
    ended_at = now(), files = done.files, rows_read = done.rows_read, rows_loaded = done.rows_loaded,
    rows_duplicate = done.rows_duplicate, rows_quarantined = done.rows_quarantined,
    bytes_packed = done.bytes_packed, bytes_read = done.bytes_read
FROM (
    SELECT
        count(*) FILTER (WHERE rows_read IS NOT NULL) AS files,
        coalesce(sum(rows_read), 0) AS rows_read,
        coalesce(sum(rows_loaded), 0) AS rows_loaded,
        coalesce(sum(rows_duplicate), 0) AS rows_duplicate,
        coalesce(sum(rows_quarantined), 0) AS rows_quarantined,
        coalesce(sum(size) FILTER (WHERE rows_read IS NOT NULL), 0) AS bytes_packed,
        coalesce(sum(bytes_read), 0) AS bytes_read
    FROM etl.file
    WHERE run_id = :run AND NOT etl.is_open(state)
) AS done
WHERE run.run_id = :run;

-- name: run_problems
-- Files that became refused or failed in a run.
SELECT path, state, kind, reason FROM etl.file
WHERE run_id = :run AND state IN ('refused', 'failed')
ORDER BY etl_file_id;

-- name: batch_totals
-- Sums of a batch's counts.
SELECT
    count(*) AS files,
    coalesce(sum(rows_read), 0)::bigint AS rows_read,
    coalesce(sum(rows_loaded), 0)::bigint AS rows_loaded,
    coalesce(sum(rows_duplicate), 0)::bigint AS rows_duplicate,
    coalesce(sum(rows_quarantined), 0)::bigint AS rows_quarantined,
    count(*) FILTER (WHERE state IN ('refused', 'failed')) AS refused,
    min(min_timestamp) AS min_timestamp,
    max(max_timestamp) AS max_timestamp
FROM etl.file
WHERE batch_id = :batch;

-- name: staging_tables
-- Batches that have staging tables.
SELECT DISTINCT substring(relname FROM '^stage_(\d+)')::bigint AS batch
FROM pg_class
WHERE relnamespace = 'etl'::regnamespace AND relkind = 'r' AND relname ~ '^stage_\d+';

-- name: orphans
-- Of these batches, those whose staging no live run will come back to.
SELECT staging.batch
FROM unnest(CAST(:batches AS bigint [])) AS staging (batch)
WHERE NOT EXISTS (
    SELECT FROM etl.file
    INNER JOIN etl.run USING (run_id)
    WHERE
        file.batch_id = staging.batch AND etl.is_open(file.state) AND run.kind = 'dag'
        AND run.ended_at IS NULL AND run.started_at > now() - CAST(:claim_for AS interval)
);

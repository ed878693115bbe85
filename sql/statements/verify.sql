-- name: files
-- Files of which tables and ledger disagree: what the ledger says, and what zeek.conn, quarantine and dropped days hold
-- of them. A file that is being loaded again is compared with what it was before. A file without path is one that only
-- the rows know.
WITH stood AS (
    SELECT
        etl_file_id, path, rows_pruned, state, rows_read, rows_loaded, rows_duplicate, rows_quarantined, min_timestamp,
        max_timestamp
    FROM etl.loaded_file
),

rows_there AS (
    SELECT etl_file_id, count(*) AS found, min("@timestamp") AS first, max("@timestamp") AS last
    FROM zeek.conn
    GROUP BY etl_file_id
),

compared AS (
    SELECT
        etl_file_id, stood.path, stood.state, stood.rows_read, stood.rows_loaded, stood.rows_duplicate,
        stood.rows_quarantined, stood.min_timestamp, stood.max_timestamp, there.first, there.last,
        coalesce(there.found, 0) AS found,
        coalesce(held.found, 0) + stood.rows_pruned AS found_quarantined,
        coalesce(dropped.rows, 0)::bigint AS rows_retired,
        coalesce(lost.rows, 0)::bigint AS lost_duplicates,
        CASE WHEN etl.has_rows(stood.state) THEN coalesce(stood.rows_loaded, 0) - coalesce(dropped.rows, 0) ELSE 0 END
            AS expected
    FROM stood
    FULL JOIN rows_there AS there USING (etl_file_id)
    LEFT JOIN (
        SELECT etl_file_id, count(*) AS found
        FROM etl.quarantine
        WHERE state <> 'replayed'
        GROUP BY etl_file_id
    ) AS held USING (etl_file_id)
    LEFT JOIN (
        SELECT etl_file_id, sum(rows) AS rows
        FROM etl.retired_file
        GROUP BY etl_file_id
    ) AS dropped USING (etl_file_id)
    LEFT JOIN (
        SELECT duplicate_of.etl_file_id, sum(duplicate_of.rows) AS rows
        FROM etl.duplicate_of
        INNER JOIN stood AS other ON duplicate_of.of_file_id = other.etl_file_id
        WHERE NOT etl.has_rows(other.state)
        GROUP BY duplicate_of.etl_file_id
    ) AS lost USING (etl_file_id)
)

SELECT *
FROM compared
WHERE
    path IS NULL
    OR found <> expected
    OR (found > 0 AND rows_retired = 0 AND (first, last) IS DISTINCT FROM (min_timestamp, max_timestamp))
    OR (
        etl.has_rows(state)
        AND (
            found_quarantined IS DISTINCT FROM rows_quarantined
            OR rows_read <> rows_loaded + rows_duplicate + rows_quarantined
            OR lost_duplicates > 0
        )
    )
ORDER BY path IS NULL, etl_file_id;

-- name: lost_copies
-- Files that are known as the same bytes as a file without rows.
SELECT copy.etl_file_id, copy.path, copy.known_file_id
FROM etl.file AS copy
INNER JOIN etl.file AS first ON copy.known_file_id = first.etl_file_id
WHERE
    copy.state = 'known' AND copy.before IS NULL AND first.before IS NULL
    AND NOT etl.has_rows(first.state)
ORDER BY copy.etl_file_id;

-- name: staging
-- Staging tables that no process works on (lock 7101) and none will come back to: none of their files is open in them.
SELECT DISTINCT staging.batch
FROM (
    SELECT substring(relname FROM '^stage_(\d+)')::bigint AS batch
    FROM pg_class
    WHERE relnamespace = 'etl'::regnamespace AND relkind = 'r' AND relname ~ '^stage_\d+'
) AS staging
WHERE
    NOT EXISTS (
        SELECT FROM etl.file
        WHERE file.batch_id = staging.batch AND etl.is_open(file.state)
    )
    AND pg_try_advisory_xact_lock_shared(7101, CAST(staging.batch % 2147483648 AS integer))
ORDER BY staging.batch;

-- name: quarantined
-- Open lines that are kept both as bytes and as values, by the present mapping; read in pieces by quarantine_id.
SELECT
    quarantine.quarantine_id, quarantine.etl_file_id, quarantine.etl_line, file.path, quarantine.raw,
    quarantine.format_digest, quarantine.mapped
FROM etl.quarantine
INNER JOIN etl.file USING (etl_file_id)
WHERE
    quarantine.quarantine_id > :after AND quarantine.state = 'open' AND NOT quarantine.raw_cut
    AND quarantine.raw IS NOT NULL AND quarantine.format_digest IS NOT NULL AND quarantine.mapped IS NOT NULL
    AND file.mapping_version = :version
ORDER BY quarantine.quarantine_id
LIMIT :most;

-- name: archive
-- Rows of dropped days: what the ledger remembers of each file, and what the archive holds of it. Stale days wait for
-- `archive restore`.
SELECT
    days.day, etl_file_id, file.path, coalesce(remembered.rows, 0) AS rows_remembered,
    coalesce(archived.rows, 0)::bigint AS rows_archived
FROM (
    SELECT retired.day, retired.etl_file_id, retired.rows
    FROM etl.retired_file AS retired
    INNER JOIN etl.archived_day USING (day)
    WHERE archived_day.state IN ('archived', 'faulty')
) AS remembered
FULL JOIN (
    SELECT archive_file.day, CAST(source.key AS bigint) AS etl_file_id, sum(CAST(source.value AS bigint)) AS rows
    FROM etl.archive_file
    INNER JOIN etl.archived_day USING (day)
    CROSS JOIN LATERAL jsonb_each_text(archive_file.sources) AS source
    WHERE archived_day.dropped AND archived_day.state IN ('archived', 'faulty')
    GROUP BY archive_file.day, source.key
) AS archived USING (day, etl_file_id)
INNER JOIN etl.archive_day AS days USING (day)
LEFT JOIN etl.file USING (etl_file_id)
WHERE coalesce(remembered.rows, 0) <> coalesce(archived.rows, 0)
ORDER BY days.day, etl_file_id;

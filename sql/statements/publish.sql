-- name: tune
-- Staging is fresh and has no statistics: a merge join would sort all of it to find that no row is bad.
SELECT set_config('enable_mergejoin', 'off', true), set_config('work_mem', '256MB', true);

-- name: days
-- Days that each file's good rows fall on, and whether their partition is there.
SELECT
    days.etl_file_id,
    days.day,
    to_regclass('zeek.conn_' || to_char(days.day, 'YYYYMMDD')) IS NULL AS is_new
FROM (
    SELECT DISTINCT staged.etl_file_id, CAST(staged."@timestamp" AT TIME ZONE 'UTC' AS date) AS day
    FROM pg_temp.staged
    WHERE
        staged.etl_file_id = ANY(:ids)
        AND NOT EXISTS (
            SELECT FROM pg_temp.staged_bad AS bad
            WHERE bad.etl_file_id = staged.etl_file_id AND bad.etl_line = staged.etl_line
        )
) AS days
ORDER BY days.day;

-- name: ensure_partition
SELECT etl.ensure_partition(:day, :log);

-- name: forgiven
-- Lines of each file that are no fault of it: rows of days that retention dropped, lines of other logs among its own.
SELECT forgiven.etl_file_id, count(*) AS lines
FROM (
    SELECT etl_file_id, etl_line
    FROM pg_temp.staged_bad
    GROUP BY etl_file_id, etl_line
    HAVING bool_and(rule = 'expired')
    UNION ALL
    SELECT etl_file_id, etl_line
    FROM pg_temp.staged_reject
    WHERE reason = 'other_log'
) AS forgiven
GROUP BY forgiven.etl_file_id;

-- name: retired
SELECT day FROM etl.retired_day WHERE day = ANY(:days) ORDER BY day;

-- name: lock_digests
SELECT pg_advisory_xact_lock(7102, bucket)
FROM unnest(CAST(:buckets AS integer [])) AS buckets (bucket);

-- name: lock_days
SELECT pg_advisory_xact_lock(7103, day - date '1970-01-01')
FROM unnest(CAST(:days AS date [])) AS days (day);

-- name: same_bytes
-- The first file outside the batch that brought these bytes; empty files are each their own.
SELECT DISTINCT ON (brought.digest) brought.digest, brought.etl_file_id
FROM (
    SELECT digest, etl_file_id
    FROM etl.file
    WHERE log = :log AND digest = ANY(:digests) AND rows_read > 0 AND state IN ('published', 'incomplete', 'superseded')
    UNION ALL
    SELECT CAST(before ->> 'digest' AS bytea), etl_file_id
    FROM etl.file
    WHERE log = :log AND before IS NOT NULL AND CAST(before ->> 'digest' AS bytea) = ANY(:digests)
) AS brought
WHERE brought.etl_file_id <> all(:batch)
ORDER BY brought.digest, brought.etl_file_id;

-- name: select_files
CREATE TEMPORARY TABLE publishing ON COMMIT DROP AS
SELECT chosen.etl_file_id, chosen.position
FROM unnest(CAST(:ids AS bigint [])) WITH ORDINALITY AS chosen (etl_file_id, position);

-- name: good_rows
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
ORDER BY key_of(staged), publishing.position, staged.etl_line;

-- name: target
CREATE OR REPLACE TEMPORARY VIEW target AS SELECT * FROM zeek.conn;

-- name: insert_all
-- The usual case: every row is new. A row that is there already raises 23505 and insert_new takes over.
-- The hours that rows came into are marked on the way: their rollups are due.
WITH added AS (
    INSERT INTO pg_temp.target SELECT * FROM pg_temp.good
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
)

SELECT
    etl_file_id, sum(rows_loaded)::bigint AS rows_loaded, min(min_timestamp) AS min_timestamp,
    max(max_timestamp) AS max_timestamp
FROM by_hour
GROUP BY etl_file_id;

-- name: insert_new
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
)

SELECT
    etl_file_id, sum(rows_loaded)::bigint AS rows_loaded, min(min_timestamp) AS min_timestamp,
    max(max_timestamp) AS max_timestamp
FROM by_hour
GROUP BY etl_file_id;

-- name: leftover
-- Good rows whose identity is in the table with another provenance: the same flow again, or a conflict.
CREATE TEMPORARY TABLE leftover ON COMMIT DROP AS
SELECT
    good.etl_file_id, good.etl_line, there.etl_file_id AS of_file_id,
    same_values(good, there) AS same,
    to_jsonb(good) AS mapped, to_jsonb(there) AS existing
FROM pg_temp.good
INNER JOIN zeek.conn AS there ON (key_of(good)) = (key_of(there))
WHERE
    there."@timestamp" >= CAST(:first AS timestamptz) AND there."@timestamp" < CAST(:last AS timestamptz)
    AND (good.etl_file_id, good.etl_line) <> (there.etl_file_id, there.etl_line);

-- name: no_leftover
-- Every row was new.
CREATE TEMPORARY TABLE leftover (etl_file_id bigint, etl_line bigint, same boolean) ON COMMIT DROP;

-- name: forget_views
DROP VIEW IF EXISTS pg_temp.good, pg_temp.target;

-- name: duplicates
SELECT etl_file_id, count(*) AS rows_duplicate
FROM pg_temp.leftover
WHERE same
GROUP BY etl_file_id;

-- name: forget_quarantine
-- A file that was refused before and is judged again starts with a clean sheet.
DELETE FROM etl.quarantine WHERE etl_file_id = ANY(:ids);

-- name: quarantine_rejects
INSERT INTO etl.quarantine (etl_file_id, etl_line, raw, raw_cut, format, field, reason, rule, run_id)
SELECT
    kept.etl_file_id, kept.etl_line, kept.raw, kept.raw_cut, kept.format, kept.field, kept.reason, kept.rule, :run
FROM (
    SELECT rejected.*, row_number() OVER (PARTITION BY etl_file_id ORDER BY etl_line) AS position
    FROM pg_temp.staged_reject AS rejected
    WHERE etl_file_id = ANY(:ids)
) AS kept
WHERE kept.position <= coalesce(CAST(:most AS bigint), kept.position);

-- name: bad_rows
-- Staged rows that broke a critical rule, each once; of files that are not published no more than are kept.
-- One reading of staging for all who ask for them.
CREATE TEMPORARY TABLE bad_row ON COMMIT DROP AS
SELECT
    staged.etl_file_id, staged.etl_line, key_of(staged), bad.rule, bad.rules,
    to_jsonb(staged) AS mapped
FROM (
    SELECT
        etl_file_id, etl_line, min(rule) AS rule, string_agg(DISTINCT rule, ', ') AS rules,
        row_number() OVER (PARTITION BY etl_file_id ORDER BY etl_line) AS position
    FROM pg_temp.staged_bad
    GROUP BY etl_file_id, etl_line
) AS bad
INNER JOIN pg_temp.staged USING (etl_file_id, etl_line)
WHERE bad.position <= :most OR bad.etl_file_id IN (SELECT publishing.etl_file_id FROM pg_temp.publishing);

-- name: quarantine_bad
INSERT INTO etl.quarantine (etl_file_id, etl_line, reason, rule, mapped, run_id)
SELECT etl_file_id, etl_line, rules, rule, mapped, :run
FROM pg_temp.bad_row
WHERE etl_file_id = ANY(:ids);

-- name: quarantine_conflicts
INSERT INTO etl.quarantine (etl_file_id, etl_line, reason, rule, mapped, existing, run_id)
SELECT etl_file_id, etl_line, 'identity_conflict', 'identity_conflict', mapped, existing, :run
FROM pg_temp.leftover
WHERE NOT same
-- a line that is replayed is there already
ON CONFLICT ON CONSTRAINT quarantine_identity DO UPDATE
    SET
        reason = excluded.reason, rule = excluded.rule, field = NULL, mapped = excluded.mapped,
        existing = excluded.existing;

-- name: quarantined
SELECT etl_file_id, count(*) AS rows_quarantined
FROM etl.quarantine
WHERE etl_file_id = ANY(:ids)
GROUP BY etl_file_id;

-- name: without_raw
SELECT etl_file_id, etl_line FROM etl.quarantine
WHERE etl_file_id = ANY(:ids) AND raw IS NULL
ORDER BY etl_file_id, etl_line;

-- name: add_raw
UPDATE etl.quarantine SET raw = :raw, raw_cut = :cut, format = CAST(:format AS jsonb)
WHERE etl_file_id = :id AND etl_line = :line;

-- Advisory locks. Their first keys, in the order in which a session takes them:
--
--   7100  migration: one process at a time changes the schema (etl/database/schema.py)
--   7107  archive: one process at a time exports, verifies, restores (etl/archive)
--   7105  maintenance: one process at a time keeps history in shape (etl/history/maintenance.py)
--   7106  alerts: one process at a time notifies
--   7108  checks of a day: one process at a time measures and checks it; second key: days since 1970-01-01
--   7101  a batch: one process at a time works on it; second key: its number, modulo 2^31
--   7102  digests: who brings bytes that several files hold; second key: one of 64 buckets
--   7103  a day: who changes its rows; second key: days since 1970-01-01
--   7104  making the partition of a day; second key: as for 7103 (also in etl.begin_day and speculative.new_days)
--
-- Of digests and days each session takes the lower numbers first. Who takes them in no order must not wait: try_….

-- name: migration
-- Until the transaction ends.
SELECT pg_advisory_xact_lock(7100);

-- name: maintenance
-- Until it is released or the session ends.
SELECT pg_advisory_lock(7105);

-- name: release_maintenance
-- Let the next process maintain.
SELECT pg_advisory_unlock(7105);

-- name: archive
-- Until it is released or the session ends.
SELECT pg_advisory_lock(7107);

-- name: release_archive
-- Let the next process work on the archive.
SELECT pg_advisory_unlock(7107);

-- name: try_alerts
-- Two runs that end at once would both notify. Until the session ends; false where another one has it.
SELECT pg_try_advisory_lock(7106);

-- name: batch
-- Until it is released or the session ends: it outlives commits, and goes with a process that is killed.
SELECT pg_advisory_lock(7101, :batch);

-- name: release_batch
-- Let the next process work on the batch.
SELECT pg_advisory_unlock(7101, :batch);

-- name: try_batch
-- Whether no process works on the batch; then none will until this transaction ends.
SELECT pg_try_advisory_xact_lock(7101, :batch);

-- name: digests
-- Until the transaction ends.
SELECT pg_advisory_xact_lock(7102, bucket)
FROM unnest(CAST(:buckets AS integer [])) AS buckets (bucket);

-- name: try_digests
-- Whether all of them were free.
SELECT coalesce(bool_and(pg_try_advisory_xact_lock(7102, bucket)), true)
FROM unnest(CAST(:buckets AS integer [])) AS buckets (bucket);

-- name: checks
-- Until the transaction ends.
SELECT pg_advisory_xact_lock(7108, CAST(:day AS date) - date '1970-01-01');

-- name: days
-- Until the transaction ends.
SELECT pg_advisory_xact_lock(7103, day - date '1970-01-01')
FROM unnest(CAST(:days AS date [])) AS days (day);

-- name: try_days
-- Whether all of them were free.
SELECT coalesce(bool_and(pg_try_advisory_xact_lock(7103, day - date '1970-01-01')), true)
FROM unnest(CAST(:days AS date [])) AS days (day);

-- name: holders
-- Who holds a lock: with two keys, or with one (no second keys given).
SELECT DISTINCT
    activity.pid,
    coalesce(nullif(activity.application_name, ''), activity.usename::text, 'a session') AS name,
    coalesce(host(activity.client_addr), 'on the server''s machine') AS client
FROM pg_locks AS held
INNER JOIN pg_stat_activity AS activity ON held.pid = activity.pid
WHERE
    held.locktype = 'advisory' AND held.granted AND held.pid <> pg_backend_pid()
    AND held.database = (SELECT oid FROM pg_database WHERE datname = current_database())
    AND (
        (held.objsubid = 2 AND held.classid = :kind AND held.objid = ANY(CAST(:keys AS bigint [])))
        OR (held.objsubid = 1 AND held.objid = :kind)
    )
ORDER BY activity.pid;

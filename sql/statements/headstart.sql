-- name: new_days
-- Days without a table, and whether nobody else is making it.
SELECT wanted.day, pg_try_advisory_xact_lock(7104, wanted.day - date '1970-01-01') AS free
FROM unnest(CAST(:days AS date [])) AS wanted (day)
WHERE
    NOT EXISTS (
        SELECT FROM pg_class
        WHERE relnamespace = 'zeek'::regnamespace AND relname = 'conn_' || to_char(wanted.day, 'YYYYMMDD')
    )
ORDER BY wanted.day;

-- name: begin_day
SELECT etl.begin_day(:day);

-- name: finish_day
SELECT etl.finish_day(:day);

-- name: lock_days
SELECT coalesce(bool_and(pg_try_advisory_xact_lock(7103, day - date '1970-01-01')), true)
FROM unnest(CAST(:days AS date [])) AS days (day);

-- name: lock_digests
SELECT coalesce(bool_and(pg_try_advisory_xact_lock(7102, bucket)), true)
FROM unnest(CAST(:buckets AS integer [])) AS buckets (bucket);

-- name: delete_bad
WITH deleted AS (
    DELETE FROM zeek.conn
    USING pg_temp.staged, (SELECT DISTINCT etl_file_id, etl_line FROM pg_temp.staged_bad) AS bad
    WHERE
        staged.etl_file_id = bad.etl_file_id AND staged.etl_line = bad.etl_line
        AND conn."@timestamp" = staged."@timestamp" AND conn.event_uid = staged.event_uid
        AND conn."@timestamp" BETWEEN CAST(:first AS timestamptz) AND CAST(:last AS timestamptz)
        AND (conn.etl_file_id, conn.etl_line) = (staged.etl_file_id, staged.etl_line)
    RETURNING conn.etl_file_id
)

SELECT etl_file_id, count(*) AS rows_deleted
FROM deleted
GROUP BY etl_file_id;

-- name: left
SELECT
    etl_file_id, count(*) AS rows_loaded, min("@timestamp") AS min_timestamp, max("@timestamp") AS max_timestamp
FROM pg_temp.good
WHERE etl_file_id = ANY(:ids)
GROUP BY etl_file_id;

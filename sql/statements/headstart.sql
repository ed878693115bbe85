-- name: new_days
-- Days without a table, and whether nobody else is making it.
SELECT wanted.day, pg_try_advisory_xact_lock(7104, wanted.day - date '1970-01-01') AS free
FROM unnest(CAST(:days AS date [])) AS wanted (day)
WHERE
    NOT EXISTS (
        SELECT FROM pg_class
        WHERE relnamespace = 'zeek'::regnamespace AND relname = :log || '_' || to_char(wanted.day, 'YYYYMMDD')
    )
ORDER BY wanted.day;

-- name: begin_day
SELECT etl.begin_day(:day, :log);

-- name: finish_day
SELECT etl.finish_day(:day, :log);

-- name: lock_days
SELECT coalesce(bool_and(pg_try_advisory_xact_lock(7103, day - date '1970-01-01')), true)
FROM unnest(CAST(:days AS date [])) AS days (day);

-- name: lock_digests
SELECT coalesce(bool_and(pg_try_advisory_xact_lock(7102, bucket)), true)
FROM unnest(CAST(:buckets AS integer [])) AS buckets (bucket);

-- name: delete_bad
-- How many rows each file loses, and between which times.
WITH deleted AS (
    DELETE FROM zeek.conn AS there
    USING pg_temp.bad_row AS bad
    WHERE
        (key_of(there)) = (key_of(bad))
        AND there."@timestamp" BETWEEN CAST(:first AS timestamptz) AND CAST(:last AS timestamptz)
        AND (there.etl_file_id, there.etl_line) = (bad.etl_file_id, bad.etl_line)
    RETURNING there.etl_file_id, there."@timestamp"
)

SELECT
    etl_file_id, count(*) AS rows_deleted, min("@timestamp") AS min_timestamp, max("@timestamp") AS max_timestamp
FROM deleted
GROUP BY etl_file_id;

-- name: left
SELECT
    etl_file_id, count(*) AS rows_loaded, min("@timestamp") AS min_timestamp, max("@timestamp") AS max_timestamp
FROM pg_temp.good
WHERE etl_file_id = ANY(:ids)
GROUP BY etl_file_id;

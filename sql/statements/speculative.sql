-- name: new_days
-- Days without a partition, and whether no other session is making it. Lock 7104 is that of etl.begin_day.
SELECT wanted.day, pg_try_advisory_xact_lock(7104, wanted.day - date '1970-01-01') AS free
FROM unnest(CAST(:days AS date [])) AS wanted (day)
WHERE
    NOT EXISTS (
        SELECT FROM pg_class
        WHERE relnamespace = 'zeek'::regnamespace AND relname = 'conn_' || to_char(wanted.day, 'YYYYMMDD')
    )
ORDER BY wanted.day;

-- name: begin_day
-- Make the table of a day, outside zeek.conn; false where another session was faster.
SELECT etl.begin_day(:day);

-- name: finish_day
-- Give the table of a day its index and its place in zeek.conn.
SELECT etl.finish_day(:day);

-- name: rows_of_day
-- Let publish.insert_all see the rows of one day among those of one part of staging.
CREATE OR REPLACE TEMPORARY VIEW good AS
SELECT * FROM ONLY etl.stage_part -- noqa: PRS
WHERE "@timestamp" >= etl.day_start(CAST(:day AS date)) AND "@timestamp" < etl.day_start(CAST(:day AS date) + 1);

-- name: rows_of_other_days
-- Let it see all rows of the part but those of these days. Without days nothing is compared: the planner sees it.
CREATE OR REPLACE TEMPORARY VIEW good AS
SELECT * FROM ONLY etl.stage_part -- noqa: PRS
WHERE CAST(:days AS date []) = '{}' OR etl.day_of("@timestamp") <> all(CAST(:days AS date []));

-- name: target_day
-- Let publish.insert_all insert into the table of a day that is not part of zeek.conn yet.
CREATE OR REPLACE TEMPORARY VIEW target AS SELECT * FROM zeek.leaf;

-- name: delete_bad
-- Delete the rows that broke a critical rule, all of them between these times.
DELETE FROM zeek.conn AS there
USING pg_temp.bad_row AS bad
WHERE
    (there."@timestamp", there.event_uid) = (bad."@timestamp", bad.event_uid)
    AND there."@timestamp" BETWEEN CAST(:first AS timestamptz) AND CAST(:last AS timestamptz)
    AND (there.etl_file_id, there.etl_line) = (bad.etl_file_id, bad.etl_line);

-- name: bad_span
-- How many rows broke a critical rule, and their first and last time.
SELECT count(*) AS bad, min("@timestamp") AS first, max("@timestamp") AS last
FROM pg_temp.bad_row;

-- name: loaded
-- First and last row that were loaded.
SELECT first_row AS first, last_row AS last FROM etl.loaded_span;

-- name: loaded_hours
-- The whole hours with the first and the last row that were loaded; the end is a microsecond before the last one's end.
SELECT etl.hour_of(first_row) AS first, etl.hour_of(last_row) + interval '1 hour' - interval '1 microsecond' AS last
FROM etl.loaded_span;

-- name: first_row
-- The first row of a span.
SELECT min("@timestamp") FROM zeek.conn
WHERE "@timestamp" >= CAST(:since AS timestamptz) AND "@timestamp" < CAST(:until AS timestamptz);

-- name: first_hour
-- The first row of a span, or the first hour of it that only the rollup has: retention dropped its rows.
SELECT min(firsts.first) FROM (
    SELECT min(rollup.hour) AS first FROM zeek.conn_hour AS rollup
    WHERE
        rollup.hour > CAST(:since AS timestamptz) - interval '1 hour' AND rollup.hour < CAST(:until AS timestamptz)
        AND EXISTS (SELECT FROM etl.retired_day AS retired WHERE retired.day = etl.day_of(rollup.hour))
    UNION ALL
    SELECT min("@timestamp") FROM zeek.conn
    WHERE "@timestamp" >= CAST(:since AS timestamptz) AND "@timestamp" < CAST(:until AS timestamptz)
) AS firsts;

-- name: has_names
-- Whether networks have been imported.
SELECT count(*) > 0 FROM (SELECT cidr FROM zeek.network ORDER BY source LIMIT 1) AS any_network;

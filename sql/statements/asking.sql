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

-- name: first_destination
-- The first row of a span, or the first dropped day of it whose destinations are kept: days that were dropped before
-- there was a rollup of them have none.
SELECT min(firsts.first) FROM (
    SELECT etl.day_start(min(retired.day)) AS first FROM etl.retired_day AS retired
    WHERE
        retired.day BETWEEN etl.day_of(CAST(:since AS timestamptz))
        AND etl.day_of(CAST(:until AS timestamptz) - interval '1 microsecond')
        AND EXISTS (SELECT FROM zeek.destination_day AS known WHERE known.day = retired.day)
    UNION ALL
    SELECT min("@timestamp") FROM zeek.conn
    WHERE "@timestamp" >= CAST(:since AS timestamptz) AND "@timestamp" < CAST(:until AS timestamptz)
) AS firsts;

-- name: dropped_days
-- How many days of a span retention dropped.
SELECT count(*) FROM etl.retired_day
WHERE
    day BETWEEN etl.day_of(CAST(:since AS timestamptz))
    AND etl.day_of(CAST(:until AS timestamptz) - interval '1 microsecond');

-- name: has_names
-- Whether networks have been imported.
SELECT count(*) > 0 FROM (SELECT cidr FROM zeek.network ORDER BY source LIMIT 1) AS any_network;

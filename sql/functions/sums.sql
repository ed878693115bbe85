-- What rows add up to. Rollups are computed by these functions, and completed by them where they are due.
-- Each set is one SELECT, so that the planner puts it in place of the call and sees bounds that are literals.

CREATE OR REPLACE FUNCTION zeek.loss(missed numeric, payload numeric) RETURNS numeric
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE
    WHEN missed > 0 AND missed >= coalesce(payload, 0) THEN 1
    WHEN payload > 0 THEN round(missed / payload, 6)
END;

COMMENT ON FUNCTION zeek.loss(numeric, numeric) IS
'Share of payload that was missed. TCP payload is counted from sequence numbers, so it contains what was missed.
At most 1; NULL where there was no payload, or where nothing is known of missed bytes.';

CREATE OR REPLACE FUNCTION zeek.hour_sums(since timestamptz, until timestamptz, of_hour timestamptz)
RETURNS SETOF zeek.conn_hour
LANGUAGE sql STABLE PARALLEL SAFE AS $$
SELECT
    of_hour, etl.rollup_key(sums.network_protocol), etl.rollup_key(sums.network_application),
    sums.network_connection_state, etl.rollup_key(file.sensor), sum(sums.connections)::bigint, sum(sums.src_bytes),
    sum(sums.dst_bytes), sum(sums.src_ip_bytes), sum(sums.dst_ip_bytes), sum(sums.src_packets), sum(sums.dst_packets),
    sum(sums.network_missed_bytes)
FROM (
    -- by file first: the keys are then made, and the sensor looked up, for each sum instead of each row
    SELECT
        conn.network_protocol, conn.network_application, conn.network_connection_state, conn.etl_file_id,
        count(*) AS connections, sum(conn.src_bytes) AS src_bytes, sum(conn.dst_bytes) AS dst_bytes,
        sum(conn.src_ip_bytes) AS src_ip_bytes, sum(conn.dst_ip_bytes) AS dst_ip_bytes,
        sum(conn.src_packets) AS src_packets, sum(conn.dst_packets) AS dst_packets,
        sum(conn.network_missed_bytes) AS network_missed_bytes
    FROM zeek.conn
    WHERE
        conn."@timestamp" >= since AND conn."@timestamp" < until
        AND conn."@timestamp" >= of_hour AND conn."@timestamp" < of_hour + interval '1 hour'
    GROUP BY conn.network_protocol, conn.network_application, conn.network_connection_state, conn.etl_file_id
) AS sums
INNER JOIN etl.file AS file ON sums.etl_file_id = file.etl_file_id
GROUP BY
    etl.rollup_key(sums.network_protocol), etl.rollup_key(sums.network_application), sums.network_connection_state,
    etl.rollup_key(file.sensor)
$$;

COMMENT ON FUNCTION zeek.hour_sums(timestamptz, timestamptz, timestamptz) IS
'The lines of zeek.conn_hour for one hour, computed from those of its rows that are in the span.';

CREATE OR REPLACE FUNCTION zeek.hourly(since timestamptz, until timestamptz) RETURNS SETOF zeek.conn_hour
LANGUAGE sql STABLE PARALLEL SAFE AS $$
SELECT rollup.*
FROM zeek.conn_hour AS rollup
WHERE
    rollup.hour > since - interval '1 hour' AND rollup.hour < until
    AND (
        EXISTS (SELECT FROM etl.retired_day AS retired WHERE retired.day = etl.day_of(rollup.hour))
        OR (
            rollup.hour >= since AND rollup.hour + interval '1 hour' <= until
            AND NOT EXISTS (SELECT FROM etl.touched_hour AS touched WHERE touched.hour = rollup.hour)
        )
    )
UNION ALL
SELECT fresh.*
FROM (
    SELECT touched.hour
    FROM etl.touched_hour AS touched
    WHERE touched.hour > since - interval '1 hour' AND touched.hour < until
    UNION
    SELECT etl.hour_of(since) WHERE since > etl.hour_of(since)
    UNION
    SELECT etl.hour_of(until) WHERE until > etl.hour_of(until)
) AS due
CROSS JOIN LATERAL zeek.hour_sums(since, until, due.hour) AS fresh
WHERE NOT EXISTS (SELECT FROM etl.retired_day AS retired WHERE retired.day = etl.day_of(due.hour))
$$;

COMMENT ON FUNCTION zeek.hourly(timestamptz, timestamptz) IS
'zeek.conn_hour for a span, always current: hours that are due, and hours that the span cuts, are computed from the
rows. An hour whose rows retention dropped is counted whole.';

CREATE OR REPLACE FUNCTION zeek.address_sums(since timestamptz, until timestamptz, of_day date)
RETURNS SETOF zeek.top_address
LANGUAGE sql STABLE PARALLEL SAFE AS $$
SELECT
    of_day, sums.role, sums.ip_addr, sums.connections, sums.src_ip_bytes, sums.dst_ip_bytes, sums.src_bytes,
    sums.dst_bytes, sums.network_missed_bytes,
    row_number() OVER (
        PARTITION BY sums.role
        ORDER BY
            coalesce(sums.src_ip_bytes, 0) + coalesce(sums.dst_ip_bytes, 0) DESC,
            coalesce(sums.src_bytes, 0) + coalesce(sums.dst_bytes, 0) DESC, sums.ip_addr
    ),
    row_number() OVER (PARTITION BY sums.role ORDER BY sums.connections DESC, sums.ip_addr)
FROM (
    SELECT
        'src' AS role, conn.src_ip_addr AS ip_addr, count(*) AS connections, sum(conn.src_ip_bytes) AS src_ip_bytes,
        sum(conn.dst_ip_bytes) AS dst_ip_bytes, sum(conn.src_bytes) AS src_bytes, sum(conn.dst_bytes) AS dst_bytes,
        sum(conn.network_missed_bytes) AS network_missed_bytes
    FROM zeek.conn
    WHERE
        conn."@timestamp" >= since AND conn."@timestamp" < until
        AND conn."@timestamp" >= etl.day_start(of_day) AND conn."@timestamp" < etl.day_start(of_day + 1)
    GROUP BY conn.src_ip_addr
    UNION ALL
    SELECT
        'dst', conn.dst_ip_addr, count(*), sum(conn.src_ip_bytes), sum(conn.dst_ip_bytes), sum(conn.src_bytes),
        sum(conn.dst_bytes), sum(conn.network_missed_bytes)
    FROM zeek.conn
    WHERE
        conn."@timestamp" >= since AND conn."@timestamp" < until
        AND conn."@timestamp" >= etl.day_start(of_day) AND conn."@timestamp" < etl.day_start(of_day + 1)
    GROUP BY conn.dst_ip_addr
) AS sums
$$;

COMMENT ON FUNCTION zeek.address_sums(timestamptz, timestamptz, date) IS
'A line of zeek.top_address for every address of one day, computed from those of its rows that are in the span.
Places are by IP bytes of both directions (then by payload), and by connections.';

CREATE OR REPLACE FUNCTION etl.top_is_current(of_day date) RETURNS boolean
LANGUAGE sql STABLE PARALLEL SAFE AS $$
SELECT EXISTS (
    SELECT FROM etl.sealed_day AS sealed
    WHERE
        sealed.day = of_day AND NOT sealed.top_stale
        AND NOT EXISTS (
            SELECT FROM etl.touched_hour AS touched
            WHERE touched.hour >= etl.day_start(of_day) AND touched.hour < etl.day_start(of_day + 1)
        )
)
$$;

COMMENT ON FUNCTION etl.top_is_current(date) IS
'Whether zeek.top_address has the addresses of this day as its rows have them now.';

CREATE OR REPLACE FUNCTION etl.days_of(since timestamptz, until timestamptz)
RETURNS TABLE (day date, rolled_up boolean)
LANGUAGE sql STABLE PARALLEL SAFE AS $$
SELECT
    days.day,
    EXISTS (SELECT FROM etl.retired_day AS retired WHERE retired.day = days.day)
    OR (
        etl.day_start(days.day) >= since AND etl.day_start(days.day + 1) <= until AND etl.top_is_current(days.day)
    )
FROM (
    SELECT retired.day
    FROM etl.retired_day AS retired
    WHERE retired.day BETWEEN etl.day_of(since) AND etl.day_of(until - interval '1 microsecond')
    UNION
    SELECT etl.day_of(greatest(since, loaded.first_row)) + days.number
    FROM (SELECT min(min_timestamp) AS first_row, max(max_timestamp) AS last_row FROM etl.file) AS loaded
    CROSS JOIN LATERAL generate_series(
        0,
        etl.day_of(least(until - interval '1 microsecond', loaded.last_row))
        - etl.day_of(greatest(since, loaded.first_row))
    ) AS days (number)
) AS days (day)
$$;

COMMENT ON FUNCTION etl.days_of(timestamptz, timestamptz) IS
'The UTC days of a span that may have rows, and those that retention dropped. rolled_up: zeek.top_address and
zeek.destination_day answer for the day; else its rows do, because it is not sealed, is due, or is cut by the span.';

CREATE OR REPLACE FUNCTION zeek.daily_top(since timestamptz, until timestamptz) RETURNS SETOF zeek.top_address
LANGUAGE sql STABLE PARALLEL SAFE AS $$
SELECT top.*
FROM etl.days_of(since, until) AS days
INNER JOIN zeek.top_address AS top ON days.day = top.day
WHERE days.rolled_up
UNION ALL
SELECT fresh.*
FROM etl.days_of(since, until) AS days
CROSS JOIN LATERAL zeek.address_sums(since, until, days.day) AS fresh
WHERE NOT days.rolled_up AND (fresh.rank_by_bytes <= 100 OR fresh.rank_by_connections <= 100)
$$;

COMMENT ON FUNCTION zeek.daily_top(timestamptz, timestamptz) IS
'zeek.top_address for a span, always current: days that are not sealed, that are due or that the span cuts are computed
from the rows.';

CREATE OR REPLACE FUNCTION zeek.destinations(since timestamptz, until timestamptz)
RETURNS SETOF zeek.destination_day
LANGUAGE sql STABLE PARALLEL SAFE AS $$
SELECT known.*
FROM etl.days_of(since, until) AS days
INNER JOIN zeek.destination_day AS known ON days.day = known.day
WHERE days.rolled_up
UNION ALL
SELECT days.day, fresh.dst_ip_addr
FROM etl.days_of(since, until) AS days
CROSS JOIN LATERAL (
    SELECT DISTINCT conn.dst_ip_addr
    FROM zeek.conn
    WHERE
        conn."@timestamp" >= since AND conn."@timestamp" < until
        AND conn."@timestamp" >= etl.day_start(days.day) AND conn."@timestamp" < etl.day_start(days.day + 1)
) AS fresh
WHERE NOT days.rolled_up
$$;

COMMENT ON FUNCTION zeek.destinations(timestamptz, timestamptz) IS
'zeek.destination_day for a span, always current: days that are not sealed, that are due or that the span cuts are
computed from the rows. Days that retention dropped are in it.';

CREATE OR REPLACE FUNCTION zeek.regularity(quartiles double precision [], mad double precision)
RETURNS double precision
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN (
    CASE
        WHEN quartiles[3] = quartiles[1] THEN 1
        ELSE 1 - abs(quartiles[1] + quartiles[3] - 2 * quartiles[2]) / (quartiles[3] - quartiles[1])
    END
    + CASE WHEN quartiles[2] = 0 THEN (mad = 0)::integer ELSE greatest(0, 1 - mad / quartiles[2]) END
) / 2;

COMMENT ON FUNCTION zeek.regularity(double precision [], double precision) IS
'How alike values are, from 0 to 1: the mean of their symmetry, 1 - |Q1 + Q3 - 2 median| / (Q3 - Q1), and their
evenness, 1 - MAD / median. quartiles: Q1, median, Q3. mad: median distance from the median. NULL where there are no values.';

-- History: rollups with the marks that keep them right, sealed and retired days, and what the ledger remembers of
-- rows that were dropped on purpose.

-- The UTC hour of a moment. (date_trunc would follow the session's time zone and could not be immutable.)
CREATE FUNCTION etl.hour_of(moment timestamptz) RETURNS timestamptz
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN date_bin(interval '1 hour', moment, timestamptz '2000-01-01 00:00:00+00');

-- Hours whose rows changed since their rollup was computed. Marks are only added, never shared: with a unique hour and
-- ON CONFLICT DO NOTHING a publish would lean on another's mark, which a recompute may take away before the publish
-- commits, and its rows would never be counted.
CREATE TABLE etl.touched_hour (
    hour timestamptz NOT NULL CHECK (hour = etl.hour_of(hour)),
    marked_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE INDEX touched_hour_hour ON etl.touched_hour (hour);

-- What each hour adds up to. Sums are numeric (counters go wild) and NULL where every term is unset.
CREATE TABLE zeek.conn_hour (
    hour timestamptz NOT NULL,
    network_protocol text NOT NULL,
    network_application text,
    network_connection_state text,
    sensor text NOT NULL,
    connections bigint NOT NULL,
    src_bytes numeric,
    dst_bytes numeric,
    src_ip_bytes numeric,
    dst_ip_bytes numeric,
    src_packets numeric,
    dst_packets numeric,
    network_missed_bytes numeric,
    CONSTRAINT conn_hour_identity UNIQUE NULLS NOT DISTINCT (
        hour, network_protocol, network_application, network_connection_state, sensor
    )
);

-- The addresses of a sealed day that are among the first hundred by bytes (both directions) or by connections.
CREATE TABLE zeek.top_address (
    day date NOT NULL,
    role text NOT NULL CHECK (role IN ('src', 'dst')),
    ip_addr inet NOT NULL,
    connections bigint NOT NULL,
    src_bytes numeric,
    dst_bytes numeric,
    rank_by_bytes bigint NOT NULL,
    rank_by_connections bigint NOT NULL,
    PRIMARY KEY (day, role, ip_addr)
);

-- Closed days that have their further indexes.
CREATE TABLE etl.sealed_day (
    day date PRIMARY KEY,
    sealed_at timestamptz NOT NULL DEFAULT now(),
    top_stale boolean NOT NULL DEFAULT true
);

-- Days that retention dropped or is dropping: from the moment a day is here no row of it is loaded any more.
CREATE TABLE etl.retired_day (
    day date PRIMARY KEY,
    reason text NOT NULL,
    retired_at timestamptz NOT NULL DEFAULT now(),
    retired_by text NOT NULL DEFAULT session_user,
    dropped_at timestamptz,
    rows_dropped bigint,
    bytes_dropped bigint
);

-- Which files the rows of a retired day came from, so that the ledger still adds up.
CREATE TABLE etl.retired_file (
    etl_file_id bigint NOT NULL REFERENCES etl.file (etl_file_id),
    day date NOT NULL REFERENCES etl.retired_day (day),
    rows bigint NOT NULL,
    PRIMARY KEY (etl_file_id, day)
);

ALTER TABLE etl.file ADD COLUMN rows_pruned bigint NOT NULL DEFAULT 0;
COMMENT ON COLUMN etl.file.rows_pruned IS 'lines of rows_quarantined that pruning has deleted since';

-- As in 0001, and never for a retired day.
CREATE OR REPLACE FUNCTION etl.ensure_partition(day date) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET timezone = 'UTC' AS $$
DECLARE
    leaf text := format('conn_%s', to_char(day, 'YYYYMMDD'));
    lower_bound text := to_char(day, 'YYYY-MM-DD') || ' 00:00:00+00';
    upper_bound text := to_char(day + 1, 'YYYY-MM-DD') || ' 00:00:00+00';
BEGIN
    IF day NOT BETWEEN DATE '1990-01-01' AND (now() AT TIME ZONE 'UTC')::date + 366 THEN
        RAISE EXCEPTION 'no partition for %: outside 1990 to a year ahead', day USING ERRCODE = '22008';
    END IF;
    IF to_regclass(format('zeek.%I', leaf)) IS NOT NULL THEN
        RETURN false;
    END IF;
    PERFORM pg_advisory_xact_lock(7104, day - DATE '1970-01-01');
    IF to_regclass(format('zeek.%I', leaf)) IS NOT NULL THEN
        RETURN false;
    END IF;
    IF EXISTS (SELECT FROM etl.retired_day AS retired WHERE retired.day = ensure_partition.day) THEN
        RAISE EXCEPTION 'no partition for %: retention dropped that day', day USING ERRCODE = '22008';
    END IF;
    EXECUTE format('CREATE TABLE zeek.%I (LIKE zeek.conn INCLUDING ALL)', leaf);
    EXECUTE format(
        'ALTER TABLE zeek.%I ADD CONSTRAINT %I CHECK ("@timestamp" >= %L AND "@timestamp" < %L)',
        leaf, leaf || '_day', lower_bound, upper_bound
    );
    EXECUTE format(
        'ALTER TABLE zeek.conn ATTACH PARTITION zeek.%I FOR VALUES FROM (%L) TO (%L)',
        leaf, lower_bound, upper_bound
    );
    EXECUTE format('ALTER TABLE zeek.%I DROP CONSTRAINT %I', leaf, leaf || '_day');
    RETURN true;
END
$$;

-- Rows of an earlier version: every hour between the first and the last row of each file is due.
INSERT INTO etl.touched_hour (hour)
SELECT DISTINCT hours.hour
FROM etl.file
CROSS JOIN
    LATERAL generate_series(
        etl.hour_of(file.min_timestamp), etl.hour_of(file.max_timestamp), interval '1 hour'
    ) AS hours (hour)
WHERE file.min_timestamp IS NOT null;

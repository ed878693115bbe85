-- A day in two acts: rows of a load that brings a whole new day come in between, before its unique index is built and
-- before anybody sees it. Both in the load's own transaction; ensure_partition does both at once for everybody else.

-- Make the table of a day, without its index, outside zeek.conn. False where the day is there already.
CREATE FUNCTION etl.begin_day(day date) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET timezone = 'UTC' AS $$
DECLARE
    leaf text := format('conn_%s', to_char(day, 'YYYYMMDD'));
BEGIN
    IF day NOT BETWEEN DATE '1990-01-01' AND (now() AT TIME ZONE 'UTC')::date + 366 THEN
        RAISE EXCEPTION 'no partition for %: outside 1990 to a year ahead', day USING ERRCODE = '22008';
    END IF;
    PERFORM pg_advisory_xact_lock(7104, day - DATE '1970-01-01');
    -- not to_regclass: its "not there" is cached, and waiting for an advisory lock does not refresh it
    IF EXISTS (SELECT FROM pg_class WHERE relnamespace = 'zeek'::regnamespace AND relname = leaf) THEN
        RETURN false;
    END IF;
    IF EXISTS (SELECT FROM etl.retired_day AS retired WHERE retired.day = begin_day.day) THEN
        RAISE EXCEPTION 'no partition for %: retention dropped that day', day USING ERRCODE = '22008';
    END IF;
    EXECUTE format('CREATE TABLE zeek.%I (LIKE zeek.conn INCLUDING ALL EXCLUDING INDEXES)', leaf);
    EXECUTE format('GRANT SELECT, INSERT ON zeek.%I TO conn_loader', leaf);
    RETURN true;
END
$$;

-- Give the day its index and attach it to zeek.conn. ATTACH believes the CHECK and does not read the rows again.
CREATE FUNCTION etl.finish_day(day date) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET timezone = 'UTC' AS $$
DECLARE
    leaf text := format('conn_%s', to_char(day, 'YYYYMMDD'));
    lower_bound text := to_char(day, 'YYYY-MM-DD') || ' 00:00:00+00';
    upper_bound text := to_char(day + 1, 'YYYY-MM-DD') || ' 00:00:00+00';
BEGIN
    EXECUTE format(
        'ALTER TABLE zeek.%I ADD CONSTRAINT %I UNIQUE ("@timestamp", event_uid)',
        leaf, leaf || '_@timestamp_event_uid_key'
    );
    EXECUTE format(
        'ALTER TABLE zeek.%I ADD CONSTRAINT %I CHECK ("@timestamp" >= %L AND "@timestamp" < %L)',
        leaf, leaf || '_day', lower_bound, upper_bound
    );
    EXECUTE format(
        'ALTER TABLE zeek.conn ATTACH PARTITION zeek.%I FOR VALUES FROM (%L) TO (%L)',
        leaf, lower_bound, upper_bound
    );
    EXECUTE format('ALTER TABLE zeek.%I DROP CONSTRAINT %I', leaf, leaf || '_day');
    EXECUTE format('REVOKE SELECT, INSERT ON zeek.%I FROM conn_loader', leaf);
END
$$;

CREATE OR REPLACE FUNCTION etl.ensure_partition(day date) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF to_regclass(format('zeek.conn_%s', to_char(day, 'YYYYMMDD'))) IS NOT NULL OR NOT etl.begin_day(day) THEN
        RETURN false;
    END IF;
    PERFORM etl.finish_day(day);
    RETURN true;
END
$$;

REVOKE EXECUTE ON FUNCTION etl.begin_day(date), etl.finish_day(date) FROM public;

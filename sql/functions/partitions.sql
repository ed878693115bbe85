-- The partition of a UTC day. A loader may make one, and nothing else of the owner's: hence SECURITY DEFINER with a
-- fixed search_path, and no right to execute for anybody but conn_loader (sql/grants.sql).
--
-- A load that brings a whole new day does it in two steps of its own transaction: begin_day, the rows, finish_day. The
-- unique index is then built once, at the end. All others call ensure_partition, which is both steps at once.
-- LIKE and ATTACH instead of PARTITION OF: ATTACH takes a weaker lock on zeek.conn, so queries and loads go on.

CREATE OR REPLACE FUNCTION etl.begin_day(day date) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET timezone = 'UTC' AS $$
DECLARE
    leaf text := format('conn_%s', to_char(day, 'YYYYMMDD'));
BEGIN
    IF day NOT BETWEEN DATE '1970-01-01' AND (now() AT TIME ZONE 'UTC')::date + 366 THEN
        RAISE EXCEPTION 'no partition for %: outside 1970 to a year ahead', day USING ERRCODE = '22008';
    END IF;
    -- one session at a time makes a day; sql/statements/locks.sql lists all locks
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

COMMENT ON FUNCTION etl.begin_day(date) IS
'Make the table of a UTC day, outside zeek.conn and without its index. False where the day is there already.';

CREATE OR REPLACE FUNCTION etl.finish_day(day date) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET timezone = 'UTC' AS $$
DECLARE
    leaf text := format('conn_%s', to_char(day, 'YYYYMMDD'));
    lower_bound timestamptz := etl.day_start(day);
    upper_bound timestamptz := etl.day_start(day + 1);
BEGIN
    EXECUTE format('ALTER TABLE zeek.%I ADD UNIQUE ("@timestamp", event_uid)', leaf);
    -- ATTACH believes this CHECK and does not read the rows again
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

COMMENT ON FUNCTION etl.finish_day(date) IS
'Give the table that begin_day made its unique index, and attach it to zeek.conn.';

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

COMMENT ON FUNCTION etl.ensure_partition(date) IS
'Make the partition of a UTC day where it is missing; whether it was. Not for a day that retention dropped.';

REVOKE EXECUTE ON FUNCTION etl.ensure_partition(date), etl.begin_day(date), etl.finish_day(date) FROM public;

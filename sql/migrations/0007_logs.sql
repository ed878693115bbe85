-- The ledger says as which log a file is read, and a day is made for the table of one log.

ALTER TABLE etl.file ADD COLUMN log text NOT NULL DEFAULT 'conn';
ALTER TABLE etl.file DROP CONSTRAINT file_identity;
ALTER TABLE etl.file ADD CONSTRAINT file_identity UNIQUE (path, size, mtime, log);

DROP FUNCTION etl.ensure_partition(date);
DROP FUNCTION etl.begin_day(date);
DROP FUNCTION etl.finish_day(date);

-- Make the table of a day, without its index, outside the log's table. False where the day is there already.
CREATE FUNCTION etl.begin_day(day date, log text DEFAULT 'conn') RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET timezone = 'UTC' AS $$
DECLARE
    leaf text := format('%s_%s', log, to_char(day, 'YYYYMMDD'));
BEGIN
    IF day NOT BETWEEN DATE '1990-01-01' AND (now() AT TIME ZONE 'UTC')::date + 366 THEN
        RAISE EXCEPTION 'no partition for %: outside 1990 to a year ahead', day USING ERRCODE = '22008';
    END IF;
    IF NOT EXISTS (
        SELECT FROM pg_class WHERE relnamespace = 'zeek'::regnamespace AND relname = log AND relkind = 'p'
    ) THEN
        RAISE EXCEPTION 'zeek.% has no days', log USING ERRCODE = '42P01';
    END IF;
    PERFORM pg_advisory_xact_lock(7104, day - DATE '1970-01-01');
    -- not to_regclass: its "not there" is cached, and waiting for an advisory lock does not refresh it
    IF EXISTS (SELECT FROM pg_class WHERE relnamespace = 'zeek'::regnamespace AND relname = leaf) THEN
        RETURN false;
    END IF;
    IF EXISTS (SELECT FROM etl.retired_day AS retired WHERE retired.day = begin_day.day) THEN
        RAISE EXCEPTION 'no partition for %: retention dropped that day', day USING ERRCODE = '22008';
    END IF;
    EXECUTE format('CREATE TABLE zeek.%I (LIKE zeek.%I INCLUDING ALL EXCLUDING INDEXES)', leaf, log);
    EXECUTE format('GRANT SELECT, INSERT ON zeek.%I TO conn_loader', leaf);
    RETURN true;
END
$$;

-- Give the day its index and attach it. ATTACH believes the CHECK and does not read the rows again.
CREATE FUNCTION etl.finish_day(day date, log text DEFAULT 'conn') RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET timezone = 'UTC' AS $$
DECLARE
    leaf text := format('%s_%s', log, to_char(day, 'YYYYMMDD'));
    lower_bound text := to_char(day, 'YYYY-MM-DD') || ' 00:00:00+00';
    upper_bound text := to_char(day + 1, 'YYYY-MM-DD') || ' 00:00:00+00';
    key text := (
        SELECT pg_get_constraintdef(oid) FROM pg_constraint
        WHERE conrelid = format('zeek.%I', log)::regclass AND contype = 'u'
    );
BEGIN
    EXECUTE format('ALTER TABLE zeek.%I ADD %s', leaf, key);
    EXECUTE format(
        'ALTER TABLE zeek.%I ADD CONSTRAINT %I CHECK ("@timestamp" >= %L AND "@timestamp" < %L)',
        leaf, leaf || '_day', lower_bound, upper_bound
    );
    EXECUTE format(
        'ALTER TABLE zeek.%I ATTACH PARTITION zeek.%I FOR VALUES FROM (%L) TO (%L)',
        log, leaf, lower_bound, upper_bound
    );
    EXECUTE format('ALTER TABLE zeek.%I DROP CONSTRAINT %I', leaf, leaf || '_day');
    EXECUTE format('REVOKE SELECT, INSERT ON zeek.%I FROM conn_loader', leaf);
END
$$;

CREATE FUNCTION etl.ensure_partition(day date, log text DEFAULT 'conn') RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF to_regclass(format('zeek.%I', log || '_' || to_char(day, 'YYYYMMDD'))) IS NOT NULL
        OR NOT etl.begin_day(day, log) THEN
        RETURN false;
    END IF;
    PERFORM etl.finish_day(day, log);
    RETURN true;
END
$$;

REVOKE EXECUTE ON FUNCTION
etl.ensure_partition(date, text), etl.begin_day(date, text), etl.finish_day(date, text) FROM public;

-- The three roles. Run by every migration, and by deploy/databases.sql; login users are members of one of them.
--   conn_owner   owns both schemas; migrations run as it
--   conn_loader  loads: adds and takes back rows, makes staging tables, makes partitions only through
--                etl.ensure_partition; every loading session acts as it, so staging tables belong to it, not to a user
--   conn_reader  reads
DO $$
DECLARE
    wanted text;
BEGIN
    FOREACH wanted IN ARRAY ARRAY['conn_owner', 'conn_loader', 'conn_reader'] LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = wanted) THEN
            BEGIN
                EXECUTE format('CREATE ROLE %I NOLOGIN', wanted);
            EXCEPTION WHEN duplicate_object OR unique_violation THEN
                NULL;  -- another database of the same server was being migrated at the same moment
            END;
        END IF;
    END LOOP;
    -- Citus connects to its workers as the role that a session acts as.
    IF EXISTS (SELECT FROM pg_extension WHERE extname = 'citus') THEN
        FOREACH wanted IN ARRAY ARRAY['conn_owner', 'conn_loader', 'conn_reader'] LOOP
            IF NOT (SELECT rolcanlogin FROM pg_roles WHERE rolname = wanted) THEN
                EXECUTE format('ALTER ROLE %I LOGIN', wanted);
            END IF;
        END LOOP;
    END IF;
    -- From version 16 on the user who makes a role is its member at once, but may not act as it.
    IF NOT pg_has_role(
        current_user, 'conn_owner',
        CASE WHEN current_setting('server_version_num')::integer < 160000 THEN 'MEMBER' ELSE 'SET' END
    ) THEN
        EXECUTE format('GRANT conn_owner TO %I', current_user);
    END IF;
    -- A loader may read too: `conn-etl query` acts as the reader.
    FOREACH wanted IN ARRAY ARRAY['conn_owner', 'conn_loader'] LOOP
        IF NOT pg_has_role(wanted, 'conn_reader', 'MEMBER') THEN
            EXECUTE format('GRANT conn_reader TO %I', wanted);
        END IF;
    END LOOP;
    EXECUTE format('GRANT CREATE, TEMPORARY ON DATABASE %I TO conn_owner', current_database());
    EXECUTE format('GRANT TEMPORARY ON DATABASE %I TO conn_loader', current_database());
END
$$;

-- In a database that is conn-etl's alone, nobody but its roles makes temporary tables, large objects, tables in public
-- or advisory locks (a reader could otherwise hold those that loads wait for). Functions of pg_catalog are a
-- superuser's to revoke; where migrations run as less, run this file once as a superuser.
DO $$
DECLARE
    func regprocedure;
BEGIN
    IF EXISTS (
        SELECT FROM pg_class
        WHERE
            relkind IN ('r', 'p')
            AND relnamespace NOT IN (
                SELECT oid FROM pg_namespace
                WHERE nspname IN ('etl', 'zeek', 'iceberg', 'information_schema') OR nspname LIKE 'pg\_%'
            )
    ) THEN
        RETURN;  -- other applications live here too
    END IF;
    IF pg_has_role(current_user, (SELECT datdba FROM pg_database WHERE datname = current_database()), 'USAGE') THEN
        EXECUTE format('REVOKE TEMPORARY ON DATABASE %I FROM PUBLIC', current_database());
    END IF;
    IF NOT (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) THEN
        RETURN;
    END IF;
    IF to_regnamespace('public') IS NOT NULL THEN
        REVOKE CREATE ON SCHEMA public FROM PUBLIC;
    END IF;
    FOR func IN
        SELECT oid FROM pg_proc
        WHERE
            pronamespace = 'pg_catalog'::regnamespace
            AND proname ~ '^(pg_(try_)?advisory_|lo_|lowrite)'
            AND has_function_privilege('public', oid, 'EXECUTE')
    LOOP
        EXECUTE format('REVOKE EXECUTE ON FUNCTION %s FROM PUBLIC', func);
        IF func::text LIKE 'pg\_%' THEN
            EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO conn_owner, conn_loader', func);
        END IF;
    END LOOP;
END
$$;

-- The three roles. Run by every migration, and by deploy/databases.sql; login users are members of one of them.
--   conn_owner   owns both schemas; migrations run as it
--   conn_loader  loads: adds and takes back rows, makes staging tables, makes partitions only through
--                etl.ensure_partition; every loading session acts as it, so staging tables belong to it and not to a user
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

-- name: prepare
-- Set a session up. No row where another backend answers than the one that the client knows: a pooler's.
SELECT set_config(parameter.name, parameter.setting, false)
FROM unnest(CAST(:names AS text[]), CAST(:settings AS text[])) AS parameter (name, setting)
WHERE pg_backend_pid() = coalesce(CAST(:pid AS integer), pg_backend_pid());

-- name: encoding
-- How the database stores text.
SELECT current_setting('server_encoding');

-- name: more_than_reading
-- What makes the login of this session more than a reader, as words; NULL where it can only read.
SELECT string_agg(role.rolname || CASE WHEN role.rolsuper THEN ' (superuser)' ELSE '' END, ', ' ORDER BY role.rolname)
FROM pg_roles AS role
WHERE
    pg_has_role(session_user, role.oid, 'MEMBER')
    -- a superuser counts as a member of every role: only those that say so are named
    AND (NOT (SELECT rolsuper FROM pg_roles WHERE rolname = session_user) OR role.rolname = session_user)
    AND (
        role.rolsuper OR role.rolcreaterole OR role.rolcreatedb OR role.rolreplication OR role.rolbypassrls
        OR role.rolname IN ('conn_owner', 'conn_loader')
        OR (
            role.rolname LIKE 'pg\_%'
            AND role.rolname NOT IN ('pg_monitor', 'pg_read_all_settings', 'pg_read_all_stats', 'pg_stat_scan_tables')
        )
    );

-- name: taken_schemas
-- Schemas of our names that are not ours: ours are made by, and belong to, conn_owner.
SELECT nspname
FROM pg_namespace
WHERE
    nspname IN ('etl', 'zeek')
    AND nspowner IS DISTINCT FROM (SELECT oid FROM pg_roles WHERE rolname = 'conn_owner')
ORDER BY nspname;

-- name: act_as_loader
-- From version 16 on a member may lack the right to set the role.
SELECT set_config('role', roles.rolname, false)
FROM pg_roles AS roles
WHERE
    roles.rolname = 'conn_loader'
    AND pg_has_role(
        session_user, roles.oid,
        CASE WHEN current_setting('server_version_num')::integer < 160000 THEN 'MEMBER' ELSE 'SET' END
    );

-- name: act_as_owner
-- Act as conn_owner, to whom indexes and partitions belong; the server refuses a user who may not.
SET ROLE conn_owner;

-- name: act_as_owner_here
-- The same until the transaction ends.
SET LOCAL ROLE conn_owner;

-- name: schema_version
-- The newest migration that was run.
SELECT version_num FROM etl.alembic_version;

-- name: make_schema
-- The schema in which migrations keep their version: it has to be there before the first one.
CREATE SCHEMA IF NOT EXISTS etl;

-- name: label
-- Show in pg_stat_activity what this session does.
SELECT set_config('application_name', :name, false);

-- name: role
-- The role that this session acts as; none where it is the user's own.
SELECT current_setting('role');

-- name: wait_for_locks
-- Wait for locks without a limit: for statements that wait for others while nobody waits for them.
SET lock_timeout = 0;

-- name: snapshot
-- All statements of this transaction see one state of the database.
SET TRANSACTION ISOLATION LEVEL REPEATABLE READ; -- noqa: PRS

-- name: export_snapshot
-- What another session needs in order to see the same state of the database.
SELECT pg_export_snapshot();

-- name: import_snapshot
-- See what the session sees that exported this, as long as its transaction lasts.
SET TRANSACTION SNAPSHOT :exported; -- noqa: PRS

-- name: whole_cursors
-- Cursors of this transaction are read to their end: they are planned like any statement.
SET LOCAL cursor_tuple_fraction = 1;

-- name: roomy
-- Until the transaction ends, keep more in memory before the disk is used: the windows of years of logs. A question
-- looks its lines up in a hash only if they fit, else in all of them for each row: 4 MB hold 90,000, this 2,500,000.
SET LOCAL work_mem = '128MB';

-- name: read_only
-- This transaction cannot change anything.
SET TRANSACTION READ ONLY; -- noqa: PRS

-- name: act_as_reader
-- Act as conn_reader until the transaction ends.
SET LOCAL ROLE conn_reader;

-- name: hash_only
-- Group by hashing. Few groups come out, but the planner expects one per row and would sort them all on disk.
SET LOCAL enable_sort = off;

-- name: sort_again
-- Sorting is allowed again.
SET LOCAL enable_sort = on;

-- name: lock_timeout
-- How long this session waits for a lock.
SELECT current_setting('lock_timeout');

-- name: set_lock_timeout
-- How long this transaction waits for a lock.
SELECT set_config('lock_timeout', :limit, true);

-- name: server
-- What the server and this session are: version, lock table, user, encoding.
SELECT
    current_setting('server_version_num')::integer AS version,
    current_setting('max_locks_per_transaction')::integer AS max_locks,
    current_user AS username,
    (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) AS superuser;

-- name: roles
-- The three roles: whether each is there, and whether this user is a member.
SELECT
    wanted.name,
    roles.rolname IS NOT NULL AS there,
    coalesce(pg_has_role(current_user, roles.oid, 'MEMBER'), false) AS member
FROM (VALUES ('conn_owner'), ('conn_loader'), ('conn_reader')) AS wanted (name)
LEFT JOIN pg_roles AS roles ON roles.rolname = wanted.name;

-- name: open_functions
-- Functions of advisory locks and large objects that every login may call, in a database that is conn-etl's alone; only
-- a superuser can revoke them.
SELECT count(*) AS functions
FROM pg_proc
WHERE
    pronamespace = 'pg_catalog'::regnamespace
    AND proname ~ '^(pg_(try_)?advisory_|lo_|lowrite)'
    AND has_function_privilege('public', oid, 'EXECUTE')
    AND NOT EXISTS (
        SELECT FROM pg_class
        WHERE
            relkind IN ('r', 'p')
            AND relnamespace NOT IN (
                SELECT oid FROM pg_namespace
                WHERE nspname IN ('etl', 'zeek', 'iceberg', 'information_schema') OR nspname LIKE 'pg\_%'
            )
    );

-- name: partitions
-- relations: what a question without a time bound locks; slots: what the server can lock in all.
SELECT
    count(*) AS leaves,
    coalesce(sum(1 + indexes.number), 0)::bigint AS relations,
    current_setting('max_locks_per_transaction')::bigint
    * (current_setting('max_connections')::bigint + current_setting('max_prepared_transactions')::bigint) AS slots,
    current_setting('max_connections')::bigint + current_setting('max_prepared_transactions')::bigint AS sessions
FROM pg_inherits
CROSS JOIN
    LATERAL (SELECT count(*) AS number FROM pg_index WHERE pg_index.indrelid = pg_inherits.inhrelid) AS indexes
WHERE pg_inherits.inhparent = to_regclass('zeek.conn');

-- name: windows
-- The newest windows of each sensor that brought rows; twelve show a wrong time zone and cost little.
SELECT sensor, etl_file_id, window_start, window_end, max_timestamp
FROM (
    SELECT
        file.*,
        row_number() OVER (PARTITION BY sensor ORDER BY window_start DESC) AS from_the_last
    FROM etl.file
    WHERE
        state IN ('published', 'incomplete') AND window_end IS NOT NULL AND rows_loaded > 0
        AND max_timestamp IS NOT NULL
) AS windows
WHERE from_the_last <= 12
ORDER BY sensor, window_start;

-- name: last_end
-- When the last connection of a file ended.
SELECT max("@timestamp" + coalesce(event_duration, 0) * interval '1 second') AS ends
FROM zeek.conn
WHERE
    etl_file_id = :id
    AND "@timestamp" > CAST(:first AS timestamptz) AND "@timestamp" <= CAST(:last AS timestamptz);

-- name: waiting
-- Files that were found long ago and have no final state.
SELECT count(*) AS files, min(first_seen) AS since
FROM etl.file
WHERE etl.is_open(state) AND first_seen < now() - CAST(:longest AS interval);

-- name: has_ledger
-- Whether the ledger is there.
SELECT to_regclass('etl.file') IS NOT NULL;

-- name: data_directory
-- Folder of the server's data; only some roles may know it.
SELECT current_setting('data_directory');

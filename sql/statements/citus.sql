-- Statements for Citus alone: its tables and functions are not there on other servers.

-- name: is_installed
-- Whether the database has the extension.
SELECT exists(SELECT 1 FROM pg_extension WHERE extname = 'citus');

-- name: is_distributed
-- Whether the rows of zeek.conn lie on workers.
SELECT exists(SELECT 1 FROM pg_dist_partition WHERE logicalrelid = to_regclass('zeek.conn'));

-- name: workers
-- Servers that may hold rows.
SELECT count(*) FROM pg_dist_node WHERE noderole = 'primary' AND shouldhaveshards;

-- name: one_by_one
-- Reference tables and a distributed one in one transaction: over one connection to each worker.
SELECT set_config('citus.multi_shard_modify_mode', 'sequential', true);

-- name: copy_everywhere
-- Give every worker a copy of a small table.
SELECT create_reference_table(CAST(:table AS regclass));

-- name: distribute
-- Rows of one connection lie together; a day is a partition on every worker.
SELECT create_distributed_table('zeek.conn', 'event_uid');

-- name: free_bytes
-- Free space of the worker that has the least.
SELECT min(CAST(result AS bigint))
FROM run_command_on_workers('SELECT available_disk_size FROM citus_local_disk_space_stats()')
WHERE success;

-- name: functions_in_plpgsql
-- Citus does not plan a function of plain SQL that reads a distributed table with its parameters: those that do are
-- made again, after each migration, with the same text inside PL/pgSQL.
DO $$
DECLARE
    found regprocedure;
BEGIN
    FOR found IN
        SELECT oid
        FROM pg_proc
        WHERE
            pronamespace = 'zeek'::regnamespace
            AND proname IN ('hour_sums', 'hourly', 'address_sums', 'daily_top', 'destinations')
            AND prolang = (SELECT oid FROM pg_language WHERE lanname = 'sql')
    LOOP
        EXECUTE regexp_replace(
            replace(pg_get_functiondef(found), 'LANGUAGE sql', 'LANGUAGE plpgsql'),
            '\$function\$(.*?)[\s;]*\$function\$',
            E'$function$\n#variable_conflict use_column\nBEGIN\n    RETURN QUERY\n\\1;\nEND\n$function$'
        );
    END LOOP;
END
$$;

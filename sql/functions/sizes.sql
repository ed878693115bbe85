-- Sizes of relations, wherever their rows lie.

-- Citus keeps the rows of a distributed table on other servers, where pg_total_relation_size does not look. Its
-- functions are named in dynamic SQL, since other servers do not have them.
CREATE OR REPLACE FUNCTION etl.relation_bytes(relation regclass) RETURNS bigint
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    distributed boolean := false;
    bytes bigint;
BEGIN
    IF to_regclass('pg_catalog.pg_dist_partition') IS NOT NULL THEN
        EXECUTE 'SELECT EXISTS (SELECT FROM pg_dist_partition WHERE logicalrelid = $1)' INTO distributed USING relation;
    END IF;
    IF NOT distributed THEN
        RETURN pg_total_relation_size(relation);
    END IF;
    EXECUTE 'SELECT citus_total_relation_size($1)' INTO bytes USING relation;
    RETURN bytes;
END
$$;

COMMENT ON FUNCTION etl.relation_bytes(regclass) IS
'Size of a table with its indexes [bytes]; of a distributed table, on all servers of its cluster.';

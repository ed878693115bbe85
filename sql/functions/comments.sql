-- Views hand on columns of tables; their comments are those of the tables, written once.

CREATE OR REPLACE FUNCTION etl.copy_comments(
    source regclass, target regclass, by_place boolean DEFAULT false
) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    pair record;
BEGIN
    FOR pair IN
        SELECT there.attname AS name, here.description
        FROM (
            SELECT attname, col_description(attrelid, attnum) AS description, row_number() OVER (ORDER BY attnum) AS place
            FROM pg_attribute
            WHERE attrelid = source AND attnum > 0 AND NOT attisdropped
        ) AS here
        INNER JOIN (
            SELECT attname, row_number() OVER (ORDER BY attnum) AS place
            FROM pg_attribute
            WHERE attrelid = target AND attnum > 0 AND NOT attisdropped
        ) AS there ON CASE WHEN by_place THEN here.place = there.place ELSE here.attname = there.attname END
        WHERE here.description IS NOT NULL
    LOOP
        EXECUTE format('COMMENT ON COLUMN %s.%I IS %L', target, pair.name, pair.description);
    END LOOP;
END
$$;

COMMENT ON FUNCTION etl.copy_comments(regclass, regclass, boolean) IS
'Give the columns of a view the comments of a table''s columns: by name, or by place where the view renames them.';

REVOKE EXECUTE ON FUNCTION etl.copy_comments(regclass, regclass, boolean) FROM public;

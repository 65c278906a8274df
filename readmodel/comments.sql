-- Run after all views.

-- A column of a view that is named like a table's column and has no comment of its own means the same.
DO $$
DECLARE
    c record;
BEGIN
    FOR c IN
        SELECT DISTINCT ON (v.oid, a.attnum) v.relname AS view, a.attname AS name, d.description
        FROM pg_class v
        JOIN pg_attribute a ON a.attrelid = v.oid AND a.attnum > 0
        JOIN pg_class t ON t.relnamespace = v.relnamespace AND t.relkind IN ('r', 'p') AND NOT t.relispartition
        JOIN pg_attribute b ON b.attrelid = t.oid AND b.attname = a.attname AND b.attnum > 0
        JOIN pg_description d ON d.objoid = t.oid AND d.objsubid = b.attnum AND d.classoid = 'pg_class'::regclass
        WHERE v.relkind = 'v' AND v.relnamespace = current_schema()::regnamespace AND col_description(v.oid, a.attnum) IS NULL
        ORDER BY v.oid, a.attnum, t.relname
    LOOP
        EXECUTE format('COMMENT ON COLUMN %I.%I IS %L', c.view, c.name, c.description);
    END LOOP;
END $$;

-- What role grafana may read: the schema that search_path names, and ops. Run last in every build.
DO $$
BEGIN
    IF to_regrole('grafana') IS NULL THEN
        RAISE NOTICE 'role grafana is missing: nobody but % can read the read model', current_user;
        RETURN;
    END IF;
    EXECUTE format('GRANT USAGE ON SCHEMA %I TO grafana', current_schema());
    EXECUTE format('GRANT SELECT ON ALL TABLES IN SCHEMA %I TO grafana', current_schema());
    EXECUTE 'GRANT USAGE ON SCHEMA ops TO grafana';
    EXECUTE 'GRANT SELECT ON ALL TABLES IN SCHEMA ops TO grafana';
END $$;

-- What the roles grafana and analyst may read: the schema that search_path names, schema legacy beside it, and
-- ops. Run last in every build.
DO $$
DECLARE
    reader text;
    place text;
BEGIN
    FOREACH reader IN ARRAY ARRAY['grafana', 'analyst'] LOOP
        IF to_regrole(reader) IS NULL THEN
            RAISE NOTICE 'role % is missing: it cannot read the read model', reader;
            CONTINUE;
        END IF;
        FOREACH place IN ARRAY ARRAY[current_schema()::text, replace(current_schema(), 'readmodel', 'legacy'), 'ops'] LOOP
            IF to_regnamespace(quote_ident(place)) IS NOT NULL THEN
                EXECUTE format('GRANT USAGE ON SCHEMA %I TO %I', place, reader);
                EXECUTE format('GRANT SELECT ON ALL TABLES IN SCHEMA %I TO %I', place, reader);
            END IF;
        END LOOP;
    END LOOP;
END $$;

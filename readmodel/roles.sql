-- Roles: projector owns and writes; grafana (dashboards) and analyst (people) may only read. They are made where the connected user may
-- make roles; where it may not, a notice says so and everything works with the rights that there are.
DO $$
BEGIN
    IF to_regrole('projector') IS NULL THEN
        CREATE ROLE projector NOLOGIN;
    END IF;
EXCEPTION
    WHEN duplicate_object OR unique_violation THEN NULL; -- made at this moment for another database
    WHEN insufficient_privilege THEN
        RAISE NOTICE 'role projector is missing and % may not make it: the schemas will belong to %', current_user, current_user;
END $$;
DO $$
DECLARE
    reader text;
BEGIN
    FOREACH reader IN ARRAY ARRAY['grafana', 'analyst'] LOOP
        BEGIN
            IF to_regrole(reader) IS NULL THEN
                -- No password: set one (ALTER ROLE ... PASSWORD ...) before it can log in over the network.
                EXECUTE format('CREATE ROLE %I LOGIN', reader);
                EXECUTE format('ALTER ROLE %I SET default_transaction_read_only = on', reader);
                EXECUTE format('ALTER ROLE %I SET statement_timeout = %L', reader, CASE reader WHEN 'grafana' THEN '30s' ELSE '5min' END);
                EXECUTE format('ALTER ROLE %I SET idle_in_transaction_session_timeout = %L', reader, CASE reader WHEN 'grafana' THEN '1min' ELSE '10min' END);
                EXECUTE format('ALTER ROLE %I SET work_mem = ''64MB''', reader); -- metrics group by post: in memory, not on disk
                EXECUTE format('ALTER ROLE %I SET jit = off', reader); -- compiling takes longer than any of these queries
            END IF;
        EXCEPTION
            WHEN duplicate_object OR unique_violation THEN NULL;
            WHEN insufficient_privilege THEN
                RAISE NOTICE 'role % is missing and % may not make it: make it by hand, then run projector rebuild to grant it its rights', reader, current_user;
        END;
    END LOOP;
END $$;
DO $$
BEGIN
    IF to_regrole('projector') IS NOT NULL THEN
        IF NOT pg_has_role(current_user, 'projector', 'USAGE') THEN
            EXECUTE format('GRANT projector TO %I', current_user);
        END IF;
        EXECUTE format('GRANT CREATE ON DATABASE %I TO projector', current_database());
    END IF;
EXCEPTION
    WHEN insufficient_privilege THEN
        RAISE NOTICE '% may not give role projector its rights: the schemas will belong to %', current_user, current_user;
END $$;

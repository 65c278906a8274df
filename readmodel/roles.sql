-- Roles: projector owns and writes, grafana may only read. They are made where the connected user may
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
BEGIN
    IF to_regrole('grafana') IS NULL THEN
        -- No password: set one (ALTER ROLE grafana PASSWORD ...) before it can log in over the network.
        CREATE ROLE grafana LOGIN;
        ALTER ROLE grafana SET statement_timeout = '30s';
        ALTER ROLE grafana SET default_transaction_read_only = on;
    END IF;
EXCEPTION
    WHEN duplicate_object OR unique_violation THEN NULL;
    WHEN insufficient_privilege THEN
        RAISE NOTICE 'role grafana is missing and % may not make it: make it by hand, then run projector rebuild to grant it its rights', current_user;
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

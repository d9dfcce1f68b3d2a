"""Who may read a service's `reporting` schema, and that they may read nothing else."""

from typing import Final

ROLE: Final = """
DO $$
BEGIN
    CREATE ROLE hotline_reporting NOLOGIN;
    ALTER ROLE hotline_reporting SET default_transaction_read_only = on;
    ALTER ROLE hotline_reporting SET statement_timeout = '30s';
    ALTER ROLE hotline_reporting SET timezone = 'Asia/Shanghai';
EXCEPTION
    WHEN duplicate_object OR unique_violation THEN NULL;
    WHEN insufficient_privilege THEN
        RAISE NOTICE 'create the role hotline_reporting as administrator';
END
$$;
"""
"""The role has no password and no login: whoever runs the server gives it both.

Roles belong to the server, not to a database: another service may have made it, even now.
"""

GRANTS: Final = """
DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'hotline_reporting') THEN
        GRANT USAGE ON SCHEMA reporting TO hotline_reporting;
        GRANT SELECT ON ALL TABLES IN SCHEMA reporting TO hotline_reporting;
    END IF;
END
$$;
"""
"""The views read with their owner's rights, so the tables behind them stay closed."""

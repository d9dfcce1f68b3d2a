"""What every service's `reporting` schema keeps: no words, no persons, nothing but views."""

from typing import Final

import psycopg
import pytest
from psycopg import sql
from sqlalchemy import URL

from shared.postgres import libpq

ROLE: Final = "hotline_reporting"


def check_closed(url: URL, secrets: tuple[str, ...]) -> None:
    """The role reads each view whole and finds no secret in it; every table is closed to it."""
    with psycopg.connect(libpq(url), autocommit=True) as connection:
        connection.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(ROLE)))
        views = _named(connection, "reporting", "v")
        assert views
        for view in views:
            rows = connection.execute(
                sql.SQL("SELECT * FROM reporting.{}").format(sql.Identifier(view))
            ).fetchall()
            assert rows, view
            said = repr(rows)
            assert not [secret for secret in secrets if secret in said], view
        for table in _named(connection, "public", "r"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(sql.SQL("SELECT FROM {}").format(sql.Identifier(table)))
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("CREATE TABLE public.mine ()")


def _named(connection: psycopg.Connection[tuple[str]], schema: str, kind: str) -> list[str]:
    query = """
        SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE n.nspname = %s AND c.relkind = %s ORDER BY 1
    """
    return [name for (name,) in connection.execute(query, (schema, kind)).fetchall()]

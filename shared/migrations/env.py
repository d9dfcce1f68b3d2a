"""Alembic's environment for every service; `shared.database.migrate` hands in the connection.

A migration that does not get a lock gives up before PostgreSQL looks for deadlocks (1 s), so that
the running services never are its victims, and is tried again (`shared.service.prepare`).
"""

from alembic import context
from sqlalchemy import text
from sqlmodel import SQLModel

connection = context.config.attributes["connection"]
connection.execute(text("SET lock_timeout = '900ms'"))
connection.commit()
context.configure(
    connection=connection,
    target_metadata=SQLModel.metadata,
    transaction_per_migration=True,
)
with context.begin_transaction():
    context.run_migrations()

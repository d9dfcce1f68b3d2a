"""The migrated schema is the one that the code reads, and migrating again changes nothing."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import create_engine, inspect
from sqlalchemy.dialects import postgresql
from sqlalchemy.types import TypeEngine
from sqlmodel import SQLModel

from services.intake import tables
from shared import messaging
from shared.database import migrate
from shared.settings import Settings
from tests.conftest import drop_databases, own_databases

DIALECT = postgresql.dialect()  # type: ignore[no-untyped-call]
WITHOUT_A_CLASS = {"alembic_version", "inbox", "inbox_rest", "liveness", "request_once"}
"""Tables that only SQL speaks of."""


def classes() -> dict[str, type[SQLModel]]:
    return {
        str(model.__tablename__): model
        for module in (tables, messaging)
        for model in vars(module).values()
        if isinstance(model, type) and issubclass(model, SQLModel) and hasattr(model, "__table__")
    }


def kind(column_type: TypeEngine[Any]) -> str:
    """A column's type as PostgreSQL spells it; its text has no limit either way."""
    spelled = column_type.compile(DIALECT)
    return spelled.replace("VARCHAR", "TEXT").replace("FLOAT", "DOUBLE PRECISION")


@pytest.fixture(scope="module")
def columns(
    server: Settings, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, dict[str, tuple[str, bool]]]:
    """Type and nullability of every column of a migrated database."""
    settings = own_databases(server, tmp_path_factory.mktemp("migrations"))
    with ThreadPoolExecutor(4) as pool:
        urls = list(pool.map(lambda _: migrate(settings, "intake"), range(4)))
    engine = create_engine(urls[0])
    inspector = inspect(engine)
    found = {
        table: {c["name"]: (kind(c["type"]), c["nullable"]) for c in inspector.get_columns(table)}
        for table in inspector.get_table_names()
    }
    engine.dispose()
    drop_databases(settings, server)
    return found


def test_every_table_has_a_class_and_every_class_a_table(
    columns: dict[str, dict[str, tuple[str, bool]]],
) -> None:
    assert set(columns) - WITHOUT_A_CLASS == set(classes())


@pytest.mark.parametrize("table", sorted(classes()))
def test_every_column_is_as_its_class_says(
    columns: dict[str, dict[str, tuple[str, bool]]], table: str
) -> None:
    model = classes()[table].__table__  # type: ignore[attr-defined]
    declared = {c.name: (kind(c.type), bool(c.nullable)) for c in model.columns}
    assert columns[table] == declared

"""The migrated schema is the one that the code reads and writes."""

from typing import Any

import pytest
from sqlalchemy import Dialect, Table, inspect
from sqlalchemy.types import TypeEngine

from services.router.storage import cases, clocks, incidents, tables, whistles
from services.router.storage.held import LOG_COLUMNS
from shared import messaging
from shared.database import migrate
from tests.router.station import Station

WITHOUT_A_CLASS = {"alembic_version", "inbox", "inbox_rest", "liveness", "request_once"}
"""Tables that only SQL speaks of."""

TABLES = {
    table.name: table
    for module in (tables, messaging)
    for member in vars(module).values()
    if isinstance(table := getattr(member, "__table__", None), Table)
}


def kind(column_type: TypeEngine[Any], dialect: Dialect) -> str:
    """A column's type as PostgreSQL spells it; its text has no limit either way."""
    return column_type.compile(dialect).replace("VARCHAR", "TEXT")


def test_every_table_has_a_class_and_every_class_a_table(station: Station) -> None:
    found = inspect(station.database.engine).get_table_names()
    assert set(found) - WITHOUT_A_CLASS == set(TABLES)


@pytest.mark.parametrize("table", sorted(TABLES))
def test_every_column_is_as_its_class_says(station: Station, table: str) -> None:
    engine = station.database.engine
    columns = inspect(engine).get_columns(table)
    migrated = {c["name"]: (kind(c["type"], engine.dialect), c["nullable"]) for c in columns}
    declared = TABLES[table].columns
    assert migrated == {c.name: (kind(c.type, engine.dialect), bool(c.nullable)) for c in declared}


@pytest.mark.parametrize(
    ("table", "written", "by_the_database"),
    [
        ("case_record", cases.COLUMNS, set()),
        ("whistle", whistles.COLUMNS, set()),
        ("incident", incidents.COLUMNS, set()),
        ("clock", clocks.COLUMNS, {"id"}),
        ("case_log", ("number", *LOG_COLUMNS), {"id"}),
        ("whistle_log", ("whistle", *LOG_COLUMNS), {"id"}),
    ],
)
def test_every_column_is_written(
    station: Station, table: str, written: tuple[str, ...], by_the_database: set[str]
) -> None:
    columns = inspect(station.database.engine).get_columns(table)
    assert {column["name"] for column in columns} - by_the_database == set(written)
    assert len(written) == len(set(written))


def test_migrating_again_changes_nothing(station: Station) -> None:
    number = station.opened()
    migrate(station.settings, "router")
    assert station.state(number) == "dispatched"

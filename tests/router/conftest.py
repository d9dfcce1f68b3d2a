"""A router for the tests of a module: they look at their own cases only, or empty it first."""

from collections.abc import Iterator

import pytest
from sqlalchemy import text

from shared.settings import Settings
from tests.conftest import drop_databases, own_databases
from tests.router.station import Station, open_station

TABLES = (
    *("incident_member", "incident", "incident_counter"),
    *("queue_entry", "case_log", "clock", "whistle_log", "whistle", "case_record"),
    *("early_urge", "unit_feed", "place_proposal"),
    *("outbox", "inbox", "dead_letter"),
)


@pytest.fixture(scope="module")
def station(server: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Station]:
    """A router on databases of its own, shared by the tests of a module."""
    settings = own_databases(server, tmp_path_factory.mktemp("station"))
    with open_station(settings) as running:
        yield running
    drop_databases(settings, server)


@pytest.fixture
def empty_station(station: Station) -> Station:
    """The module's router without any case; a stream that is just ending may still read."""
    with station.database.writing() as writer:
        for table in TABLES:
            writer.execute(text(f"DELETE FROM {table}"))  # noqa: S608
    return station

"""Routers for the tests: one of a module that looks at its own cases only, or one of a test."""

from collections.abc import Iterator

import pytest

from shared.settings import Settings
from tests.conftest import drop_databases, own_databases
from tests.router.station import Station, open_station


@pytest.fixture(scope="module")
def station(server: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Station]:
    """A router on databases of its own, shared by the tests of a module."""
    settings = own_databases(server, tmp_path_factory.mktemp("station"))
    with open_station(settings) as running:
        yield running
    drop_databases(settings, server)


@pytest.fixture
def empty_station(settings: Settings) -> Iterator[Station]:
    """A router that has no cases yet."""
    with open_station(settings) as running:
        yield running

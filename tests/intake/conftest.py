"""One running intake for all tests of a module: they look at their own tickets only."""

from collections.abc import Iterator

import pytest

from shared.settings import Settings
from tests.conftest import drop_databases, own_databases
from tests.intake.office import Office, open_office


@pytest.fixture(scope="module")
def office(server: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    """A running intake on databases of its own."""
    settings = own_databases(server, tmp_path_factory.mktemp("office"))
    with open_office(settings) as running:
        yield running
    drop_databases(settings, server)

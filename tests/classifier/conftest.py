"""One model, trained once for the session on the project's whole corpus; small ones beside it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from services.classifier.model import Model, load_or_train
from shared.settings import Settings
from tests.classifier.live_bench import Live, open_live, start_over, train_two
from tests.conftest import drop_databases, own_databases


@pytest.fixture(scope="session")
def model_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("classifier")


@pytest.fixture(scope="session")
def model(model_home: Path) -> Model:
    return load_or_train(model_home)


@pytest.fixture(scope="session")
def two_models() -> tuple[Model, Model]:
    """Small models that differ in street lights."""
    return train_two()


@pytest.fixture(scope="module")
def live_installation(
    server: Settings, tmp_path_factory: pytest.TempPathFactory, two_models: tuple[Model, Model]
) -> Iterator[Live]:
    settings = own_databases(server, tmp_path_factory.mktemp("live"))
    with open_live(settings, *two_models) as live:
        yield live
    drop_databases(settings, server)


@pytest.fixture
def live(live_installation: Live) -> Live:
    """A classifier without tickets whose first model is in use beside a second one."""
    start_over(live_installation)
    return live_installation

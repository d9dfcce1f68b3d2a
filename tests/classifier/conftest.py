"""One model, trained once for the session on the project's whole corpus."""

from pathlib import Path

import pytest

from services.classifier.model import Model, load_or_train


@pytest.fixture(scope="session")
def model_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("classifier")


@pytest.fixture(scope="session")
def model(model_home: Path) -> Model:
    return load_or_train(model_home)

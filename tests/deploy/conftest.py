"""An installation with a trained model, so that each whole stack need not train its own."""

from pathlib import Path

import pytest

from services.classifier.model import load_or_train


@pytest.fixture(scope="session")
def trained_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home that holds a model and nothing else."""
    home = tmp_path_factory.mktemp("trained")
    load_or_train(home / "classifier")
    return home

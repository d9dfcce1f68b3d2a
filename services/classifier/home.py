"""Where a machine keeps the classifier's models and their cards."""

from pathlib import Path

from shared.settings import load_settings

_PREFIX = "model-"


def classifier_home() -> Path:
    """Where this machine keeps the classifier's models and history."""
    return load_settings().home / "classifier"


def model_file(home: Path, version: str) -> Path:
    """The file of a model of this version."""
    return home / f"{_PREFIX}{version}.npz"


def card_file(home: Path, version: str) -> Path:
    """What the training wrote about a model, for people."""
    return home / f"card-{version}.json"


def kept_versions(home: Path) -> list[str]:
    """The versions of all models kept under `home`, the newest file first."""
    files = sorted(home.glob(f"{_PREFIX}*.npz"), key=lambda path: -path.stat().st_mtime)
    return [path.stem.removeprefix(_PREFIX) for path in files]

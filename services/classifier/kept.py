"""The models kept on this machine: each proven before it is used, the built-in one made."""

import contextlib
import json
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from services.classifier.classify import classify_many
from services.classifier.home import card_file, kept_versions, model_file
from services.classifier.model import (
    Model,
    ModelError,
    load_or_train,
    read_model,
    training_examples,
    version_of,
)
from shared.taxonomy import load_taxonomy


def kept_model(home: Path, version: str) -> Model:
    """The kept model of this version, proven to work. Raises ModelError, a sentence for people."""
    try:
        model = read_model(model_file(home, version))
        if model.version != version:
            raise ModelError(f"模型文件 {version} 里是另一个版本 {model.version}")
        unknown = set(model.weights.leaves) - set(load_taxonomy())
        if unknown:
            raise ModelError(f"模型 {version} 有分类体系里没有的事项：{', '.join(sorted(unknown))}")
        classify_many(model, [(None, "路灯不亮")])
    except FileNotFoundError as error:
        known = "、".join(kept_versions(home)) or "一个也没有"
        raise ModelError(f"没有模型 {version}；现有：{known}") from error
    except ModelError:
        raise
    except Exception as error:
        raise ModelError(f"模型 {version} 不能用：{error}") from error
    return model


def card_of(home: Path, version: str) -> dict[str, Any]:
    """What the training wrote about a model; empty where it was not trained by the command."""
    path = card_file(home, version)
    return dict(json.loads(path.read_text(encoding="utf-8"))) if path.exists() else {}


def built_in(home: Path) -> Model:
    """The model of this release's corpus and the hotline's history, trained where it is missing.

    The training runs in a process of its own, whose memory goes with it.
    """
    version = version_of(training_examples(home))
    with contextlib.suppress(ModelError):
        return kept_model(home, version)
    with ProcessPoolExecutor(1, get_context("spawn")) as aside:
        aside.submit(_train_aside, home).result()
    return kept_model(home, version)


def _train_aside(home: Path) -> None:
    load_or_train(home)

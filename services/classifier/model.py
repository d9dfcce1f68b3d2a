"""The learned part at work: which leaf a text is about, how sure, and whether it is danger.

A model file holds numbers only, and reading it runs no code (skops, no trusted types).
"""

import contextlib
import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import sklearn
from scipy.special import softmax
from skops.io import dump, load

from services.classifier.corpus import (
    Example,
    corpus_examples,
    fingerprint,
    read_history,
    vocabulary_examples,
)
from services.classifier.fitting import (
    PARAMETERS,
    Weights,
    calibrate_scale,
    calibrate_threshold,
    cross_validate,
    fit,
)
from services.classifier.normalise import normalise
from shared.events import Alternative

FORMAT: Final = 1
"""Raise it when changed code would learn something else from the same corpus."""
ALTERNATIVES: Final = 3
BATCH: Final = 500
"""Texts scored at once; bounds memory, and larger is no faster."""


class ModelError(Exception):
    """A model file that is damaged or of another kind."""


@dataclass(frozen=True, slots=True)
class Prediction:
    """The likeliest leaf of one text, the runners-up, and the probability of danger (P0, P1)."""

    leaf: str
    probability: float
    alternatives: tuple[Alternative, ...]
    danger: float


@dataclass(frozen=True)
class Model:
    """A trained model. Below `threshold` a prediction is for a person to check.

    `version` names corpus, history and parameters: equal versions predict alike.
    """

    version: str
    weights: Weights
    scale: float
    threshold: float

    def predict(self, texts: Sequence[str]) -> list[Prediction]:
        """Predictions in the order of `texts`, whatever the texts are."""
        return self.predict_normalised([normalise(text) for text in texts])

    def predict_normalised(self, texts: Sequence[str]) -> list[Prediction]:
        """`predict` for texts that went through `normalise` already."""
        predictions: list[Prediction] = []
        for start in range(0, len(texts), BATCH):
            predictions += self._predict_batch(texts[start : start + BATCH])
        return predictions

    def _predict_batch(self, texts: Sequence[str]) -> list[Prediction]:
        scores, danger = self.weights.score(texts)
        chances = softmax(scores * self.scale, axis=1)
        best = np.argsort(-chances, axis=1, kind="stable")[:, : ALTERNATIVES + 1]
        values = np.take_along_axis(chances, best, axis=1).round(4)
        leaves = self.weights.leaves
        return [
            Prediction(
                leaves[places[0]],
                ordered[0],
                tuple(
                    Alternative(leaf=leaves[place], probability=value)
                    for place, value in zip(places[1:], ordered[1:], strict=True)
                ),
                risk,
            )
            for places, ordered, risk in zip(
                best.tolist(), values.tolist(), danger.round(4).tolist(), strict=True
            )
        ]


def load_or_train(home: Path) -> Model:
    """The model of the present corpus and of the history kept under `home`.

    Read from `home` where it was built before, else trained in some ten seconds and stored
    there; a damaged file is built anew. Safe for several processes at once.
    """
    examples = training_examples(home)
    path = home / f"model-{version_of(examples)}.skops"
    with contextlib.suppress(FileNotFoundError, ModelError):
        return read_model(path)
    model = train(examples)
    write_model(model, path)
    return model


def training_examples(home: Path) -> tuple[Example, ...]:
    """Corpus, history kept under `home`, vocabulary."""
    return (*corpus_examples(), *read_history(history_file(home)), *vocabulary_examples())


def history_file(home: Path) -> Path:
    """Where a hotline's own history is kept for every later training."""
    return home / "history.jsonl"


def version_of(examples: Sequence[Example]) -> str:
    """The version a model of these examples has."""
    return fingerprint(examples, FORMAT, PARAMETERS, sklearn.__version__)


def train(examples: Sequence[Example]) -> Model:
    """Learn from the examples, and from cross-validation how sure to be."""
    scored = cross_validate(examples)
    scale = calibrate_scale(scored)
    return Model(
        version=version_of(examples),
        weights=fit(examples),
        scale=scale,
        threshold=calibrate_threshold(scored, scale),
    )


def write_model(model: Model, path: Path) -> None:
    """Store a model; a reader sees the whole file or none."""
    path.parent.mkdir(parents=True, exist_ok=True)
    weights = model.weights
    state = {
        "version": model.version,
        "scale": model.scale,
        "threshold": model.threshold,
        "leaves": list(weights.leaves),
        "columns": weights.columns,
        "weighting": weights.weighting,
        "matrix": weights.matrix,
        "bias": weights.bias,
    }
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".model-")
    os.close(handle)
    try:
        dump(state, name)
        os.replace(name, path)
    except BaseException:
        os.unlink(name)
        raise


def read_model(path: Path) -> Model:
    """The model in a file of `write_model`; ModelError where it is anything else."""
    if not path.exists():
        raise FileNotFoundError(path)
    try:
        state: dict[str, Any] = load(path, trusted=[])
        weights = Weights(
            leaves=tuple(state["leaves"]),
            columns=state["columns"],
            weighting=state["weighting"],
            matrix=state["matrix"],
            bias=state["bias"],
        )
        return Model(state["version"], weights, state["scale"], state["threshold"])
    except Exception as error:
        raise ModelError(f"{path.name} is not a model: {error}") from error

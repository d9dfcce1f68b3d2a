"""The learned part at work: which leaf a text is about, how sure, and whether it is danger.

A model file holds numbers and names only, and reading it runs no code (numpy's own
format, no pickles).
"""

import contextlib
import importlib.metadata
import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from services.classifier.corpus import (
    Example,
    corpus_examples,
    fingerprint,
    read_history,
    vocabulary_examples,
)
from services.classifier.home import model_file
from services.classifier.normalise import normalise
from services.classifier.parameters import PARAMETERS
from services.classifier.weights import Confidence, Weights, chances
from shared.events import Alternative

FORMAT: Final = 3
"""Raise it when changed code would learn something else from the same corpus."""
ALTERNATIVES: Final = 3
BATCH: Final = 200
"""Texts scored at once; bounds memory, and larger is no faster."""


class ModelError(Exception):
    """A model file that is damaged or of another kind."""


@dataclass(frozen=True, slots=True)
class Prediction:
    """The likeliest leaf of one text, the runners-up, and the probability of danger (P0, P1).

    `certainty` is the probability that the category is right.
    """

    leaf: str
    probability: float
    alternatives: tuple[Alternative, ...]
    danger: float
    certainty: float


@dataclass(frozen=True)
class Model:
    """A trained model. Below `threshold` of certainty a prediction is for a person to check.

    `version` names corpus, history and parameters: equal versions predict alike.
    """

    version: str
    weights: Weights
    confidence: Confidence
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
        likely = chances(scores, self.confidence.scale)
        best = np.argsort(-likely, axis=1, kind="stable")[:, : ALTERNATIVES + 1]
        values = np.take_along_axis(likely, best, axis=1).round(4)
        leaves = self.weights.leaves
        sure = self.confidence.certainty(leaves, scores).round(4)
        return [
            Prediction(
                leaves[places[0]],
                ordered[0],
                tuple(
                    Alternative(leaf=leaves[place], probability=value)
                    for place, value in zip(places[1:], ordered[1:], strict=True)
                ),
                risk,
                certain,
            )
            for places, ordered, risk, certain in zip(
                best.tolist(),
                values.tolist(),
                danger.round(4).tolist(),
                sure.tolist(),
                strict=True,
            )
        ]


def load_or_train(home: Path) -> Model:
    """The model of the present corpus and of the history kept under `home`.

    Read from `home` where it was built before, else trained in some ten seconds and stored
    there; a damaged file is built anew. Safe for several processes at once.
    """
    examples = training_examples(home)
    path = model_file(home, version_of(examples))
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
    return fingerprint(examples, FORMAT, PARAMETERS, importlib.metadata.version("scikit-learn"))


def train(examples: Sequence[Example]) -> Model:
    """Learn from the examples, and from cross-validation how sure to be.

    The training library is loaded here and not before: it is a hundred megabytes that
    serving does without.
    """
    from services.classifier.fitting import (
        calibrate,
        calibrate_threshold,
        cross_validate,
        fit,
    )

    scored = cross_validate(examples)
    confidence = calibrate(scored)
    return Model(
        version=version_of(examples),
        weights=fit(examples),
        confidence=confidence,
        threshold=calibrate_threshold(scored, confidence),
    )


def write_model(model: Model, path: Path) -> None:
    """Store a model; a reader sees the whole file or none."""
    path.parent.mkdir(parents=True, exist_ok=True)
    weights = model.weights
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".model-")
    try:
        with os.fdopen(handle, "wb") as file:
            np.savez(
                file,
                version=model.version,
                scale=model.confidence.scale,
                slope=model.confidence.slope,
                trust=model.confidence.trust,
                threshold=model.threshold,
                leaves=np.array(weights.leaves),
                columns=weights.columns,
                rarity=weights.rarity,
                matrix=weights.matrix,
                bias=weights.bias,
            )
        os.replace(name, path)
    except BaseException:
        os.unlink(name)
        raise


def read_model(path: Path) -> Model:
    """The model in a file of `write_model`; ModelError where it is anything else."""
    if not path.exists():
        raise FileNotFoundError(path)
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as state:
            weights = Weights(
                leaves=tuple(state["leaves"].tolist()),
                columns=state["columns"],
                rarity=state["rarity"],
                matrix=state["matrix"],
                bias=state["bias"],
            )
            confidence = Confidence(float(state["scale"]), float(state["slope"]), state["trust"])
            return Model(str(state["version"]), weights, confidence, float(state["threshold"]))
    except Exception as error:
        raise ModelError(f"{path.name} is not a model: {error}") from error

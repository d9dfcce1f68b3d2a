"""How the model learns: two linear models for the leaf, one for danger, and how sure to be.

A support vector machine separates look-alike leaves; a naive Bayes model holds up where a
leaf has few examples. Both are linear in the same weighted character pairs, so their sum
is one matrix of weights. Scale and abstention threshold come from cross-validation: every
message is scored by models that never saw it.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_matrix
from scipy.special import expit, log_softmax, softmax
from sklearn.feature_extraction.text import TfidfTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import ComplementNB
from sklearn.svm import LinearSVC

from services.classifier.corpus import Example
from services.classifier.ngrams import Columns, count, learn_columns
from shared.events import is_emergency

SVM_PENALTY: Final = 0.5
BAYES_SMOOTHING: Final = 1.0
DANGER_PENALTY: Final = 20.0
FOLDS: Final = 5
SCALES: Final = (3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0)
THRESHOLDS: Final = tuple(step / 100 for step in range(5, 100, 5))
WANTED_ACCURACY: Final = 0.8
"""Abstain so that, in cross-validation, four of five leaves not abstained on are right."""
PARAMETERS: Final = (
    SVM_PENALTY,
    BAYES_SMOOTHING,
    DANGER_PENALTY,
    FOLDS,
    SCALES,
    THRESHOLDS,
    WANTED_ACCURACY,
)

Floats = npt.NDArray[np.float32]
Scores = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Weights:
    """A fitted linear model: a score a leaf, and in the last column the score of danger."""

    leaves: tuple[str, ...]
    columns: Columns
    weighting: Any
    matrix: Floats
    bias: Floats

    def score(self, texts: Sequence[str]) -> tuple[Scores, Scores]:
        """Scores of the leaves, a row a text, and each text's probability of danger."""
        features = self.weighting.transform(count(texts, self.columns))
        scores = np.asarray(features @ self.matrix, np.float64) + self.bias
        return scores[:, :-1], expit(scores[:, -1])


@dataclass(frozen=True)
class Scored:
    """Messages scored by models that had not seen them."""

    leaves: tuple[str, ...]
    scores: Scores
    danger: Scores
    right: npt.NDArray[np.int64]

    def probabilities(self, scale: float) -> Scores:
        return np.asarray(softmax(self.scores * scale, axis=1))


def fit(examples: Sequence[Example]) -> Weights:
    """Learn from all examples; the same examples in the same order give the same weights."""
    texts = [example.text for example in examples]
    columns = learn_columns(texts)
    counts = count(texts, columns)
    weighting = TfidfTransformer(sublinear_tf=True)
    features = csr_matrix(weighting.fit_transform(counts))
    labels = [example.leaf for example in examples]
    svm = LinearSVC(C=SVM_PENALTY, random_state=0).fit(features, labels)
    bayes = ComplementNB(alpha=BAYES_SMOOTHING).fit(features, labels)
    danger, danger_bias = _fit_danger(examples, features)
    matrix = np.column_stack([(svm.coef_ + bayes.feature_log_prob_).T, danger])
    return Weights(
        leaves=tuple(map(str, svm.classes_)),
        columns=columns,
        weighting=weighting,
        matrix=np.ascontiguousarray(matrix, np.float32),
        bias=np.append(svm.intercept_, danger_bias).astype(np.float32),
    )


def cross_validate(examples: Sequence[Example]) -> Scored:
    """Score every message without having learned from it; the vocabulary is always learned.

    The messages of each leaf are dealt to the folds in turn, so the split is the same
    every time. Rows are in the order of the messages among `examples`.
    """
    dealt: Counter[str] = Counter()
    fold_of: list[int] = []
    for example in examples:
        fold_of.append(dealt[example.leaf] % FOLDS if example.message else FOLDS)
        dealt[example.leaf] += example.message
    leaves = tuple(sorted({example.leaf for example in examples}))
    scores = np.zeros((len(examples), len(leaves)))
    danger = np.zeros(len(examples))
    for fold in range(FOLDS):
        held = [place for place, dealt_to in enumerate(fold_of) if dealt_to == fold]
        if held:
            kept = [example for example, f in zip(examples, fold_of, strict=True) if f != fold]
            texts = [examples[place].text for place in held]
            scores[held], danger[held] = fit(kept).score(texts)
    messages = [place for place, dealt_to in enumerate(fold_of) if dealt_to < FOLDS]
    right = np.array([leaves.index(examples[place].leaf) for place in messages], np.int64)
    return Scored(leaves, scores[messages], danger[messages], right)


def calibrate_scale(scored: Scored) -> float:
    """The scale whose probabilities surprise least (log loss) on unseen messages."""
    rows = np.arange(len(scored.right))

    def surprise(scale: float) -> float:
        chances = log_softmax(scored.scores * scale, axis=1)
        return -float(chances[rows, scored.right].mean())

    return min(SCALES, key=surprise)


def calibrate_threshold(scored: Scored, scale: float) -> float:
    """The lowest probability above which WANTED_ACCURACY of unseen messages are right."""
    chances = scored.probabilities(scale)
    right = chances.argmax(axis=1) == scored.right
    for threshold in THRESHOLDS:
        kept = chances.max(axis=1) >= threshold
        if kept.any() and right[kept].mean() >= WANTED_ACCURACY:
            return threshold
    return THRESHOLDS[-1]


def _fit_danger(examples: Sequence[Example], features: Any) -> tuple[Scores, float]:
    """Weights that tell P0 and P1 from the rest, where somebody judged the priority."""
    judged = [place for place, example in enumerate(examples) if example.priority is not None]
    danger = [
        example.priority is not None and is_emergency(example.priority) for example in examples
    ]
    labels = [danger[place] for place in judged]
    if len(set(labels)) < 2:
        return np.zeros(features.shape[1]), -10.0
    judge = LogisticRegression(C=DANGER_PENALTY, class_weight="balanced", max_iter=500)
    judge.fit(features[judged], labels)
    return np.asarray(judge.coef_[0]), float(judge.intercept_[0])

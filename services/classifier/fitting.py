"""How the model learns: three linear models for the leaf, one for danger, and how sure to be.

A support vector machine separates look-alike leaves, another one the categories; a naive
Bayes model holds up where a leaf has few examples. All are linear in the same weighted
character pairs, so their sum is one matrix of weights. Scale and abstention threshold come
from cross-validation: every message is scored by models that never saw it.

Only training imports this module: it loads scikit-learn, which serving does without.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.feature_extraction.text import TfidfTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import ComplementNB
from sklearn.svm import LinearSVC

from services.classifier.corpus import Example
from services.classifier.ngrams import count, learn_columns
from services.classifier.parameters import (
    BAYES_SMOOTHING,
    CATEGORY_SHARE,
    DANGER_PENALTY,
    FEWEST_VOICES,
    FOLDS,
    LEANING,
    LETTERS_A_VOICE,
    MOST_VOICES,
    SCALES,
    SVM_PENALTY,
    TRAFFIC,
    TRUST_PENALTY,
    WANTED_COVERAGE,
)
from services.classifier.weights import Confidence, Scores, Weights, chances, lead, weigh
from shared.events import is_emergency


@dataclass(frozen=True)
class Scored:
    """Messages scored by models that had not seen them."""

    leaves: tuple[str, ...]
    scores: Scores
    danger: Scores
    right: npt.NDArray[np.int64]

    def certainty(self, confidence: Confidence) -> Scores:
        return confidence.certainty(self.leaves, self.scores)

    def traffic(self) -> Scores:
        """The weight of each message, so that together they are the mix a hotline hears."""
        names = [self.leaves[place].partition(".")[0] for place in self.right.tolist()]
        found = Counter(names)
        weights = np.array([TRAFFIC[name] / found[name] for name in names])
        return np.asarray(weights / weights.sum())


def fit(examples: Sequence[Example]) -> Weights:
    """Learn from all examples; the same examples in the same order give the same weights."""
    texts = [example.text for example in examples]
    columns = learn_columns(texts)
    counts = count(texts, columns)
    rarity = TfidfTransformer(sublinear_tf=True).fit(counts).idf_.astype(np.float32)
    features = weigh(counts, rarity)
    labels = [example.leaf for example in examples]
    categories = [leaf.partition(".")[0] for leaf in labels]
    voices = [_voices(example) for example in examples]
    svm = LinearSVC(C=SVM_PENALTY, random_state=0).fit(features, labels, voices)
    coarse = LinearSVC(C=SVM_PENALTY, random_state=0).fit(features, categories, voices)
    bayes = ComplementNB(alpha=BAYES_SMOOTHING).fit(features, labels, voices)
    danger, danger_bias = _fit_danger(examples, features)
    leaves = tuple(map(str, svm.classes_))
    of_leaf = np.searchsorted(coarse.classes_, [leaf.partition(".")[0] for leaf in leaves])
    told = svm.coef_ + bayes.feature_log_prob_ + CATEGORY_SHARE * coarse.coef_[of_leaf]
    bias = svm.intercept_ + CATEGORY_SHARE * coarse.intercept_[of_leaf]
    bias += [LEANING.get(leaf.partition(".")[0], 0.0) for leaf in leaves]
    return Weights(
        leaves=leaves,
        columns=columns,
        rarity=rarity,
        matrix=np.ascontiguousarray(np.column_stack([told.T, danger]), np.float32),
        bias=np.append(bias, danger_bias).astype(np.float32),
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


def calibrate(scored: Scored) -> Confidence:
    """What unseen messages teach about how often a category that leads by so much is right."""
    scale = _calibrate_scale(scored)
    said = scored.scores.argmax(axis=1)
    categories = np.array([leaf.partition(".")[0] for leaf in scored.leaves])
    right = categories[said] == categories[scored.right]
    plain = Confidence(scale, scale, np.zeros(len(categories), np.float32))
    if right.all() or not right.any():
        return plain
    known = np.unique(categories)
    evidence = np.column_stack(
        [lead(scored.leaves, scored.scores), categories[said, None] == known]
    )
    judge = LogisticRegression(C=TRUST_PENALTY, max_iter=500)
    judge.fit(evidence, right, scored.traffic() * len(right))
    slope, *trust = judge.coef_[0].tolist()
    if slope <= 0:
        return plain
    of_category = np.array(trust) + judge.intercept_[0]
    return Confidence(
        scale, slope, of_category[np.searchsorted(known, categories)].astype(np.float32)
    )


def _calibrate_scale(scored: Scored) -> float:
    """The scale whose probabilities surprise least (log loss) on unseen messages."""
    rows = np.arange(len(scored.right))
    traffic = scored.traffic()

    def surprise(scale: float) -> float:
        given = chances(scored.scores, scale)[rows, scored.right]
        return -float(traffic @ np.log(np.maximum(given, 1e-12)))

    return min(SCALES, key=surprise)


def calibrate_threshold(scored: Scored, confidence: Confidence) -> float:
    """The certainty below which the least certain of unseen traffic lies.

    As much of it as WANTED_COVERAGE leaves to people, in the mix a hotline hears.
    """
    sure = scored.certainty(confidence)
    order = np.argsort(sure, kind="stable")
    below = np.cumsum(scored.traffic()[order]) <= 1 - WANTED_COVERAGE
    return round(float(sure[order][~below].min()), 3)


def _voices(example: Example) -> float:
    if not example.message:
        return 1.0
    return min(max(FEWEST_VOICES, len(example.text) / LETTERS_A_VOICE), MOST_VOICES)


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

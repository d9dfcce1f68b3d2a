"""A learned model as numbers: one matrix, what it says of a text, and how sure it is.

Scoring needs numpy and scipy's sparse product and nothing of what learned the numbers, so
that a service does not carry the training library in memory.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from services.classifier.ngrams import Columns, Counts, count
from services.classifier.parameters import A_GUESS, LETTER_FROM, OPENING_LETTERS, OPENING_SHARE

_CLAUSE = re.compile("[。!?;,\n]")

Floats = npt.NDArray[np.float32]
Scores = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Weights:
    """A fitted linear model: a score a leaf, and in the last column the score of danger."""

    leaves: tuple[str, ...]
    columns: Columns
    rarity: Floats
    matrix: Floats
    bias: Floats

    def score(self, texts: Sequence[str]) -> tuple[Scores, Scores]:
        """Scores of the leaves, a row a text, and each text's probability of danger.

        The opening of a letter is heard twice: in the whole, and by itself.
        """
        scores = self._of(texts)
        leaves = scores[:, :-1]
        letters = [place for place, text in enumerate(texts) if len(text) >= LETTER_FROM]
        if letters:
            openings = self._of([opening(texts[place]) for place in letters])
            leaves[letters] += OPENING_SHARE * openings[:, :-1]
        return leaves, likely(scores[:, -1])

    def _of(self, texts: Sequence[str]) -> Scores:
        features = weigh(count(texts, self.columns), self.rarity)
        return np.asarray(features @ self.matrix, np.float64) + self.bias


@dataclass(frozen=True)
class Confidence:
    """How scores become probabilities: `scale` for the leaves, the rest for the category.

    A category that leads by so much is right with the log-odds `slope` × lead + `trust`,
    the trust being that in the leaf that was chosen: all leaves of a category share it, and
    it makes of the one threshold a threshold of its own for each category.
    """

    scale: float
    slope: float
    trust: Floats

    def leads_wanted(self, leaves: Sequence[str], threshold: float) -> dict[str, float]:
        """How far each category must lead for its certainty to reach the threshold."""
        odds = float(np.log(threshold / (1 - threshold)))
        wanted = (odds - self.trust.astype(float)) / self.slope
        categories = [leaf.partition(".")[0] for leaf in leaves]
        return dict(zip(categories, wanted.round(3).tolist(), strict=True))

    def certainty(self, leaves: Sequence[str], scores: Scores) -> Scores:
        """How probably the category is right; zero where even the best leaf is but a guess.

        Two look-alike leaves of one category do not lower it: the unit may differ, the
        category stands.
        """
        guesses = chances(scores, self.scale).max(axis=1) < A_GUESS
        sure = likely(self.slope * lead(leaves, scores) + self.trust[scores.argmax(axis=1)])
        return np.where(guesses, 0.0, sure)


def opening(text: str) -> str:
    """The first clause of a normalised text that is more than a greeting; else the whole."""
    clauses = (clause for clause in _CLAUSE.split(text) if len(clause) >= OPENING_LETTERS)
    return next(clauses, text)


def weigh(counts: Counts, rarity: Floats) -> Counts:
    """Counts damped by their logarithm, times how rare each is, rows of length one.

    Changes `counts` in place and returns it.
    """
    counts.sum_duplicates()
    counts.data = (np.log(counts.data) + 1) * rarity[counts.indices]
    sizes = np.diff(counts.indptr)
    rows = np.repeat(np.arange(len(sizes)), sizes)
    squares = np.bincount(rows, np.square(counts.data, dtype=np.float64), len(sizes))
    counts.data /= np.sqrt(squares)[rows].astype(np.float32)
    return counts


def likely(score: Scores) -> Scores:
    """Log-odds as probabilities."""
    return np.asarray(1 / (1 + np.exp(-np.clip(score, -500, 500))))


def chances(scores: Scores, scale: float) -> Scores:
    """Scores as probabilities that add up to one a row."""
    powers = np.exp((scores - scores.max(axis=1, keepdims=True)) * scale)
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def lead(leaves: Sequence[str], scores: Scores) -> Scores:
    """How far the best leaf is ahead of the best leaf of any other category."""
    names = [leaf.partition(".")[0] for leaf in leaves]
    places = [[i for i, name in enumerate(names) if name == one] for one in sorted(set(names))]
    if len(places) < 2:
        return np.full(len(scores), np.inf)
    best = np.sort(np.column_stack([scores[:, at].max(axis=1) for at in places]), axis=1)
    return np.asarray(best[:, -1] - best[:, -2])

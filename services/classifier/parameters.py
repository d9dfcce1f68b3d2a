"""What the training is told: every figure here is part of a model's version."""

from typing import Final

SVM_PENALTY: Final = 0.5
BAYES_SMOOTHING: Final = 1.0
CATEGORY_SHARE: Final = 0.5
"""How much the machine that tells categories apart adds to each leaf's score."""
OPENING_SHARE: Final = 0.3
"""How much the first clause of a letter adds by itself: a letter says first what it wants."""
LETTER_FROM: Final = 100
"""From so many letters a message is told like a letter; a call tells its story in any order."""
OPENING_LETTERS: Final = 6
"""A first clause of fewer letters is a greeting; the next one opens the message."""
LEANING: Final = {"elderly": -0.2, "safety": 0.2}
"""What is added to the scores of a category: the corpus holds many more messages of elderly care
than a hotline hears, and a danger passed over costs more than a second look."""
LETTERS_A_VOICE: Final = 30
FEWEST_VOICES: Final = 0.5
MOST_VOICES: Final = 8.0
"""A message counts once for every so many letters, within these bounds: a long letter is
better evidence of how matters are told than a title is. Words always count once."""
DANGER_PENALTY: Final = 20.0
FOLDS: Final = 5
TRUST_PENALTY: Final = 1.0
SCALES: Final = (3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0)
TRAFFIC: Final = {"other": 0.35, "grid": 0.25, "property": 0.17, "safety": 0.14, "elderly": 0.09}
"""The mix of categories a hotline hears; the corpus has nearly as many of each."""
A_GUESS: Final = 0.35
"""Where no leaf is likelier than this, nothing is certain, not even the category."""
WANTED_COVERAGE: Final = 0.8
"""Abstain on the least certain, so that this share of traffic is decided."""
PARAMETERS: Final = (
    SVM_PENALTY,
    BAYES_SMOOTHING,
    CATEGORY_SHARE,
    OPENING_SHARE,
    LETTER_FROM,
    OPENING_LETTERS,
    tuple(LEANING.items()),
    LETTERS_A_VOICE,
    FEWEST_VOICES,
    MOST_VOICES,
    DANGER_PENALTY,
    FOLDS,
    TRUST_PENALTY,
    SCALES,
    tuple(TRAFFIC.items()),
    A_GUESS,
    WANTED_COVERAGE,
)

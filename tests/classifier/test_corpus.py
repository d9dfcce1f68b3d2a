import re
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from sklearn.feature_extraction.text import CountVectorizer

from services.classifier.corpus import (
    JURISDICTION,
    CorpusError,
    CorpusLine,
    read_corpus,
    read_history_csv,
    vocabulary_examples,
)
from shared.taxonomy import load_taxonomy

FEWEST = 60
ALL_TOGETHER = 5000
HARD = 800
ALIKE = 0.6
PHONE = re.compile(r"(?<!\d)(1[3-9]\d{9}|0\d{2,3}-?\d{7,8})(?!\d)")
ID_CARD = re.compile(r"(?<!\d)\d{17}[\dXx](?!\d)")


@pytest.fixture(scope="module")
def lines() -> tuple[CorpusLine, ...]:
    return read_corpus()


def test_every_leaf_has_messages_and_words(lines: tuple[CorpusLine, ...]) -> None:
    matters = load_taxonomy().keys() - {JURISDICTION}
    found = Counter(line.leaf for line in lines)
    assert {leaf: found[leaf] for leaf in matters if found[leaf] < FEWEST} == {}
    assert {example.leaf for example in vocabulary_examples()} == matters


def test_whose_district_it_is_is_learned_from_nothing(tmp_path: Path) -> None:
    history = tmp_path / "history.csv"
    history.write_text(
        "text,leaf\n河西的路灯,other.non_jurisdiction\n路灯坏了,grid.street_lighting\n"
    )
    assert [example.leaf for example in read_history_csv(history)] == ["grid.street_lighting"]


def test_the_corpus_is_large_and_looks_hard_at_boundaries(lines: tuple[CorpusLine, ...]) -> None:
    assert len(lines) >= ALL_TOGETHER
    assert sum(line.hard for line in lines) >= HARD


def test_no_line_holds_a_phone_or_identity_number(lines: tuple[CorpusLine, ...]) -> None:
    assert [x.text for x in lines if PHONE.search(x.text) or ID_CARD.search(x.text)] == []


def test_no_leaf_is_its_own_alternative(lines: tuple[CorpusLine, ...]) -> None:
    assert [line.text for line in lines if line.leaf in line.also] == []


def test_no_two_lines_are_nearly_the_same(lines: tuple[CorpusLine, ...]) -> None:
    """Near means: of all runs of four characters in either, 60 % are in both."""
    texts = [line.text for line in lines]
    runs = CountVectorizer(analyzer="char", ngram_range=(4, 4), binary=True, dtype=np.int32)
    table = runs.fit_transform(texts)
    sizes = np.asarray(table.sum(axis=1)).ravel()
    shared = (table @ table.T).tocoo()
    union = sizes[shared.row] + sizes[shared.col] - shared.data
    near = (shared.row < shared.col) & (shared.data >= ALIKE * union)
    pairs = zip(shared.row[near].tolist(), shared.col[near].tolist(), strict=True)
    assert [(texts[a], texts[b]) for a, b in pairs] == []


@pytest.mark.parametrize(
    "line",
    [
        "{",
        '{"text": "x", "leaf": "no.leaf", "priority": "P3", "also": [], "voice": "web"}',
        '{"text": "x", "leaf": "grid.greening", "priority": "P9", "also": [], "voice": "web"}',
        '{"text": "", "leaf": "grid.greening", "priority": "P3", "also": [], "voice": "web"}',
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, line: str) -> None:
    (tmp_path / "bad.jsonl").write_text(line + "\n", encoding="utf-8")
    with pytest.raises(CorpusError, match=r"bad\.jsonl line 1"):
        read_corpus(tmp_path)

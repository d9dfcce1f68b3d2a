import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from services.classifier.corpus import Example, corpus_examples, vocabulary_examples, write_history
from services.classifier.fitting import Scored, calibrate
from services.classifier.home import model_file
from services.classifier.model import (
    Model,
    ModelError,
    history_file,
    load_or_train,
    read_model,
    train,
    training_examples,
    version_of,
    write_model,
)
from shared.events import Category, Priority
from shared.taxonomy import load_taxonomy

HOSTILE = [
    "",
    " ",
    "😀🚒",
    "\x00\x01\x02",
    "\ud800",
    "漏" * 100_000,
    "The lift is broken",
    "الماء مقطوع",
    "لا" * 50_000,
    "1234567890",
    "'; DROP TABLE tickets; --",
    "。" * 20_000,
    "我" + "\u0301" * 20_000,
    "{{7*7}}${jndi:ldap://x}<script>",
    "\ufdfa" * 5_000,
    "👨‍👩‍👧‍👦" * 5_000,
    "\u202e漏水了\u202c",
    "０１２３ＡＢＣ㍿",
]


def arrays(model: Model) -> tuple[npt.NDArray[Any], ...]:
    """Everything a model has learned, as numbers."""
    weights = model.weights
    return weights.columns, weights.rarity, weights.matrix, weights.bias


@pytest.fixture(scope="module")
def small() -> tuple[Example, ...]:
    """Every fifth message: enough to train on, quick to train."""
    return (*corpus_examples()[::5], *vocabulary_examples())


def test_a_prediction_has_a_leaf_three_others_and_probabilities(model: Model) -> None:
    (prediction,) = model.predict(["路灯坏了好几天了，黑灯瞎火的"])
    assert prediction.leaf == "grid.street_lighting"
    assert len(prediction.alternatives) == 3
    chances = [prediction.probability, *(a.probability for a in prediction.alternatives)]
    assert chances == sorted(chances, reverse=True)
    assert sum(chances) <= 1.001
    assert {a.leaf for a in prediction.alternatives} <= set(load_taxonomy())


def test_one_by_one_and_together_are_the_same(model: Model) -> None:
    texts = ["垃圾没人清", "停水了", "", "物业费涨价"] * 200
    together = model.predict(texts)
    assert together[:4] == [model.predict([text])[0] for text in texts[:4]]
    assert together[4:8] == together[:4]


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_any_string_gets_a_prediction_at_once(model: Model, text: str) -> None:
    start = time.process_time()
    (prediction,) = model.predict([text])
    assert prediction.leaf in load_taxonomy()
    assert 0 <= prediction.probability <= 1
    assert time.process_time() - start < 0.5


def test_no_texts_no_predictions(model: Model) -> None:
    assert model.predict([]) == []


def test_the_same_corpus_trains_the_same_model(small: tuple[Example, ...]) -> None:
    texts = [example.text for example in small[:200]]
    first, second = train(small), train(small)
    assert first.version == second.version
    assert first.threshold == second.threshold
    assert first.predict(texts) == second.predict(texts)
    for one, other in zip(arrays(first), arrays(second), strict=True):
        assert one.tobytes() == other.tobytes()


def test_another_corpus_is_another_version(small: tuple[Example, ...]) -> None:
    assert version_of(small) != version_of(small[1:])
    changed = (Example(small[0].text, small[0].leaf, Priority.P0), *small[1:])
    assert version_of(small) != version_of(changed)


def test_a_stored_model_predicts_as_before(model: Model, tmp_path: Path) -> None:
    path = tmp_path / "model.npz"
    write_model(model, path)
    again = read_model(path)
    texts = ["楼上漏水", "没有路灯", "被骗了"]
    assert again.predict(texts) == model.predict(texts)
    assert (again.version, again.threshold) == (model.version, model.threshold)
    assert [p.name for p in tmp_path.iterdir()] == ["model.npz"]


def test_the_model_is_built_once_and_then_read(model: Model, model_home: Path) -> None:
    (stored,) = model_home.glob("model-*.npz")
    written = stored.stat().st_mtime_ns
    start = time.process_time()
    assert load_or_train(model_home).version == model.version
    assert time.process_time() - start < 3
    assert stored.stat().st_mtime_ns == written


def test_a_model_and_a_corpus_that_have_parted_are_noticed(
    model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, small: tuple[Example, ...]
) -> None:
    """A model of another corpus is never read: its name says what it learned from."""
    write_model(model, model_file(tmp_path, model.version))
    monkeypatch.setattr("services.classifier.model.training_examples", lambda home: small)
    built = load_or_train(tmp_path)
    assert built.version == version_of(small) != model.version
    assert model_file(tmp_path, built.version).exists()


def test_serving_does_not_load_the_training_library(model: Model, model_home: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from services.classifier.model import load_or_train;"
        "load_or_train(Path(sys.argv[1])).predict(['路灯不亮']); sys.exit('sklearn' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", script, model_home], check=False).returncode == 0


def test_a_damaged_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.npz"
    path.write_bytes(b"PK\x03\x04 not a model")
    with pytest.raises(ModelError):
        read_model(path)


def test_a_history_given_once_is_learned_by_every_later_model(tmp_path: Path) -> None:
    kept = Example("一条历史工单", "grid.greening", Priority.P3)
    write_history([kept], history_file(tmp_path))
    assert kept in training_examples(tmp_path)
    assert version_of(training_examples(tmp_path)) != version_of(training_examples(tmp_path / "x"))


def test_the_certainty_of_a_category_grows_with_its_lead(model: Model) -> None:
    """By a measure of its own for each category: some are right less often than they seem."""
    confidence, leaves = model.confidence, model.weights.leaves
    wanted = confidence.leads_wanted(leaves, model.threshold)
    assert set(wanted) == set(Category)
    assert len(set(wanted.values())) > 1
    for place, leaf in enumerate(leaves):
        lead = wanted[leaf.partition(".")[0]]
        scores = np.full((2, len(leaves)), -5.0)
        scores[0, place] = lead + 0.01 - 5.0
        scores[1, place] = lead - 0.01 - 5.0
        above, below = confidence.certainty(leaves, scores)
        assert below < model.threshold
        assert above == 0.0 or above >= model.threshold


def test_a_category_that_is_often_wrong_must_lead_by_more() -> None:
    """All that are said to be `grid` are; of those said to be `other` only the clearer half."""
    leaves = ("elderly.allowance", "grid.greening", "other.consult_policy")
    said = [1] * 100 + [2] * 100
    right = [1] * 100 + [0] * 50 + [2] * 50
    scores = np.zeros((200, 3))
    scores[range(200), said] = np.tile(np.linspace(0.1, 2.0, 100), 2)
    confidence = calibrate(Scored(leaves, scores, np.zeros(200), np.array(right)))
    wanted = confidence.leads_wanted(leaves, 0.8)
    assert confidence.slope > 0
    assert wanted["grid"] < wanted["other"]


def test_a_batch_keeps_up_with_a_storm(model: Model) -> None:
    """Ten thousand texts take a second of a quiet core; of a busy one, up to four."""
    texts = ["某小区三号楼楼道灯坏了一个多月，物业说没钱换，晚上老人上下楼都摸黑，" * 5] * 2000
    start = time.process_time()
    model.predict(texts)
    assert time.process_time() - start < 0.8

"""Short calls of every danger, and their look-alikes, through rules and model together."""

import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from services.classifier.classify import classify_many
from services.classifier.corpus import read_corpus
from services.classifier.model import Model
from shared.events import is_emergency

CALLS: Mapping[str, Mapping[str, Sequence[str]]] = tomllib.loads(
    Path(__file__).with_name("danger_calls.toml").read_text(encoding="utf-8")
)
FEWEST = 150
MOST_FALSE_ALARMS = 0.10


LATER: Mapping[str, Mapping[str, Sequence[str]]] = tomllib.loads(
    Path(__file__).with_name("danger_calls_later.toml").read_text(encoding="utf-8")
)
LATER_HEARD = 0.93
LATER_FALSE_ALARMS = 0.15
"""No worse than when the calls were last counted; the README has the figures of both halves."""

LETTERS: Mapping[str, Mapping[str, Sequence[str]]] = tomllib.loads(
    Path(__file__).with_name("danger_letters.toml").read_text(encoding="utf-8")
)
LETTERS_HEARD = 0.55
LETTERS_FALSE_ALARMS = 0.06
"""As when they were first counted: letters that hide a danger are heard far less than calls."""


def all_calls(part: str, calls: Mapping[str, Mapping[str, Sequence[str]]] = CALLS) -> list[str]:
    return [call for kind in calls[part].values() for call in kind]


def alarming(model: Model, calls: Sequence[str]) -> list[str]:
    """The calls that are given P0 or P1."""
    verdicts = classify_many(model, [(None, call) for call in calls])
    return [
        call
        for call, verdict in zip(calls, verdicts, strict=True)
        if is_emergency(verdict.priority)
    ]


@pytest.mark.parametrize("kind", CALLS["danger"])
def test_every_call_of_danger_is_heard(model: Model, kind: str) -> None:
    calls = CALLS["danger"][kind]
    assert set(calls) - set(alarming(model, calls)) == set()


def test_few_look_alikes_raise_an_alarm(model: Model) -> None:
    calls = all_calls("calm")
    assert len(alarming(model, calls)) <= MOST_FALSE_ALARMS * len(calls)


def test_calls_that_were_written_later_are_heard_and_their_look_alikes_doubted(
    model: Model,
) -> None:
    danger, calm = all_calls("danger", LATER), all_calls("calm", LATER)
    assert len(alarming(model, danger)) >= LATER_HEARD * len(danger)
    assert len(alarming(model, calm)) <= LATER_FALSE_ALARMS * len(calm)


def test_letters_that_hide_a_danger_are_heard_as_often_as_when_they_were_counted(
    model: Model,
) -> None:
    danger, calm = all_calls("danger", LETTERS), all_calls("calm", LETTERS)
    assert len(alarming(model, danger)) >= LETTERS_HEARD * len(danger)
    assert len(alarming(model, calm)) <= LETTERS_FALSE_ALARMS * len(calm)


def test_the_calls_are_many_and_the_model_never_saw_them() -> None:
    assert min(len(set(all_calls(part))) for part in CALLS) >= FEWEST
    learned = {line.text for line in read_corpus()}
    every = [
        call
        for calls in (CALLS, LATER, LETTERS)
        for part in calls
        for call in all_calls(part, calls)
    ]
    assert [call for call in every if call in learned] == []


def test_a_few_words_added_later_are_no_danger_unless_a_rule_knows_them(model: Model) -> None:
    assert alarming(model, ["我刚才打过电话了", "快点吧", "电话没人接", "又来了"]) == []
    assert alarming(model, ["救命啊", "着火了"]) == ["救命啊", "着火了"]

import time
from pathlib import Path

import pytest

from services.classifier.rules import (
    RULES_FILE,
    Rule,
    RulesError,
    dangers_in,
    find_dangers,
    load_rules,
)
from shared.dangers import load_dangers
from shared.events import Priority
from shared.taxonomy import load_taxonomy

RULES = load_rules().rules


def _ids(text: str) -> set[str]:
    return {finding.rule.id for finding in dangers_in(text)}


@pytest.mark.parametrize(
    ("rule", "text"),
    [(rule, text) for rule in RULES for text in rule.fires],
    ids=lambda value: value.id if isinstance(value, Rule) else value,
)
def test_every_example_of_danger_fires_its_rule(rule: Rule, text: str) -> None:
    assert rule.id in _ids(text)


@pytest.mark.parametrize(
    ("rule", "text"),
    [(rule, text) for rule in RULES for text in rule.silent],
    ids=lambda value: value.id if isinstance(value, Rule) else value,
)
def test_no_harmless_example_fires_its_rule(rule: Rule, text: str) -> None:
    assert rule.id not in _ids(text)


def test_every_raised_priority_of_the_taxonomy_has_a_rule() -> None:
    """The leaves whose `priority_raised` names P0, P1 or P2 can reach it by a rule."""
    for leaf in load_taxonomy().values():
        if leaf.priority_raised:
            wanted = min(Priority(p) for p in Priority if p.value in leaf.priority_raised)
            assert any(
                rule.priority <= wanted and leaf.slug in (*rule.for_leaves, rule.leaf)
                for rule in RULES
            ) or leaf.slug in {"elderly.visit_rescue"}, leaf.slug


@pytest.mark.parametrize(
    "text",
    [
        "没有煤气味",
        "去年着过火",
        "咨询燃气开户",
        "担心电梯坠落",
        "希望防止火灾",
        "社区消防演练通知，着火了怎么逃生",
        "新闻里说有人持刀伤人",
        "请问老年证怎么办",
    ],
)
def test_talk_about_danger_is_no_danger(text: str) -> None:
    assert not [f for f in dangers_in(text) if f.rule.priority <= Priority.P1]


def test_a_guard_in_one_sentence_does_not_silence_the_next() -> None:
    assert "gas_smell" in _ids("去年就反映过。楼道里一股煤气味！")
    assert "gas_smell" in _ids("没有人管，楼道里煤气味越来越大")


def test_the_most_urgent_finding_comes_first() -> None:
    found = dangers_in("井盖没了，旁边楼着火了")
    assert [finding.rule.priority for finding in found] == sorted(
        finding.rule.priority for finding in found
    )
    assert found[0].rule.priority is Priority.P0


def test_a_rule_for_leaves_concerns_only_those() -> None:
    text = "工地半夜十二点还在打桩"
    assert dangers_in(text, "grid.env_nuisance")
    assert not dangers_in(text, "other.consult_policy")


@pytest.mark.parametrize("unit", ["煤气", "水", "老人", "电梯，", "着火了。", "没有", "怕", "a"])
def test_a_long_text_is_read_quickly(unit: str) -> None:
    start = time.process_time()
    find_dangers(load_rules(), unit * (8000 // len(unit)))
    assert time.process_time() - start < 1.0


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('id = "gas_leak"', 'id = "gas_smell"'),
        ('leaf = "safety.gas_leak"', 'leaf = "safety.nothing"'),
        ('guards = ["negated", "past"', 'guards = ["nobody", "past"'),
        ('priority = "P0"', 'priority = "P9"'),
        ("煤气/燃气/天然气/液化气 … 味", "煤气 .. 味"),
        ("[[rule]]", "[[rule"),
    ],
)
def test_a_table_that_contradicts_itself_is_refused(tmp_path: Path, old: str, new: str) -> None:
    broken = tmp_path / "rules.toml"
    broken.write_text(RULES_FILE.read_text(encoding="utf-8").replace(old, new, 1), encoding="utf-8")
    with pytest.raises(RulesError):
        load_rules(broken)


def test_every_kind_of_danger_has_words_of_its_own() -> None:
    assert {rule.danger for rule in load_rules().rules} - {None} == set(load_dangers())

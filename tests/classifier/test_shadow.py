"""A shadow model judges live tickets beside the one in use, and nobody else notices."""

import pytest
from prometheus_client import REGISTRY

from services.classifier import shadow as shadowing
from services.classifier.home import model_file
from shared.events import Priority
from tests.classifier.bench import LAMP, VAGUE, amended, new_number, taken
from tests.classifier.live_bench import GREEN, LIGHT, Live

SMELL = "楼道里有煤气味"
TREE = "小区门口绿化带的树枯死了没人管"


@pytest.fixture
def shadowed(live: Live) -> Live:
    """The second model is the shadow."""
    assert live.run("models", "shadow", live.second.version).exit_code == 0
    return live


def beside(live: Live) -> list[tuple[str, str, int, str, str]]:
    """What the shadow has said: model, number, version, leaf, priority."""
    query = """
        SELECT model, number, ticket_version, leaf, priority FROM shadow_verdict ORDER BY number
    """
    return [tuple(row) for row in live.bench.rows(query)]


def skipped() -> float:
    return REGISTRY.get_sample_value("hotline_shadow_skipped_total") or 0.0


def test_the_shadow_judges_the_same_tickets_and_only_the_database_hears_of_it(
    shadowed: Live,
) -> None:
    number = new_number()
    shadowed.bench.hear(taken(number, LAMP))
    ((type_, said),) = shadowed.bench.said(number)
    assert (type_, said.leaf, said.model_version) == ("classified", LIGHT, shadowed.first.version)
    assert beside(shadowed) == []
    shadowed.settle()
    assert beside(shadowed) == [(shadowed.second.version, number, 1, GREEN, "P3")]
    assert len(shadowed.bench.said(number)) == 1


def test_without_a_shadow_nothing_is_judged_twice(live: Live) -> None:
    live.bench.hear(taken(new_number(), LAMP))
    live.settle()
    assert beside(live) == []


def test_only_the_newest_version_of_a_ticket_is_kept(shadowed: Live) -> None:
    number = new_number()
    shadowed.bench.hear(taken(number, VAGUE), amended(number, VAGUE, LAMP))
    shadowed.bench.hear(taken(number, VAGUE))
    shadowed.settle()
    ((_, _, version, leaf, _),) = beside(shadowed)
    assert (version, leaf) == (2, GREEN)


def test_a_ticket_a_person_has_judged_is_left_alone(shadowed: Live) -> None:
    number = new_number()
    shadowed.bench.hear(taken(number, LAMP))
    shadowed.bench.post(f"/reviews/{number}", {"leaf": LIGHT})
    shadowed.bench.hear(amended(number, LAMP, "再说一遍"))
    shadowed.settle()
    ((_, _, version, _, _),) = beside(shadowed)
    assert version == 1


def test_a_shadow_that_falls_behind_leaves_tickets_out_and_never_delays(shadowed: Live) -> None:
    before = skipped()
    for _ in range(shadowing.WAITING_BATCHES + 2):
        shadowed.bench.hear(taken(new_number(), LAMP), taken(new_number(), SMELL))
    assert skipped() - before == 4
    shadowed.settle()
    assert len(beside(shadowed)) == 2 * shadowing.WAITING_BATCHES


def test_a_shadow_that_cannot_be_read_changes_nothing_but_a_metric(shadowed: Live) -> None:
    shadowed.run("models", "shadow", "--off")
    shadowed.settle()
    shadowed.run("models", "shadow", shadowed.second.version)
    model_file(shadowed.home, shadowed.second.version).write_bytes(b"PK\x03\x04")
    before = skipped()
    number = new_number()
    shadowed.bench.hear(taken(number, LAMP))
    shadowed.settle()
    assert shadowed.bench.said(number)[0][1].leaf == LIGHT
    assert beside(shadowed) == []
    assert skipped() - before == 1
    gauge = REGISTRY.get_sample_value("hotline_model_unavailable", {"role": "shadow"})
    assert gauge == 1


def test_a_shadow_that_is_promoted_is_the_shadow_no_more(shadowed: Live) -> None:
    result = shadowed.run("models", "promote", shadowed.second.version)
    assert result.stdout == f"现用 {shadowed.second.version}，影子 无\n"
    shadowed.run("models", "shadow", shadowed.first.version)
    shadowed.bench.hear(taken(new_number(), LAMP))
    shadowed.settle()
    ((model, _, _, leaf, _),) = beside(shadowed)
    assert (model, leaf) == (shadowed.first.version, LIGHT)


def test_comparing_tells_who_agrees_where_and_whom_people_side_with(shadowed: Live) -> None:
    lamps = [new_number() for _ in range(3)]
    shadowed.bench.hear(
        *(taken(number, LAMP) for number in lamps),
        taken(new_number(), TREE),
        taken(new_number(), SMELL),
    )
    shadowed.settle()
    shadowed.bench.post(f"/reviews/{lamps[0]}", {"leaf": GREEN})
    shadowed.bench.post(f"/reviews/{lamps[0]}", {"leaf": LIGHT})
    result = shadowed.run("models", "compare")
    assert result.exit_code == 0, result.output
    page = result.stdout
    assert f"现用 {shadowed.first.version}，影子 {shadowed.second.version}：5 件" in page
    assert "一致    事项 40.0%，类别 100.0%，优先级 100.0%" in page
    assert "影子 0.0%" in page
    assert "人工    1 件有人工判定：现用对 100.0%，影子对 0.0%" in page
    assert "grid      100.0%  4/4" in page
    assert "0.0%  0/3  路灯" in page
    assert "3  路灯" in page


def test_comparing_counts_only_what_the_model_now_in_use_has_judged(shadowed: Live) -> None:
    shadowed.bench.hear(taken(new_number(), LAMP))
    shadowed.settle()
    shadowed.run("models", "promote", shadowed.second.version)
    shadowed.run("models", "shadow", shadowed.first.version)
    result = shadowed.run("models", "compare")
    assert (result.exit_code, "还没有" in result.stdout) == (0, True)


def test_what_the_model_guessed_outlives_a_persons_answer(live: Live) -> None:
    number = new_number()
    live.bench.hear(taken(number, LAMP))
    query = """
        SELECT guess_leaf, guess_priority, guess_abstained, guess_model, guess_probability, guess_at
        FROM verdict WHERE number = :n
    """
    before = live.bench.rows(query, n=number)
    live.bench.post(f"/reviews/{number}", {"leaf": "safety.gas_leak"})
    live.bench.hear(amended(number, LAMP, "再说一遍"))
    assert live.bench.rows(query, n=number) == before
    ((leaf, priority, _, model, _, _),) = before
    assert (leaf, priority, model) == (LIGHT, Priority.P3, live.first.version)

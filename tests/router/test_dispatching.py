"""From a classified ticket to a routing: what is looked at, and what holds for the case."""

from dataclasses import replace
from datetime import date, datetime

import pytest

from services.router.domain.routing import (
    Rules,
    category_of,
    matter_of,
    route,
    terms_for,
    valid_units,
)
from services.router.policy.loading import POLICY_DIRECTORY, load_policy
from shared.calendar import SHANGHAI, load_calendar, parse_limit
from shared.events import (
    Category,
    Certainty,
    ClockKind,
    Demand,
    Disposition,
    Location,
    Place,
    Priority,
    Regime,
    WhistleKind,
)
from shared.taxonomy import load_taxonomy
from tests.router.station import LAMP, STALLS, TRAPPED, Json, classified, new_number

RULES = Rules(load_policy(POLICY_DIRECTORY), load_calendar())
MONDAY = datetime(2026, 11, 23, 10, 0, tzinfo=SHANGHAI)


def test_a_title_may_name_the_place() -> None:
    said = classified(new_number(), title="迎水里路灯", text="一直不亮", address=None)
    routing = route(RULES.policy, matter_of(said), MONDAY)
    assert routing.place.street == "wangdingdi"


def test_a_matter_is_what_the_classification_says_of_the_ticket() -> None:
    point = Location(lat=39.1, lon=117.1)
    said = classified(
        new_number(), location=point, accused_unit="power", priority=Priority.P1, abstained=True
    )
    matter = matter_of(said)
    assert (matter.location, matter.accused_unit, matter.priority) == (point, "power", Priority.P1)
    assert matter.abstained
    assert matter.leaf == LAMP


@pytest.mark.parametrize(
    ("fields", "lead", "desk", "assist"),
    [
        ({}, "urban-management", None, ("power", "wangdingdi")),
        ({"address": None}, None, "hotline-office", ()),
        ({"leaf": TRAPPED}, "lift-rescue", None, ("market", "fire", "wangdingdi")),
    ],
)
def test_a_lead_is_called_or_a_desk_decides_never_both(
    fields: Json, lead: str | None, desk: str | None, assist: tuple[str, ...]
) -> None:
    said = classified(new_number(), **fields)
    routing = route(RULES.policy, matter_of(said), MONDAY)
    assert (routing.lead_unit, routing.desk, routing.assist_units) == (lead, desk, assist)


@pytest.mark.parametrize("leaf", load_taxonomy())
@pytest.mark.parametrize("priority", Priority)
def test_every_leaf_is_routed_to_somebody_with_reasons(leaf: str, priority: Priority) -> None:
    said = classified(new_number(), leaf, priority=priority)
    routing = route(RULES.policy, matter_of(said), MONDAY)
    assert (routing.lead_unit is None) != (routing.desk is None)
    assert routing.reasons
    assert routing.category is category_of(leaf)
    if routing.disposition is Disposition.DISPATCH:
        assert routing.place.certainty is Certainty.EXACT


COLLECTIVE = (
    "我们大园新居8号楼二十多户，外墙裂缝、屋里返潮，从23年反映到现在，物业看了就走，"
    "再不解决我们就一块儿去区里。"
)
GAS = "我们禧顺花园3号楼楼道里一股子煤气味儿，越来越冲，我妈都头疼了，你们快来人呐！"
ABUSE = "你们一帮废物！电话打八遍了！@#￥…楼上漏水漏我一屋子你们管过吗！"


@pytest.mark.parametrize(
    ("text", "leaf", "priority", "flags", "whistle"),
    [
        (GAS, "safety.gas_leak", Priority.P0, set(), WhistleKind.EMERGENCY),
        (
            COLLECTIVE,
            "property.common_facility_repair",
            Priority.P3,
            {"collective", "longstanding"},
            WhistleKind.KEY_TASK,
        ),
        (ABUSE, "grid.dispute_mediation", Priority.P3, {"repeat"}, None),
        ("迎水里门口烧烤摊", STALLS, Priority.P3, set(), WhistleKind.JOINT_ENFORCEMENT),
        ("迎水里路灯坏了", LAMP, Priority.P3, set(), None),
        (
            "迎水里业委会不开会，反映多次",
            "property.owners_committee",
            Priority.P3,
            {"repeat"},
            WhistleKind.PUBLIC_DEMAND,
        ),
        ("和平区南京路煤气味", "safety.gas_leak", Priority.P0, set(), None),
        ("宾水西道393号烧烤摊", STALLS, Priority.P3, set(), None),
    ],
)
def test_words_flag_a_ticket_and_a_whistle_is_suggested(
    text: str, leaf: str, priority: Priority, flags: set[str], whistle: WhistleKind | None
) -> None:
    said = classified(new_number(), leaf, text=text, address=None, priority=priority)
    routing = route(RULES.policy, matter_of(said), MONDAY)
    assert routing.flags == flags
    assert routing.suggested_whistle is whistle
    assert ("哨" in routing.reasons[-1]) == (whistle is not None)


def test_the_reasons_quote_the_words_that_flag() -> None:
    said = classified(new_number(), text=ABUSE)
    routing = route(RULES.policy, matter_of(said), MONDAY)
    assert "“打八遍”：此前已反映过" in routing.reasons


MEAL = Demand(leaf="elderly.meal_service", text="再一个我们那个老人食堂关门了")
LOCK = Demand(leaf="safety.fire_hazard", text="消防通道让人装了地锁")


@pytest.mark.parametrize(
    ("demands", "split"),
    [((LOCK, MEAL), True), ((LOCK, LOCK), False), ((LOCK,), False), ((), False)],
)
def test_demands_about_different_matters_are_proposed_to_be_split(
    demands: tuple[Demand, ...], split: bool
) -> None:
    said = classified(new_number(), demands=demands)
    routing = route(RULES.policy, matter_of(said), MONDAY)
    assert routing.demands == (demands if split else ())
    assert ("split_proposed" in routing.flags) is split
    why = "一次来电有2项诉求（消防隐患、老人家食堂与助餐），建议分单"
    assert (why in routing.reasons) is split


PARENTS = Place(
    district="南开区",
    street="wangdingdi",
    certainty=Certainty.STREET,
    reasons=("“迎水里”属王顶堤街道",),
)


@pytest.mark.parametrize(
    ("text", "fallback", "street", "used"),
    [
        ("老人食堂关门了", PARENTS, "wangdingdi", True),
        ("老人食堂关门了", None, None, False),
        ("风荷园老人食堂关门了", PARENTS, "wanxing", False),
        ("和平区南京路食堂关门了", PARENTS, None, False),
        ("鸿福里3号楼食堂关门了", PARENTS, None, False),
    ],
)
def test_only_words_without_a_place_use_that_of_the_parent(
    text: str, fallback: Place | None, street: str | None, used: bool
) -> None:
    said = classified(new_number(), "elderly.meal_service", text=text, address=None)
    routing = route(RULES.policy, matter_of(said, fallback), MONDAY)
    assert routing.place.street == street
    assert ("沿用主单地点" in routing.reasons) is used


def test_the_terms_of_a_case_follow_the_regime_of_its_place() -> None:
    leaf = "property.common_facility_repair"
    general, *_ = (row for row in RULES.policy.responsibility[leaf] if row.regime is None)
    quick = replace(
        general,
        regime=Regime.OLD_BUILDING,
        limits=((ClockKind.RESOLVE, parse_limit("1wd")),),
    )
    table = {**RULES.policy.responsibility, leaf: (quick, general)}
    rules = replace(RULES, policy=replace(RULES.policy, responsibility=table))
    plain = dict(terms_for(rules, leaf, Priority.P3, MONDAY).limits)
    old = dict(terms_for(rules, leaf, Priority.P3, MONDAY, Regime.OLD_BUILDING).limits)
    assert str(plain[ClockKind.RESOLVE]) == "15cd"
    assert str(old[ClockKind.RESOLVE]) == "1wd"


def test_the_terms_of_a_case_are_those_of_its_leaf_and_priority() -> None:
    calm = dict(terms_for(RULES, LAMP, Priority.P3, MONDAY).limits)
    urgent = dict(terms_for(RULES, LAMP, Priority.P1, MONDAY).limits)
    assert str(calm[ClockKind.ACCEPT]) == "1wd"
    assert str(urgent[ClockKind.ACCEPT]) == "15min"
    assert calm[ClockKind.RESOLVE] == urgent[ClockKind.RESOLVE]
    terms = terms_for(RULES, LAMP, Priority.P3, MONDAY)
    assert terms.policy_version == RULES.policy.version
    assert terms.units == valid_units(RULES.policy, date(2026, 11, 23))


def test_a_leaf_the_taxonomy_does_not_have_is_an_error() -> None:
    with pytest.raises(KeyError):
        category_of("grid.no_such_thing")
    assert category_of("elderly.home_care") is Category.ELDERLY

"""Who takes a ticket: the worked scenarios, the rules one by one, and what always holds."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import MappingProxyType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.router.domain.places.evidence import UNREGISTERED
from services.router.domain.places.resolver import NOTHING_SAID, resolve
from services.router.domain.policy import PolicyError
from services.router.domain.responsibility import Routing, decide
from services.router.policy.loading import POLICY_DIRECTORY, load_policy
from shared.events import (
    CalendarName,
    Certainty,
    ClockKind,
    Disposition,
    Place,
    Priority,
    Regime,
    is_emergency,
)
from shared.taxonomy import load_taxonomy

POLICY = load_policy(POLICY_DIRECTORY)
LEAVES = tuple(load_taxonomy())
AT = datetime(2026, 11, 23, 2, 0, tzinfo=UTC)

DISPATCH, MANUAL = Disposition.DISPATCH, Disposition.MANUAL_DISPATCH
WAIT, REDIRECT = Disposition.AWAITING_INFO, Disposition.REDIRECT_OUT
TRANSFER = Disposition.TRANSFER_EMERGENCY

HERE = Place(
    district="南开区",
    street="wanxing",
    community="120104005015",
    certainty=Certainty.EXACT,
    reasons=("“风荷园”属万兴街道",),
)
STEM = Place(district="南开区", street="wangdingdi", certainty=Certainty.AMBIGUOUS, reasons=("问",))
NOWHERE = Place(certainty=Certainty.UNKNOWN, reasons=(NOTHING_SAID,))
EITHER = Place(district="南开区", certainty=Certainty.AMBIGUOUS, reasons=("两条街道",))
NAMED = Place(certainty=Certainty.UNKNOWN, reasons=(f"{UNREGISTERED}“鸿福里”",))
ELSEWHERE = Place(district="河东区", certainty=Certainty.OUTSIDE, reasons=("属河东区",))
MOVED = Place(district="西青区", certainty=Certainty.TRANSFERRED, reasons=("2021年划出",))
OWNED = HERE.model_copy(
    update={"point": "甲点", "facility_owner": "power", "regime": Regime.OLD_BUILDING}
)
PLACES = (HERE, OWNED, STEM, NOWHERE, EITHER, NAMED, ELSEWHERE, MOVED)


def route(
    leaf: str,
    priority: Priority = Priority.P3,
    place: Place = HERE,
    *,
    accused: str | None = None,
    abstained: bool = False,
    call: tuple[str, ...] = (),
    by_person: bool = False,
) -> Routing:
    return decide(
        POLICY,
        leaf=leaf,
        priority=priority,
        place=place,
        accused_unit=accused,
        abstained=abstained,
        at=AT,
        call=call,
        by_person=by_person,
    )


def accept(routing: Routing) -> tuple[str, CalendarName] | None:
    limit = dict(routing.limits).get(ClockKind.ACCEPT)
    return (str(limit), limit.calendar) if limit else None


SCENARIOS = [
    (
        "S01",
        "喂8890吗，我们禧顺花园3号楼楼道里一股子煤气味儿，越来越冲，我妈都头疼了！",
        ("safety.gas_leak", Priority.P0),
        (TRANSFER, "jialingdao", "gas-heat"),
    ),
    (
        "S02",
        "闺女，我搁电梯里头关着呢，按铃没人搭理……时代奥城，哪号楼？忘了，就挨着那个幼儿园。",
        ("safety.elevator_trapped", Priority.P0),
        (TRANSFER, "tiyu-zhongxin", "lift-rescue"),
    ),
    (
        "S03",
        "我们鸿福里是老楼区，以前门口还有个看门的，这俩月人没了，5号楼6号楼当间儿垃圾堆老高。",
        ("property.old_building_mgmt", Priority.P3),
        (MANUAL, None, "grid-centre"),
    ),
    (
        "S04",
        "我们燕宇花园，房本上写的南开区，门口污水冒了俩礼拜了，南开说不归他，西青说没接手",
        ("grid.drainage_flooding", Priority.P3),
        (MANUAL, None, "grid-centre"),
    ),
    (
        "S05",
        "宾水西道393号门口晚上全是烧烤摊，烟熏火燎的，你们南开管管。",
        ("grid.street_order", Priority.P3),
        (REDIRECT, None, "city-hotline"),
    ),
    (
        "S06",
        "路灯坏了好几天了，黑灯瞎火的，老太太都摔一跤了，赶紧给修！",
        ("grid.street_lighting", Priority.P3),
        (WAIT, None, "hotline-office"),
    ),
    (
        "S07",
        "我们保山南里消防通道让人装了地锁，消防车进不来",
        ("safety.fire_hazard", Priority.P1),
        (DISPATCH, "wangdingdi", "fire"),
    ),
    (
        "S08",
        "风荷园门口马路牙子边上一个井盖碎了，物业说是市政的，市政说是通信的，推来推去",
        ("grid.road_facility", Priority.P1),
        (DISPATCH, "wanxing", "urban-management"),
    ),
    (
        "S09",
        "我们大园新居8号楼二十多户，外墙裂缝、屋里返潮，从23年反映到现在",
        ("property.common_facility_repair", Priority.P3),
        (DISPATCH, "xiangyanglu", "housing"),
    ),
    (
        "S10",
        "你们一帮废物！电话打八遍了！@#￥…楼上漏水漏我一屋子你们管过吗！",
        ("grid.dispute_mediation", Priority.P3),
        (WAIT, None, "hotline-office"),
    ),
    (
        "S11",
        "（无声）……（无声）",
        ("other.invalid_abusive", Priority.P5),
        (MANUAL, None, "hotline-office"),
    ),
    (
        "S12",
        "向阳楼街道这边儿，小区停水一天了！",
        ("other.water_supply", Priority.P2),
        (REDIRECT, None, "city-hotline"),
    ),
]


@pytest.mark.parametrize(
    ("text", "classified", "expected"),
    [scenario[1:] for scenario in SCENARIOS],
    ids=[scenario[0] for scenario in SCENARIOS],
)
def test_a_worked_scenario(
    text: str,
    classified: tuple[str, Priority],
    expected: tuple[Disposition, str | None, str],
) -> None:
    place = resolve(POLICY.gazetteer, text)
    routing = route(classified[0], classified[1], place)
    assert (routing.disposition, place.street, routing.lead_unit) == expected


def test_gas_calls_the_fire_brigade_and_the_street_beside_the_lead() -> None:
    routing = route("safety.gas_leak", Priority.P0)
    assert routing.lead_unit == "gas-heat"
    assert {"fire", "police", "urban-management", "emergency", "wanxing"} == set(
        routing.assist_units
    )
    assert accept(routing) == ("15min", CalendarName.ALWAYS)


RULES = [
    ("grid.street_order", Priority.P0, NOWHERE, TRANSFER, "grid-centre"),
    ("safety.gas_leak", Priority.P0, NOWHERE, TRANSFER, "gas-heat"),
    ("safety.gas_leak", Priority.P0, NAMED, TRANSFER, "gas-heat"),
    ("safety.gas_leak", Priority.P0, ELSEWHERE, TRANSFER, "city-hotline"),
    ("safety.gas_leak", Priority.P0, MOVED, TRANSFER, "gas-heat"),
    ("other.invalid_abusive", Priority.P0, NOWHERE, TRANSFER, "hotline-office"),
    ("other.non_jurisdiction", Priority.P0, NOWHERE, TRANSFER, "city-hotline"),
    ("grid.road_facility", Priority.P1, NOWHERE, DISPATCH, "urban-management"),
    ("grid.road_facility", Priority.P1, NAMED, DISPATCH, "urban-management"),
    ("grid.road_facility", Priority.P1, EITHER, DISPATCH, "urban-management"),
    ("elderly.visit_rescue", Priority.P1, NOWHERE, MANUAL, "grid-centre"),
    ("elderly.visit_rescue", Priority.P1, STEM, DISPATCH, "wangdingdi"),
    ("grid.road_facility", Priority.P1, ELSEWHERE, TRANSFER, "city-hotline"),
    ("grid.road_facility", Priority.P1, MOVED, MANUAL, "grid-centre"),
    ("other.non_jurisdiction", Priority.P1, NOWHERE, MANUAL, "grid-centre"),
    ("grid.street_lighting", Priority.P3, NOWHERE, WAIT, "hotline-office"),
    ("grid.street_lighting", Priority.P3, EITHER, WAIT, "hotline-office"),
    ("grid.street_lighting", Priority.P3, NAMED, MANUAL, "grid-centre"),
    ("grid.street_order", Priority.P3, STEM, DISPATCH, "wangdingdi"),
    ("grid.street_order", Priority.P3, HERE, DISPATCH, "wanxing"),
    ("grid.street_order", Priority.P3, ELSEWHERE, REDIRECT, "city-hotline"),
    ("grid.street_order", Priority.P3, MOVED, MANUAL, "grid-centre"),
    ("other.consult_policy", Priority.P4, NOWHERE, DISPATCH, "hotline-office"),
    ("other.consult_policy", Priority.P4, NAMED, DISPATCH, "hotline-office"),
    ("other.suggestion_praise", Priority.P4, NOWHERE, DISPATCH, "hotline-office"),
    ("other.social_security_employment", Priority.P3, NOWHERE, DISPATCH, "human-resources"),
    ("other.staff_conduct", Priority.P3, NOWHERE, DISPATCH, "discipline"),
    ("other.non_jurisdiction", Priority.P3, HERE, MANUAL, "grid-centre"),
    ("other.non_jurisdiction", Priority.P3, NOWHERE, MANUAL, "grid-centre"),
    ("other.non_jurisdiction", Priority.P3, ELSEWHERE, REDIRECT, "city-hotline"),
    ("other.invalid_abusive", Priority.P5, HERE, MANUAL, "hotline-office"),
]


@pytest.mark.parametrize(("leaf", "priority", "place", "disposition", "lead"), RULES)
def test_a_rule(
    leaf: str, priority: Priority, place: Place, disposition: Disposition, lead: str
) -> None:
    routing = route(leaf, priority, place)
    assert (routing.disposition, routing.lead_unit) == (disposition, lead)


@pytest.mark.parametrize(
    ("leaf", "priority", "place", "within", "calendar"),
    [
        ("grid.road_facility", Priority.P1, HERE, "15min", CalendarName.ALWAYS),
        ("grid.road_facility", Priority.P3, HERE, "1wd", CalendarName.WORKING),
        ("other.water_supply", Priority.P2, HERE, "30min", CalendarName.ALWAYS),
        ("other.water_supply", Priority.P1, HERE, "15min", CalendarName.ALWAYS),
        ("safety.gas_leak", Priority.P2, HERE, "30min", CalendarName.ALWAYS),
        ("safety.fire_hazard", Priority.P2, HERE, "15min", CalendarName.ALWAYS),
        ("grid.street_order", Priority.P3, ELSEWHERE, "30min", CalendarName.ALWAYS),
        ("other.non_jurisdiction", Priority.P3, NOWHERE, "30min", CalendarName.ALWAYS),
        ("other.consult_policy", Priority.P4, NOWHERE, "0min", CalendarName.ALWAYS),
    ],
)
def test_acceptance_follows_the_danger_then_the_table(
    leaf: str, priority: Priority, place: Place, within: str, calendar: CalendarName
) -> None:
    assert accept(route(leaf, priority, place)) == (within, calendar)


def test_an_invalid_call_waits_no_longer_than_others() -> None:
    routing = route("other.invalid_abusive", Priority.P5, NOWHERE)
    assert accept(routing) == ("1wd", CalendarName.WORKING)


@pytest.mark.parametrize(
    ("place", "disposition", "lead"),
    [
        (NOWHERE, REDIRECT, "city-hotline"),
        (NAMED, REDIRECT, "city-hotline"),
        (HERE, MANUAL, "grid-centre"),
        (STEM, MANUAL, "grid-centre"),
        (MOVED, MANUAL, "grid-centre"),
    ],
)
def test_what_a_person_calls_not_ours_is_redirected_only_where_no_place_of_ours_is_known(
    place: Place, disposition: Disposition, lead: str
) -> None:
    routing = route("other.non_jurisdiction", place=place, by_person=True)
    assert (routing.disposition, routing.lead_unit) == (disposition, lead)


@pytest.mark.parametrize("leaf", LEAVES)
def test_an_unsure_leaf_goes_to_a_person_unless_a_danger_was_heard(leaf: str) -> None:
    routing = route(leaf, Priority.P3, abstained=True)
    assert (routing.disposition, routing.lead_unit) == (MANUAL, "hotline-office")
    for priority in (Priority.P0, Priority.P1):
        heard = route(leaf, priority, abstained=True, call=("fire",))
        sure = route(leaf, priority, call=("fire",))
        assert (heard.disposition, heard.lead_unit) == (sure.disposition, sure.lead_unit)


@pytest.mark.parametrize("leaf", LEAVES)
@pytest.mark.parametrize("priority", [Priority.P0, Priority.P1])
def test_a_guess_of_danger_calls_nobody_and_is_decided_in_the_time_of_an_emergency(
    leaf: str, priority: Priority
) -> None:
    routing = route(leaf, priority, abstained=True)
    assert (routing.disposition, routing.lead_unit) == (MANUAL, "grid-centre")
    assert routing.assist_units == ()
    assert accept(routing) == ("15min", CalendarName.ALWAYS)


ACCUSED = [
    ("grid.street_order", Priority.P3, HERE, "wanxing", DISPATCH, "discipline"),
    ("property.property_service", Priority.P3, HERE, "housing", DISPATCH, "discipline"),
    ("property.property_service", Priority.P3, HERE, "wanxing", DISPATCH, "housing"),
    ("other.staff_conduct", Priority.P3, HERE, "wanxing", DISPATCH, "discipline"),
    ("other.staff_conduct", Priority.P3, HERE, "discipline", MANUAL, "hotline-office"),
    ("other.consult_policy", Priority.P4, HERE, "hotline-office", DISPATCH, "discipline"),
    ("property.property_service", Priority.P3, HERE, "nobody", MANUAL, "grid-centre"),
    ("grid.road_facility", Priority.P1, HERE, "nobody", MANUAL, "grid-centre"),
    ("safety.gas_leak", Priority.P0, HERE, "nobody", TRANSFER, "grid-centre"),
    ("safety.gas_leak", Priority.P0, HERE, "gas-heat", TRANSFER, "grid-centre"),
    ("grid.road_facility", Priority.P1, HERE, "urban-management", MANUAL, "grid-centre"),
    ("grid.street_order", Priority.P3, ELSEWHERE, "city-hotline", MANUAL, "hotline-office"),
    ("safety.gas_leak", Priority.P0, ELSEWHERE, "city-hotline", TRANSFER, "hotline-office"),
    ("grid.street_order", Priority.P3, MOVED, "grid-centre", MANUAL, "discipline"),
    ("grid.street_lighting", Priority.P3, NOWHERE, "hotline-office", WAIT, "grid-centre"),
    ("other.invalid_abusive", Priority.P5, HERE, "hotline-office", MANUAL, "grid-centre"),
]


@pytest.mark.parametrize(("leaf", "priority", "place", "accused", "disposition", "lead"), ACCUSED)
def test_a_complaint_never_reaches_the_accused(
    leaf: str,
    priority: Priority,
    place: Place,
    accused: str,
    disposition: Disposition,
    lead: str,
) -> None:
    routing = route(leaf, priority, place, accused=accused)
    assert (routing.disposition, routing.lead_unit) == (disposition, lead)
    assert accused not in routing.assist_units


def test_an_excluded_unit_leaves_a_flag_and_an_uninvolved_one_none() -> None:
    assert route("grid.street_order", accused="wanxing").flags == ("accused_excluded",)
    assert route("property.property_fee", accused="market").flags == ("accused_excluded",)
    assert route("property.property_fee", accused="sports").flags == ()


PIPES = HERE.model_copy(update={"point": "老菜市口", "facility_owner": "water"})
OLD = HERE.model_copy(update={"regime": Regime.OLD_BUILDING})
NEW = HERE.model_copy(update={"regime": Regime.MANAGED})


@pytest.mark.parametrize(
    ("leaf", "place", "lead", "assist"),
    [
        ("property.property_service", OLD, "wanxing", ("civil-affairs", "housing")),
        ("property.property_service", NEW, "housing", ("wanxing",)),
        ("property.property_service", HERE, "housing", ("wanxing",)),
        ("property.common_facility_repair", OLD, "wanxing", ("housing", "civil-affairs")),
        ("property.common_facility_repair", NEW, "housing", ("wanxing",)),
        ("property.old_building_mgmt", OLD, "wanxing", ("civil-affairs", "housing")),
        ("property.old_building_mgmt", NEW, "housing", ("wanxing",)),
        ("grid.greening", OLD, "urban-management", ("wanxing", "sports")),
    ],
)
def test_the_regime_of_the_compound_decides_where_the_table_says_so(
    leaf: str, place: Place, lead: str, assist: tuple[str, ...]
) -> None:
    routing = route(leaf, place=place)
    assert (routing.lead_unit, routing.assist_units) == (lead, assist)


def test_a_decision_by_regime_says_so() -> None:
    reason = route("property.property_service", place=OLD).reasons[-1]
    assert "在旧楼区由万兴街道主责" in reason


@pytest.mark.parametrize(
    "leaf",
    ["grid.road_facility", "grid.street_lighting", "grid.drainage_flooding", "grid.greening"],
)
@pytest.mark.parametrize("priority", [Priority.P0, Priority.P1, Priority.P3])
def test_who_owns_the_facilities_of_a_point_leads_and_the_street_assists(
    leaf: str, priority: Priority
) -> None:
    routing = route(leaf, priority, PIPES)
    assert routing.lead_unit == "water"
    assert routing.assist_units[:2] == ("wanxing", "urban-management")
    assert routing.flags == ("facility_owner",)
    assert any("先看设施权属：“老菜市口”的设施归天津水务" in why for why in routing.reasons)


@pytest.mark.parametrize("leaf", ["grid.street_order", "property.property_service"])
def test_the_owner_of_facilities_has_no_part_in_other_matters(leaf: str) -> None:
    routing = route(leaf, place=PIPES)
    assert "water" not in (routing.lead_unit, *routing.assist_units)
    assert routing.flags == ()


@pytest.mark.parametrize(
    ("accused", "priority", "disposition", "lead"),
    [
        ("water", Priority.P3, DISPATCH, "discipline"),
        ("water", Priority.P1, MANUAL, "grid-centre"),
        ("water", Priority.P0, TRANSFER, "grid-centre"),
        ("urban-management", Priority.P3, DISPATCH, "water"),
        ("wanxing", Priority.P3, DISPATCH, "water"),
    ],
)
def test_an_accused_owner_or_assistant_of_a_point_is_excluded(
    accused: str, priority: Priority, disposition: Disposition, lead: str
) -> None:
    routing = route("grid.road_facility", priority, PIPES, accused=accused)
    assert (routing.disposition, routing.lead_unit) == (disposition, lead)
    assert accused not in routing.assist_units
    assert "accused_excluded" in routing.flags


def test_an_owner_that_no_longer_exists_leads_nothing() -> None:
    gone = replace(POLICY.units["water"], valid_to=AT.date() - timedelta(days=1))
    policy = replace(POLICY, units=MappingProxyType({**POLICY.units, "water": gone}))
    routing = decide(
        policy,
        leaf="grid.road_facility",
        priority=Priority.P3,
        place=PIPES,
        accused_unit=None,
        abstained=False,
        at=AT,
    )
    assert routing.lead_unit == "urban-management"


def test_the_street_stands_in_for_itself_among_the_assistants_or_is_left_out() -> None:
    assert route("property.property_service").assist_units == ("wanxing",)
    assert route("grid.road_facility", Priority.P1, NOWHERE).assist_units == ("traffic-police",)


def test_nobody_is_called_while_a_person_or_the_caller_is_asked() -> None:
    for place in (NOWHERE, NAMED, MOVED, ELSEWHERE):
        assert route("grid.street_lighting", place=place).assist_units == ()


def test_flags_say_why_a_person_decides() -> None:
    assert route("grid.street_order", place=MOVED).flags == ("jurisdiction_transferred",)
    assert route("grid.street_order", place=NAMED).flags == ("place_not_in_register",)
    assert route("grid.street_order").flags == ()


def test_an_emergency_elsewhere_says_that_it_is_redirected_too() -> None:
    routing = route("safety.gas_leak", Priority.P0, ELSEWHERE)
    assert any("改派" in reason for reason in routing.reasons)


def test_the_reasons_of_the_place_come_first() -> None:
    routing = route("grid.street_order")
    assert routing.reasons[0] == HERE.reasons[0]
    assert "万兴街道" in routing.reasons[-1]


def test_a_leaf_outside_the_taxonomy_is_refused() -> None:
    with pytest.raises(PolicyError, match="未知的事项"):
        route("grid.nothing")


def test_the_row_of_the_day_in_shanghai_holds() -> None:
    row = POLICY.responsibility["grid.greening"][0]
    midnight = datetime(2026, 12, 31, 16, 0, tzinfo=UTC)
    earlier = replace(row, valid_to=midnight.date())
    later = replace(row, lead="sports", assist=(), valid_from=datetime(2027, 1, 1).date())  # noqa: DTZ001
    policy = replace(
        POLICY,
        responsibility=MappingProxyType(
            {**POLICY.responsibility, "grid.greening": (earlier, later)}
        ),
    )

    def lead(at: datetime) -> str:
        return decide(
            policy,
            leaf="grid.greening",
            priority=Priority.P3,
            place=HERE,
            accused_unit=None,
            abstained=False,
            at=at,
        ).lead_unit

    assert lead(midnight.replace(hour=15)) == "urban-management"
    assert lead(midnight) == "sports"


def accused_units() -> Iterable[str | None]:
    return [None, "nobody", *POLICY.units]


@given(
    leaf=st.sampled_from(LEAVES),
    priority=st.sampled_from(list(Priority)),
    place=st.sampled_from(PLACES),
    accused=st.sampled_from(list(accused_units())),
    abstained=st.booleans(),
)
def test_what_always_holds(
    leaf: str, priority: Priority, place: Place, accused: str | None, abstained: bool
) -> None:
    routing = route(leaf, priority, place, accused=accused, abstained=abstained)
    units = (routing.lead_unit, *routing.assist_units)
    assert accused not in units
    assert set(units) <= set(POLICY.units)
    assert len(set(units)) == len(units)
    assert routing.reasons
    assert len(dict(routing.limits)) == len(routing.limits)
    if priority is Priority.P0:
        assert routing.disposition is (MANUAL if abstained else TRANSFER)
    if is_emergency(priority):
        assert routing.disposition not in (WAIT, REDIRECT)
        assert accept(routing) == ("15min", CalendarName.ALWAYS)
    if place is MOVED:
        assert routing.disposition is not REDIRECT
        assert "jurisdiction_transferred" in routing.flags


CROSSING_OF_TWO_STREETS = resolve(POLICY.gazetteer, "卫津路和鞍山道交口", None)
CROSSED_ROAD = resolve(POLICY.gazetteer, "鞍山西道", None)


def test_a_department_goes_to_a_crossing_before_anybody_knows_whose_street_it_is() -> None:
    assert CROSSING_OF_TWO_STREETS.street is None
    routing = route("safety.traffic_safety", place=CROSSING_OF_TWO_STREETS)
    assert (routing.disposition, routing.lead_unit) == (Disposition.DISPATCH, "traffic-police")


@pytest.mark.parametrize(
    ("leaf", "place"),
    [
        ("grid.street_order", CROSSING_OF_TWO_STREETS),  # led by the street, which is unknown
        ("safety.traffic_safety", CROSSED_ROAD),  # somewhere along a road is nowhere to go to
    ],
)
def test_the_caller_is_asked_where_no_one_can_go_yet(leaf: str, place: Place) -> None:
    assert route(leaf, place=place).disposition is Disposition.AWAITING_INFO
